// SPDX-License-Identifier: Apache-2.0
/** The node that all packet cases have in common, and what each of them adds to it. */

import { monotonicMs } from "../../../sdk/dataplane/instance/clock.ts";
import {
  ADDRESS_GATEWAY,
  ADDRESS_OWN,
  InterfaceRoleValue,
  NEXTHOP_FLAG_DOWN,
  NEXTHOP_FLAG_RESOLVE,
  trapLimitCodec,
} from "../../../sdk/layout/generated.ts";
import type { Pipeline } from "../pipeline_harness.ts";
import { LOOPBACK } from "../pipeline_harness.ts";
import {
  addLabel,
  addLabelledBridgeEntry,
  addLabelledRoute,
  addUnderlayAddress,
  addVni,
  setGroup,
  setTunnel,
  setVrf,
  setVrfNexthop,
} from "../pipeline_overlay.ts";
import { u32, u32s, viewOf } from "../pipeline_table.ts";
import { FABRIC_MAC, LABEL, PEER_MAC, tunnelCases, tunnelId, VNI } from "../pipeline_tunnels.ts";
import type { Entry, State } from "./packet_case.ts";

/** Interfaces, and their own next hops: workloads of VRF 1 ... */
export const A = 1;
export const B = 2;
/** ... this one a sub-interface with VLAN 10 ... */
export const C = 3;
/** ... and of VRF 2. */
export const D = 5;
/** To the other nodes: VRF 9. */
export const FABRIC = 4;
/** The host's own: VRF 3. */
export const HOST = 6;
export const INTERFACES: readonly number[] = [A, B, C, FABRIC, D, HOST];

export const C_VLAN = 10;
export const BLUE = 2;
export const UNDERLAY_VRF = 9;
export const HOST_VRF = 3;

/** Next hops. */
export const LOCAL = 10;
export const DISCARD = 11;
export const RESOLVE = 12;
export const UNRESOLVED = 13;
export const DOWN = 14;
/** To B, 100 bytes at most. */
export const NARROW = 15;
export const TO_BLUE = 16;
export const TO_VRF1 = 17;
export const UPLINK = 50;
/** There is none. */
export const MISSING = 99;

export const ROUTED_LABEL = LABEL;
export const BRIDGED_LABEL = 101;
/** Leads into VRF 1. */
export const VRF_LABEL = 102;
/** The same, with Ethernet frames inside. */
export const VRF_ETHERNET_LABEL = 103;

const MACS: Readonly<Record<number, string>> = {
  [A]: "02:00:00:00:01:01",
  [B]: "02:00:00:00:02:01",
  [C]: "02:00:00:00:03:01",
  [D]: "02:00:00:00:05:01",
};
const FAR_MAC = "02:00:00:00:09:01";
const ROLES: Readonly<Record<number, number>> = {
  [FABRIC]: InterfaceRoleValue.fabric,
  [HOST]: InterfaceRoleValue.host,
};
const VRFS: Readonly<Record<number, number>> = { [D]: BLUE, [FABRIC]: UNDERLAY_VRF, [HOST]: HOST_VRF };

/** Tables whose entries are all a case's own. */
const TABLES = [
  ...["routes4", "routes6", "fdb", "labels", "vnis", "tunnels", "flows4", "flows6", "fragments", "told_addresses"],
  ...["devices", "underlay_addresses", "interface_addresses"],
];

export function vrfOf(id: number): number {
  return VRFS[id] ?? 1;
}

/** VXLAN over IPv4 and the others: the third byte of the prefix that leads into it, by the tunnel's name. */
export function tunnelNet(name: string): number {
  return 20 + tunnelCases.findIndex((o) => o.name === name);
}

/** Arrays likewise. */
const ARRAYS = ["low_labels", "low_vnis", "device_hints", "tunnel_hints"];

/** Device that an interface sends to. */
export type Devices = (id: number) => number;

