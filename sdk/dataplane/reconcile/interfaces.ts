// SPDX-License-Identifier: Apache-2.0
/** Interfaces: tables first, then programs; what goes is taken away once the change is kept. */
import { formatMac } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import { NEXTHOP_FLAG_DOWN } from "../../layout/index.ts";
import { vrfOf } from "../check/check_interfaces.ts";
import type { Attachment } from "../device/attach.ts";
import { hookOf } from "../device/attach.ts";
import { isChained } from "../device/chained_xdp.ts";
import { type Device, deviceName } from "../device/devices.ts";
import { LINK_HEADER } from "../device/direct_ports.ts";
import type { LiveInterface } from "../device/live.ts";
import { kernelAtLeast } from "../device/preflight.ts";
import type { FoundDevice } from "../device/same_device.ts";
import { findDriver } from "../drivers/index.ts";
import { policiesOf } from "../host/host_object.ts";
import { learnedMac } from "../kernel/records.ts";
import { NO_ADDRESSES } from "../kernel/tables.ts";
import { type Interface, invalid } from "../schema/index.ts";
import { type ObjectChange, sameValue } from "../state/desired.ts";
import { withOtherList } from "./changed_rules.ts";
import type { Run } from "./context.ts";
import { deviceOf, lostDevice, parentOf } from "./interface_device.ts";
import { peerNamespace } from "./peer_namespace.ts";
import { writePolicers } from "./qos.ts";
import { interfaceAddresses, interfaceNexthop, interfaceRecord, macOf } from "./records_of.ts";
import { explainedError, mendDevice, restoreDevice } from "./tuning.ts";

/**
 * Writes the tables of one interface; its programs come later (`attachInterface`).
 * @param found its device, if that is known already.
 */
export function writeInterface(run: Run, object: Interface, found: FoundDevice = deviceOf(run, object)): void {
  const before = run.live.get(object.name);
  checkPeer(run, object, found.device);
  checkChain(run, object, found.device, before);
  const warnings: string[] = [];
  const device = mendDevice(run, object, found.device, warnings);
  const id = run.ids.take("interface", object.name);
  const live: LiveInterface = {
    object,
    id,
    vrf: run.ids.take("vrf", vrfOf(object)),
    nexthop: run.ids.take("nexthop", object.name),
    device,
    lost: device === undefined ? lostDevice(run, object, before) : undefined,
    refused: found.refused,
    record: undefined,
    addresses: device === undefined ? NO_ADDRESSES : interfaceAddresses(object),
    mac: undefined,
    bridgeMac: undefined,
    attachment: before?.attachment,
    direct: (parentOf(run, object) ?? (before?.device?.ifindex === device?.ifindex ? before : undefined))?.direct,
    warnings,
  };
  if (before === undefined && !run.resuming) run.tables.clearCounters(id);
  keepLive(run, object.name, live);
  if (object.parent === undefined) run.retire.push(() => run.lostDevices.set(object.name, live.lost));
  if (device === undefined) {
    run.tables.nexthops.set(interfaceNexthop(live.nexthop, live, macOf(object)), run.undo);
    if (before !== undefined) retireDevice(run, before, undefined);
    return;
  }
  // The host's packets are as long as those whom they are for take.
  if (object.role !== "host") run.trapLink.admit(device.mtu);
  rewrite(run, object.name, {}, before === undefined && run.resuming);
  if (before !== undefined && parentOf(run, object) === undefined) closeDirect(run, before, device);
  const now = required(run, object.name);
  run.tables.setAddresses(id, before?.addresses ?? NO_ADDRESSES, now.addresses, run.undo);
  run.tables.setPort(id, device.ifindex, run.undo);
  run.tables.setDevice(device.ifindex, object.vlan ?? 0, id, run.undo);
  if (before !== undefined) retireDevice(run, before, now);
  noteStale(run, before, object);
}

/** @throws WeirError when a new state names a namespace in `netns` that is not where the device's other end is. */
function checkPeer(run: Run, object: Interface, device: Device | undefined): void {
  const before = run.live.get(object.name)?.object;
  const isKnown = before !== undefined && before.netns === object.netns && deviceName(before) === deviceName(object);
  if (!run.resuming && !isKnown && device !== undefined) peerNamespace(run, object, device);
}

