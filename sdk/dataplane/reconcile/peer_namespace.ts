// SPDX-License-Identifier: Apache-2.0
/** Where the other end of an interface's veth is. */
import { WeirError } from "../../errors.ts";
import type { Device } from "../device/devices.ts";
import type { LiveInterface } from "../device/live.ts";
import { type Interface, invalid } from "../schema/index.ts";
import type { Run } from "./context.ts";

/** True where Weir can find the other end: it is in the node's namespace, or `netns` names where it is. */
export function isReachable({ device, object }: LiveInterface): boolean {
  return device !== undefined && (device.peerNetnsId === undefined || object.netns !== undefined);
}

/** Namespace of the other end as the object names it; `undefined`: the node's, or not known. */
export function namespaceOfPeer({ device, object }: Pick<LiveInterface, "device" | "object">): string | undefined {
  return device?.peerNetnsId === undefined ? undefined : object.netns;
}

/**
 * `namespaceOfPeer`, looked at.
 * @throws WeirError when `netns` names another namespace: the index of the peer means another device there.
 */
export function peerNamespace(run: Run, object: Interface, device: Device): string | undefined {
  const netns = namespaceOfPeer({ object, device });
  if (netns === undefined) return undefined;
  const refuse = (why: string) => {
    const pointer = `${run.locate("interfaces", object.name)}/netns`;
    return invalid(pointer, `is "${netns}", which ${why}`, "correct it, or leave it out");
  };
  try {
    if (run.devices.netlink.namespaceId(netns) === device.peerNetnsId) return netns;
  } catch (error) {
    throw error instanceof WeirError && error.code === "ENOENT" ? refuse("is not there") : error;
  }
  throw refuse(`does not hold the other end of ${device.name}`);
}