function setInterfaces(pipeline: Pipeline, state: State, devices: Devices): void {
  for (const id of INTERFACES) {
    const own = state.interfaces?.[id] ?? {};
    const mac = own.mac ?? MACS[id];
    pipeline.addInterface(id, {
      ...own,
      ifindex: devices(id),
      vrf: vrfOf(id),
      role: ROLES[id] ?? InterfaceRoleValue.workload,
      vlan: own.vlan ?? (id === C ? C_VLAN : 0),
      ...(mac === undefined ? {} : { mac }),
    });
  }
  [A, B, C, D].forEach((id) => {
    const net = id === D ? 98 : 97;
    pipeline.addAddress(id, `10.${net}.0.${id}`, ADDRESS_OWN);
    pipeline.addAddress(id, `fd00:${net}::${id}`, ADDRESS_OWN);
    pipeline.addAddress(id, `10.${net}.0.254`, ADDRESS_GATEWAY);
    pipeline.addAddress(id, `fd00:${net}::fe`, ADDRESS_GATEWAY);
    pipeline.addRoute(vrfOf(id), `10.${net}.0.${id}/32`, id);
    pipeline.addRoute(vrfOf(id), `fd00:${net}::${id}/128`, id);
    pipeline.addBridgeEntry(vrfOf(id), MACS[id] ?? "", id);
  });
}

function setNexthops(pipeline: Pipeline): void {
  const mac = MACS[B] ?? "";
  pipeline.setNexthop(LOCAL, "local");
  pipeline.setNexthop(DISCARD, "discard");
  pipeline.setNexthop(RESOLVE, "resolve", { interface: B });
  pipeline.setNexthop(UNRESOLVED, "interface", { interface: B, flags: NEXTHOP_FLAG_RESOLVE });
  pipeline.setNexthop(DOWN, "interface", { interface: B, flags: NEXTHOP_FLAG_DOWN, mac });
  pipeline.setNexthop(NARROW, "interface", { interface: B, mac, mtu: 100 });
  pipeline.setNexthop(MISSING, "none");
  setVrfNexthop(pipeline, TO_BLUE, BLUE);
  setVrfNexthop(pipeline, TO_VRF1, 1);
  pipeline.setNexthop(UPLINK, "interface", { interface: FABRIC, mac: PEER_MAC, sourceMac: FABRIC_MAC });
  const nets = { [LOCAL]: 1, [DISCARD]: 2, [RESOLVE]: 3, [UNRESOLVED]: 4, [DOWN]: 5, [NARROW]: 6, [MISSING]: 7 };
  for (const [id, net] of Object.entries({ ...nets, [TO_BLUE]: 8 })) {
    pipeline.addRoute(1, `10.99.${net}.0/24`, Number(id));
    pipeline.addRoute(1, `fd00:99:${net}::/48`, Number(id));
  }
}

/** Tunnels of all kinds to another node, where FAR is, by VXLAN over IPv4 if nothing else is said. */
function setOverlay(pipeline: Pipeline): void {
  tunnelCases.forEach((o, index) => {
    const id = tunnelId(o);
    setTunnel(pipeline, id, { ...o, underlay: UPLINK });
    addLabelledRoute(pipeline, 1, `10.97.${20 + index}.0/24`, id, o.label);
    addLabelledRoute(pipeline, 1, `fd00:97:${20 + index}::/48`, id, o.label);
  });
  const [vxlan] = tunnelCases;
  if (vxlan === undefined) throw new Error("there is no tunnel");
  for (const prefix of ["10.97.9.0/24", "fd00:97:9::/48"])
    addLabelledRoute(pipeline, 1, prefix, tunnelId(vxlan), vxlan.label);
  addLabelledBridgeEntry(pipeline, 1, FAR_MAC, tunnelId(vxlan), vxlan.label);
  addVni(pipeline, VNI, 1);
  addLabel(pipeline, ROUTED_LABEL, { nexthop: B, vrf: 1 });
  addLabel(pipeline, BRIDGED_LABEL, { nexthop: B, vrf: 1, ethernet: true });
  addLabel(pipeline, VRF_LABEL, { nexthop: TO_VRF1, vrf: 1 });
  addLabel(pipeline, VRF_ETHERNET_LABEL, { nexthop: TO_VRF1, vrf: 1, ethernet: true });
  addUnderlayAddress(pipeline, "192.0.2.1");
  addUnderlayAddress(pipeline, "fd00:192::1");
}