/**
 * The program of its own would have to go before the one in a chain can come, and the other way round: nothing of it may be
 * lost where that fails.
 */
function checkChain(run: Run, object: Interface, device: Device | undefined, before: LiveInterface | undefined): void {
  const xdp = before?.attachment?.xdp;
  if (xdp === undefined || device === undefined || hookOf(object, device) === "tc") return;
  if (isChained(xdp) === (object.xdpChain !== undefined)) return;
  const pointer = `${run.locate("interfaces", object.name)}/xdpChain`;
  const reason = isChained(xdp)
    ? "cannot go, as its program is in a chain"
    : "cannot come, as its program has no chain";
  throw invalid(pointer, reason, "take the interface out of the state first");
}

/** Interfaces take turns; what comes by the queues of one, VLAN sub-interfaces' too, is spread from there on. */
const workerOf = (run: Run, id: number): number => id % run.workers;

function required(run: Run, name: string): LiveInterface {
  const live = run.live.get(name);
  if (live === undefined) throw new Error(`Interface "${name}" is not there`);
  return live;
}

function keepLive(run: Run, name: string, live: LiveInterface): void {
  const before = run.live.get(name);
  run.undo.push(() => {
    if (before === undefined) run.live.delete(name);
    else run.live.set(name, before);
  });
  run.live.set(name, live);
}

/** Writes record, own next hop (see `leadOut`) and bridge entry of an interface anew, with what changed. */
function rewrite(run: Run, name: string, change: Partial<LiveInterface>, isRunning = false): void {
  const live = { ...required(run, name), ...change };
  const { object, device } = live;
  if (device === undefined) return;
  const policies = policiesOf(object);
  const record = interfaceRecord({
    object,
    id: live.id,
    vrf: live.vrf,
    nexthop: live.nexthop,
    device,
    hook: hookOf(parentOf(run, object)?.object ?? object, device),
    direct: live.direct,
    policy: policies === undefined ? 0 : run.policies.indexOf(policies),
    qosMap: object.qos === undefined ? 0 : run.ids.take("qos", object.qos),
    traps: run.takenTraps.of(object.name),
    worker: workerOf(run, parentOf(run, object)?.id ?? live.id),
    node: run.node,
  });
  writePolicers(run, live.id, object);
  run.tables.guards.set(live.id, object.newFlows, run.undo);
  run.tables.setInterface(record, run.undo);
  const mac = record.mac ?? learnedMac(run.tables.interfaces, live.id);
  const bridgeMac = object.role !== "workload" ? undefined : object.learn === true ? record.mac : mac;
  keepLive(run, name, { ...live, record, mac, bridgeMac });
  leadOut(run, required(run, name), isRunning);
  if (bridgeMac === undefined) return;
  run.tables.bridge.set("interface", live.vrf, bridgeMac, { nexthop: live.nexthop, tag: 0 }, run.undo);
}

/**
 * Writes the own next hop of an interface. Nothing goes out of a device whose programs are not on it yet: the answer would
 * get past them.
 * @param isRunning an earlier process's programs may be at work.
 */
function leadOut(run: Run, live: LiveInterface, isRunning: boolean): void {
  const leads = isRunning || live.object.parent !== undefined || live.attachment?.ifindex === live.device?.ifindex;
  const record = interfaceNexthop(live.nexthop, live, live.mac);
  const flags = (record.flags ?? 0) | (leads ? 0 : NEXTHOP_FLAG_DOWN);
  run.tables.nexthops.set({ ...record, flags }, run.undo);
}

/** True when the kernel program has learned a MAC that the interface's other tables do not have yet. */
export function hasLearned(run: Run, { object, id, device, mac }: LiveInterface): boolean {
  if (object.role !== "workload" || object.mac !== undefined || device === undefined) return false;
  return !sameValue(learnedMac(run.tables.interfaces, id)?.toHex(), mac?.toHex());
}

