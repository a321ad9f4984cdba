// SPDX-License-Identifier: Apache-2.0
/** Which device an interface has. */
import { interfaceCodec } from "../../layout/index.ts";
import type { Attachment } from "../device/attach.ts";
import { type Device, deviceName } from "../device/devices.ts";
import type { LiveInterface } from "../device/live.ts";
import { type FoundDevice, findDevice, type KnownDevice } from "../device/same_device.ts";
import { type Interface, invalid } from "../schema/index.ts";
import { sameValue } from "../state/desired.ts";
import type { Run } from "./context.ts";

/** The interface that carries a VLAN sub-interface; `undefined` for others. */
export function parentOf(run: Run, object: Interface): LiveInterface | undefined {
  return object.parent === undefined ? undefined : run.live.get(object.parent);
}

/**
 * The device of an interface as it is now.
 * @throws WeirError when a new state names a device that is not there, or is another interface's.
 */
export function deviceOf(run: Run, object: Interface): FoundDevice {
  if (object.parent !== undefined) return { device: parentOf(run, object)?.device };
  const live = run.live.get(object.name);
  if (run.resuming) return unlessTaken(run, object, findDevice(run.devices, object, knownDevice(run, object, live)));
  const isKept = live?.device !== undefined && deviceName(live.object) === deviceName(object);
  if (isKept) return findDevice(run.devices, object, seenHere(live.device));
  if (object.optional === true) return unlessTaken(run, object, findDevice(run.devices, object, undefined));
  const pointer = run.locate("interfaces", object.name);
  const device = run.devices.require(object, pointer);
  const holder = holderOf(run, object, device);
  if (holder === undefined) return { device };
  throw invalid(
    `${pointer}/${object.device === undefined ? "name" : "device"}`,
    `is "${device.name}", the device of interface "${holder}" since it was renamed`,
    "rename it back, or take that interface out of the state",
  );
}

/** What went, when it went: a new device must prove to be the same. */
export function lostDevice(run: Run, object: Interface, before: LiveInterface | undefined): KnownDevice | undefined {
  if (before !== undefined) {
    const { device, lost } = before;
    return device === undefined ? lost : { ifindex: device.ifindex, mac: device.mac, seen: "gone" };
  }
  if (!run.resuming || object.parent !== undefined) return undefined;
  const earlier = earlierDevice(run, object);
  return earlier === undefined ? undefined : { ...earlier, seen: "gone" };
}

const seenHere = ({ ifindex, mac }: Device): KnownDevice => ({ ifindex, mac, seen: "here" });

function knownDevice(run: Run, object: Interface, live: LiveInterface | undefined): KnownDevice | undefined {
  if (live === undefined) return earlierDevice(run, object);
  return live.device === undefined ? live.lost : seenHere(live.device);
}

/** The device that an earlier process left in the kernel's tables, or had lost before it ended. */
function earlierDevice(run: Run, { name }: Interface): KnownDevice | undefined {
  const id = run.ids.interface.get(name);
  if (id === undefined) return run.lostDevices.get(name);
  const { interfaces } = run.tables;
  const base = interfaces.at(id);
  const ifindex = interfaceCodec.ifindex.get(interfaces.view, base);
  if (ifindex === 0) return run.lostDevices.get(name);
  return { ifindex, mac: interfaceCodec.deviceMac.bytes(interfaces.bytes, base).slice(), seen: "earlier" };
}

/** A device that was renamed keeps its interface: another one that waits for the name does not get it. */
function unlessTaken(run: Run, object: Interface, found: FoundDevice): FoundDevice {
  const { device } = found;
  const holder = device === undefined ? undefined : holderOf(run, object, device);
  if (device === undefined || holder === undefined) return found;
  return { device: undefined, refused: `"${device.name}" is the device of interface "${holder}"` };
}

/** Another interface that has the device, and keeps it. */
function holderOf(run: Run, { name }: Interface, device: Device): string | undefined {
  const holder = run.live.onDevice(device.ifindex)?.object;
  if (holder === undefined || holder.name === name) return undefined;
  const wanted = run.state.get("interfaces", holder.name);
  const keeps = wanted !== undefined && deviceName(wanted) === deviceName(holder);
  return keeps ? holder.name : undefined;
}

/** True when the device of an interface, or why it has none, is not what its tables say. */
export function deviceChanged(run: Run, name: string): boolean {
  const live = run.live.get(name);
  if (live === undefined) return false;
  const { device, refused } = deviceOf(run, live.object);
  return !sameValue([device, refused], [live.device, live.refused]);
}

/** True when the kernel has taken the programs of an interface off its device: it was gone, if only for a moment. */
export function isDetached({ attachment }: LiveInterface): boolean {
  return attachment !== undefined && !isAttached(attachment);
}

function isAttached({ tc, xdp }: Attachment): boolean {
  return tc.programId() !== 0 && xdp?.programId() !== 0;
}