function addState(pipeline: Pipeline, state: State): void {
  const entries = (list: readonly Entry[] | undefined, add: typeof addLabelledBridgeEntry) => {
    for (const [to, nexthop, o = {}] of list ?? []) add(pipeline, o.vrf ?? 1, to, nexthop, o, o.flags ?? 0);
  };
  for (const [id, { type, ...o }] of Object.entries(state.nexthops ?? {})) pipeline.setNexthop(Number(id), type, o);
  for (const [id, o] of Object.entries(state.tunnels ?? {})) {
    const known = tunnelCases.find((tunnel) => tunnelId(tunnel) === Number(id)) ?? tunnelCases[0];
    if (known !== undefined) setTunnel(pipeline, Number(id), { ...known, underlay: UPLINK, ...o });
  }
  let first = 0;
  for (const [id, { type, members, fields }] of Object.entries(state.groups ?? {})) {
    setGroup(pipeline, Number(id), type, first, members, fields);
    first += members.length;
  }
  entries(state.fdb, addLabelledBridgeEntry);
  for (const [prefix, nexthop, o = {}] of state.routes ?? []) {
    if (o.flags === undefined) addLabelledRoute(pipeline, o.vrf ?? 1, prefix, nexthop, o);
    else pipeline.addRoute(o.vrf ?? 1, prefix, nexthop, o.flags, o.vni ?? o.label ?? 0);
  }
  for (const [label, o] of Object.entries(state.labels ?? {})) addLabel(pipeline, Number(label), { vrf: 1, ...o });
  for (const [vni, vrf] of Object.entries(state.vnis ?? {})) addVni(pipeline, Number(vni), vrf);
  for (const flow of state.flows ?? []) {
    const { result } = pipeline.decide(flow, flow);
    if (result !== "ok") throw new Error(`the flow of the case was not taken: ${result}`);
  }
}

/** Of all CPUs: the test may run on any. */
function setTrapLimits(pipeline: Pipeline, spent: boolean): void {
  const map = pipeline.map("trap_limits");
  const value = new Uint8Array(map.valueBytes);
  const now = BigInt(Math.floor(monotonicMs())) * 1_000_000n;
  for (let cpu = 0; spent && cpu < map.cpus; cpu++) {
    trapLimitCodec.windowStart.set(viewOf(value), cpu * map.valueStride, now);
    trapLimitCodec.count.set(viewOf(value), cpu * map.valueStride, 1_000_000n);
  }
  for (const id of INTERFACES) map.update(u32(id), value);
}

/** Sets all tables anew: the standing node with `state`. */
export function setNode(pipeline: Pipeline, state: State, devices: Devices = () => LOOPBACK): void {
  for (const name of TABLES) {
    const map = pipeline.map(name);
    for (const { key } of map.entries()) map.delete(key.slice());
  }
  pipeline.forgetSlots();
  for (const name of ARRAYS) pipeline.empty(name);
  pipeline.controllerStops();
  if (state.controller !== false) pipeline.controllerStarts();
  pipeline.configure({
    generation: 1,
    headlessForward: 0,
    foreignTunnels: 0,
    trapRate: state.trapsSpent === true ? 1 : 0,
    trapBytes: 0,
    holdTimeoutMs: 60_000,
    ...state.config,
  });
  setTrapLimits(pipeline, state.trapsSpent === true);
  setVrf(pipeline, 1, { floodUnknown: state.floodUnknown === true });
  setInterfaces(pipeline, state, devices);
  setNexthops(pipeline);
  setOverlay(pipeline);
  addState(pipeline, state);
}

/** What the loopback device receives is `id`'s; with VLAN 10, C's. */
export function receiveOn(pipeline: Pipeline, id: number): void {
  pipeline.map("devices").update(u32s(LOOPBACK, C_VLAN), u32(C));
  pipeline.receiveOn(id === C ? A : id);
}