/** Makes the bridge entry of an interface what its learned MAC says. */
export function takeLearned(run: Run, name: string): void {
  const before = required(run, name);
  rewrite(run, name, {});
  retireDevice(run, before, required(run, name));
}

/** Attaches the programs of an interface whose tables are written. */
export function attachInterface(run: Run, name: string): void {
  const live = required(run, name);
  const { device, attachment: before } = live;
  if (live.object.parent !== undefined) {
    // Its parent's programs decide for it, and take the parent's sockets.
    const direct = parentOf(run, live.object)?.direct;
    if (direct !== live.direct) rewrite(run, name, { direct });
    return;
  }
  if (device === undefined) {
    if (before !== undefined) detach(run, live, before);
    return;
  }
  const warnings = [...live.warnings];
  const attachment = attach(run, live, device, warnings);
  if (attachment === undefined) {
    keepLive(run, name, { ...live, warnings });
    leadOut(run, live, true);
    return;
  }
  const direct = attachment.hook === "xdp" ? (live.direct ?? openDirect(run, live.id, device, warnings)) : undefined;
  if (direct !== live.direct) rewrite(run, name, { attachment, direct, warnings });
  else keepLive(run, name, { ...live, attachment, warnings });
  leadOut(run, required(run, name), true);
  run.retire.push(() => {
    if (before !== undefined) run.attacher.retire(before, attachment);
    if (attachment.hook !== "xdp") run.replacedXdp.restore(name);
    if (live.direct !== undefined && direct === undefined) run.direct.remove(live.id);
  });
}

/** Its device is gone: nothing of it may be taken for the next one's. */
function detach(run: Run, live: LiveInterface, before: Attachment): void {
  keepLive(run, live.object.name, { ...live, attachment: undefined });
  run.retire.push(() => {
    run.attacher.retire(before, undefined);
    run.direct.remove(live.id);
  });
}

/**
 * A state that was accepted earlier is not refused for one interface whose device has changed since: the interface
 * goes without, and says why.
 */
function attach(run: Run, live: LiveInterface, device: Device, warnings: string[]): Attachment | undefined {
  try {
    checkFirstPackets(run, live.object, device, warnings);
    const { replacedXdp, undo } = run;
    const { object, id } = live;
    const makeRoom = () => {
      undo.push(() => replacedXdp.restore(object.name));
      replacedXdp.take(object.name, device.ifindex);
    };
    const misplaced = run.resuming ? (warning: string) => warnings.push(warning) : undefined;
    return run.attacher.attach(object, id, device, live.attachment, undo, makeRoom, misplaced);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    const explained = explainedError(run, live.object, device, error);
    if (!run.resuming) throw explained;
    warnings.push(explained.message);
    return undefined;
  }
}

/**
 * First packets of flows must get to the slow path, or large ones of new flows would all be lost.
 * @throws WeirError `EMTU` for a new state; one that was accepted earlier goes on, and those packets are counted drops.
 */
function checkFirstPackets(run: Run, object: Interface, device: Device, warnings: string[]): void {
  const largest = run.slowPath.largestPacket - LINK_HEADER;
  if (object.policies === undefined || object.role === "host" || device.mtu <= largest) return;
  const error = new WeirError({
    code: "EMTU",
    operation: `put policy on "${object.name}"`,
    reason: `MTU ${device.mtu} is more than the ${largest} bytes of a packet that the slow path takes here`,
    hint: kernelAtLeast(6, 6) ? `lower it to ${largest}` : `lower it to ${largest}, or use Linux 6.6`,
  });
  if (!run.resuming) throw error;
  warnings.push(error.message);
}

/** Sockets of its own; where the device does not allow them its packets take the trap link. */
function openDirect(run: Run, id: number, device: Device, warnings: string[]): LiveInterface["direct"] {
  // What the slow path is to know of a packet lies in front of it there.
  if (findDriver(device.driver)?.metadata === false) return undefined;
  try {
    // Some drivers receive on more queues once there is a program.
    const rxQueues = run.devices.receiveQueues(device.name) || device.rxQueues;
    const direct = run.direct.add(id, { ...device, rxQueues }, workerOf(run, id));
    if (direct !== undefined) run.undo.push(() => run.direct.remove(id));
    return direct;
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    warnings.push(`its packets take the trap link: ${error.message}`);
    return undefined;
  }
}

