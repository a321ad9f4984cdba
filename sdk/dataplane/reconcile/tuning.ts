// SPDX-License-Identifier: Apache-2.0
/** Settings of devices for the hooks of their interfaces: made where `tune` says so, told of where they are missing. */
import { WeirError } from "../../errors.ts";
import { namespacePath } from "../../netlink/index.ts";
import { withNetns } from "../../runtime/netns.ts";
import type { Device } from "../device/devices.ts";
import { LINK_HEADER } from "../device/direct_ports.ts";
import {
  abilitiesOf,
  type DeviceFacts,
  type DeviceSettings,
  type DeviceUse,
  merge,
  mtuLimit,
  needsOf,
  openAccess,
  type PeerFacts,
  readFacts,
  readPeer,
} from "../drivers/index.ts";
import { reversePathWarnings } from "../host/reverse_path.ts";
import type { Interface } from "../schema/index.ts";
import type { Run } from "./context.ts";
import { peerNamespace } from "./peer_namespace.ts";

/** Key of what was made at the other end of an interface's veth; no name has a slash. */
const peerKey = (name: string): string => `${name}/peer`;

/**
 * The device of an interface, after the settings that its hook needs were made, if they may be.
 * @param warnings gets a line for each that was refused, and for a hook that is not the one that suits the device.
 */
export function mendDevice(
  run: Run,
  object: Interface,
  device: Device | undefined,
  warnings: string[],
): Device | undefined {
  if (device === undefined || object.parent !== undefined) return device;
  if (object.role === "host") warnings.push(...reversePathWarnings(device.name));
  const mended = object.tune === true ? tune(run, object, device, warnings) : device;
  const { nativeXdp, xdpObstacle } = mended;
  if ((object.hook ?? "auto") === "auto" && nativeXdp && xdpObstacle !== undefined) {
    warnings.push(`hook auto takes tc, as XDP is not possible: ${xdpObstacle}`);
  }
  return mended;
}

function tune(run: Run, object: Interface, device: Device, warnings: string[]): Device {
  const facts = factsOf(run, object, device);
  if (facts === undefined) return device;
  const use = useOf(run, object, device);
  const settings = needsOf(facts, use).reduce<DeviceSettings>((all, need) => merge(all, need.settings), {});
  make(run, object.name, settings, device.ifindex, undefined, warnings);
  tunePeer(run, object, device, mtuLimit(facts, use)?.mtu, warnings);
  return run.devices.find(device.ifindex) ?? device;
}

/** What the other end sends is what is received here; only an MTU counts for that. */
function tunePeer(run: Run, object: Interface, device: Device, limit: number | undefined, warnings: string[]): void {
  const peer = peerOf(run, object, device);
  if (peer === undefined || limit === undefined || peer.mtu <= limit) return;
  make(run, peerKey(object.name), { mtu: limit }, peer.index, peer.netns, warnings);
}

function make(
  run: Run,
  key: string,
  settings: DeviceSettings,
  ifindex: number,
  netns: string | undefined,
  warnings: string[],
): void {
  using access = withNetns(namespacePath(netns), () => openAccess());
  const { failures, undo } = run.tuning.set(key, access, { ifindex, netns }, settings);
  run.undo.push(undo);
  warnings.push(...failures);
}

/** What is to be restored once an interface is gone: its programs are gone then too. */
export function restoreDevice(run: Run, name: string): void {
  for (const key of [peerKey(name), name]) run.tuning.restore(key);
}

/** What was made because an interface says `tune`; `undefined`: nothing. */
export function tunedSettings({ tuning }: Pick<Run, "tuning">, name: string): DeviceSettings | undefined {
  return tuning.get(name)?.made;
}

/** An error of attaching a program natively, with what the device lacks. */
export function explainedError(run: Run, object: Interface, device: Device, error: WeirError): WeirError {
  const use = useOf(run, object, device);
  const facts = use.hook === "xdp" && !["EBUSY", "EMTU"].includes(error.code) && factsOf(run, object, device);
  if (!facts) return error;
  const { code, operation, reason } = error;
  if (!abilitiesOf(facts.driver, facts.xdp, facts.kernel).native) {
    return new WeirError({
      ...{ code, operation, cause: error, field: error.field },
      reason: `${reason}: driver "${facts.driver}" runs no XDP natively on this kernel`,
      hint: "use hook: tc",
    });
  }
  const need = needsOf(facts, use).find(({ isBlocking }) => isBlocking);
  if (need === undefined) return error;
  return new WeirError({
    ...{ code, operation, cause: error, field: error.field },
    reason: `${reason}: ${need.found}: ${need.cost}`,
    hint: `${need.command}, or say tune: true or hook: tc`,
  });
}

function useOf(run: Run, object: Interface, device: Device): DeviceUse {
  const { hook = "auto", policies } = object;
  return {
    hook: hook === "auto" ? (device.nativeXdp ? "xdp" : "tc") : hook,
    policed: policies !== undefined,
    largestPacket: run.slowPath.largestPacket - LINK_HEADER,
  };
}

function factsOf(run: Run, object: Interface, device: Device): DeviceFacts | undefined {
  const facts = readFacts(run.devices, device.ifindex);
  const peer = peerOf(run, object, device);
  return facts === undefined || peer === undefined ? facts : { ...facts, peerTransmitQueues: peer.transmitQueues };
}

/** The other end of a veth, where it is known and can be reached. */
function peerOf(run: Run, object: Interface, device: Device): (PeerFacts & { netns: string | undefined }) | undefined {
  if (device.kind !== "veth" || device.peerIndex === undefined) return undefined;
  if (device.peerNetnsId !== undefined && object.netns === undefined) return undefined;
  try {
    const netns = peerNamespace(run, object, device);
    const peer = readPeer(device.peerIndex, netns);
    return peer === undefined ? undefined : { ...peer, netns };
  } catch (error) {
    // A namespace that is wrong or gone is told of where it is needed.
    if (error instanceof WeirError) return undefined;
    throw error;
  }
}
