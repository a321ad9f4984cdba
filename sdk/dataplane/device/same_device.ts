// SPDX-License-Identifier: Apache-2.0
/** Which device is the one that an interface had before. */
import { formatMac } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import type { Interface } from "../schema/index.ts";
import { type Device, type Devices, deviceName } from "./devices.ts";

/** The device that an interface had. */
export interface KnownDevice {
  readonly ifindex: number;
  readonly mac: Uint8Array;
  /**
   * here: it has not left its namespace since it was looked at. gone: it has. earlier: an earlier process had it, and
   * nobody looked since.
   */
  readonly seen: "here" | "gone" | "earlier";
}

/** What is found of a device. */
export interface FoundDevice {
  readonly device: Device | undefined;
  /** Why a device that has the name is not taken for the one that was there. */
  readonly refused?: string;
}

/**
 * The device of an interface. A rename is followed by the index; that of a device that has gone may be another one's by
 * now. A device that was made anew under the interface's name is taken only if its MAC is that of the one before, or if its
 * other end is in the namespace that the object names.
 */
export function findDevice(devices: Devices, object: Interface, known: KnownDevice | undefined): FoundDevice {
  const name = deviceName(object);
  const same = known === undefined ? undefined : devices.find(known.ifindex);
  if (known !== undefined && same !== undefined && isSame(known, same, name)) return { device: same };
  const device = devices.find(name);
  if (device === undefined || known === undefined) return { device };
  if (hasMac(device, known)) return { device };
  const mac = `"${name}" is another device than before: its MAC is ${formatMac(device.mac)}, not ${formatMac(known.mac)}`;
  if (object.netns === undefined) return { device: undefined, refused: `${mac}, and no netns is given` };
  if (isInNamespace(devices, device, object.netns)) return { device };
  return { device: undefined, refused: `${mac}, and its other end is not in netns "${object.netns}"` };
}

function isSame(known: KnownDevice, device: Device, name: string): boolean {
  if (known.seen === "here" || hasMac(device, known)) return true;
  return known.seen === "earlier" && device.name === name;
}

const hasMac = (device: Device, known: KnownDevice): boolean => formatMac(device.mac) === formatMac(known.mac);

function isInNamespace(devices: Devices, device: Device, netns: string): boolean {
  if (device.peerNetnsId === undefined) return false;
  try {
    return devices.netlink.namespaceId(netns) === device.peerNetnsId;
  } catch (error) {
    // The namespace may be made after the device, or never.
    if (error instanceof WeirError && error.code === "ENOENT") return false;
    throw error;
  }
}