/** Sockets of another device go at once: the new ones take their place. */
function closeDirect(run: Run, { id, device: old, direct }: LiveInterface, device: Device): void {
  if (direct === undefined || old === undefined || old.ifindex === device.ifindex) return;
  run.direct.remove(id);
  run.undo.push(() => run.direct.add(id, old, workerOf(run, id)));
}

/** Takes away, later, what the old device or the old addresses had and the new have not. */
function retireDevice(run: Run, before: LiveInterface, after: LiveInterface | undefined): void {
  const { tables } = run;
  run.retire.push(() => {
    const { undo } = run;
    const ifindex = before.device?.ifindex;
    const vlan = before.object.vlan ?? 0;
    if (ifindex !== undefined && (ifindex !== after?.device?.ifindex || vlan !== (after.object.vlan ?? 0))) {
      tables.clearDevice(ifindex, vlan, undo);
    }
    if (after === undefined) tables.setAddresses(before.id, before.addresses, NO_ADDRESSES, undo);
    const mac = before.bridgeMac;
    if (
      mac !== undefined &&
      (after?.bridgeMac === undefined || after.vrf !== before.vrf || formatMac(after.bridgeMac) !== formatMac(mac))
    ) {
      tables.bridge.clear("interface", before.vrf, mac, undo, before.nexthop);
    }
    if (before.object.learn === true && (after?.object.learn !== true || after.vrf !== before.vrf)) {
      tables.bridge.forget([...tables.bridge.learned()].filter(({ nexthop }) => nexthop === before.nexthop));
    }
    if (after === undefined) {
      tables.clearPort(before.id, undo);
      tables.clearInterface(before.id, undo);
    }
  });
}

/** Takes an interface away: its object is gone. */
export function removeInterface(run: Run, name: string): void {
  const before = run.live.get(name);
  if (before === undefined) return;
  run.undo.push(() => run.live.set(name, before));
  run.live.delete(name);
  run.ids.free("interface", name);
  noteGone(run, before);
  const { attachment } = before;
  run.retire.push(() => {
    if (attachment !== undefined) run.attacher.retire(attachment, undefined);
    run.replacedXdp.restore(name);
    run.lostDevices.set(name, undefined);
    if (before.direct !== undefined && before.object.parent === undefined) run.direct.remove(before.id);
    run.peers.restore(name);
    run.packetLimits.restore(name);
    restoreDevice(run, name);
  });
  retireDevice(run, before, undefined);
}

/** Changes of an interface's VRF, policies and source rules concern its flows. */
function noteStale(run: Run, before: LiveInterface | undefined, now: Interface): void {
  if (before === undefined) return;
  const old = before.object;
  if (vrfOf(old) !== vrfOf(now)) run.stale.over.add(before.id);
  const same = sameValue(
    [old.addresses, old.allowedAddresses, old.sourceCheck, old.mac],
    [now.addresses, now.allowedAddresses, now.sourceCheck, now.mac],
  );
  if (!same) noteAllStale(run, before);
  if (!sameValue([policiesOf(old), old.services], [policiesOf(now), now.services])) {
    run.stale.policies.add(before.id);
    run.stale.rules = withOtherList(run, run.stale.rules, policiesOf(old), policiesOf(now));
  }
}

function noteAllStale(run: Run, live: LiveInterface): void {
  run.stale.interfaces.add(live.id);
  run.stale.nexthops.add(live.nexthop);
}

function noteGone(run: Run, live: LiveInterface): void {
  noteAllStale(run, live);
  run.stale.gone.add(live.id);
}

/** What `writeInterface` or `removeInterface` would note, and the errors that it would throw. */
export function foreseeInterface(run: Run, change: ObjectChange<"interfaces">): void {
  const before = run.live.get(change.key);
  const after = change.after[0]?.object;
  if (after !== undefined) {
    checkPeer(run, after, deviceOf(run, after).device);
    noteStale(run, before, after);
  } else if (before !== undefined) noteGone(run, before);
}
