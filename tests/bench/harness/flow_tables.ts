// SPDX-License-Identifier: Apache-2.0
/** The pipeline's maps with a given number of flows and routes in them, for test runs of the bench object. */

import {
  configCodec,
  configLayout,
  deviceKeyCodec,
  deviceKeyLayout,
  FlowActionValue,
  flow4KeyCodec,
  flow4KeyLayout,
  flowEntryCodec,
  flowEntryLayout,
  INTERFACE_POLICY,
  InterfaceRoleValue,
  interfaceCodec,
  interfaceLayout,
  NexthopTypeValue,
  nexthopCodec,
  nexthopLayout,
  route4KeyCodec,
  route4KeyLayout,
  routeCodec,
  routeLayout,
  WEIR_ABI_VERSION,
} from "../../../sdk/layout/index.ts";
import { type BpfMap, type Collection, CollectionSpec } from "../../../sdk/libbpf/index.ts";
import { object } from "./build.ts";

/** All flows go from one source to destinations that follow each other from here on. */
const SOURCE = 0x0a61_0001; // 10.97.0.1
export const FIRST_DESTINATION = 0x0a40_0000; // 10.64.0.0
const PORT = 4433;
const UDP = 17;
const VRF = 1;
const RECEIVING = 1;
const SENDING = 2;
const NEXTHOP = 1;
const GATEWAY_MAC = [0x00, 0x00, 0x5e, 0x00, 0x01, 0x00];
const POD_MAC = [0x02, 0x00, 0x00, 0x00, 0x01, 0x01];
const DESTINATION_MAC = [0x02, 0x00, 0x00, 0x00, 0x02, 0x01];
/** Entries of one batch system call. */
const BATCH = 10_000;
/** Offsets in struct flow_cost (bpf/flow_cost_abi.h). */
const COST = { random: 0, flows: 8, same: 12, first: 16, checksum: 20, frame: 32, size: 96 } as const;
export const FRAME_SIZE = 64;

export interface FlowTablesOptions {
  /** Flows, and as many host routes. */
  readonly flows: number;
  /** Room in the maps: the same for all that are compared. */
  readonly capacity: number;
  /** Devices that packets come from and go to. */
  readonly receivingIfindex: number;
  readonly sendingIfindex: number;
}

/** Loads the bench object and fills its maps. */
export function loadFlowTables(options: FlowTablesOptions): Collection {
  const spec = CollectionSpec.fromFile(object("weir_bench"));
  for (const [name, program] of spec.programs) program.autoload = name.startsWith("bench_");
  for (const name of ["flows4", "routes4"]) {
    const map = spec.maps.get(name);
    if (map !== undefined) map.maxEntries = options.capacity;
  }
  const collection = spec.load();
  writeInterfaces(collection, options);
  fill(collection.map("flows4"), options.flows, flow4KeyLayout.size, putFlowKey, flowEntry());
  fill(collection.map("routes4"), options.flows, route4KeyLayout.size, putRouteKey, route());
  return collection;
}

/** Which flow the next test run takes. */
export function selectFlows(collection: Collection, flows: number, same: boolean): void {
  const value = new Uint8Array(COST.size);
  const view = new DataView(value.buffer);
  const frame = frameTo(FIRST_DESTINATION);
  view.setBigUint64(COST.random, 88172645463325252n, true);
  view.setUint32(COST.flows, flows, true);
  view.setUint32(COST.same, same ? 1 : 0, true);
  view.setUint32(COST.first, FIRST_DESTINATION, true);
  view.setUint32(COST.checksum, headerSum(frame), true);
  value.set(frame, COST.frame);
  collection.map("flow_cost").update(key32(0), value);
}

/** With the policy flag flows are looked up, without it routes. */
export function setPolicy(collection: Collection, on: boolean): void {
  const map = collection.map("interfaces");
  const value = new Uint8Array(interfaceLayout.size);
  const view = new DataView(value.buffer);
  for (const id of [RECEIVING, SENDING]) {
    map.lookup(key32(id), value);
    interfaceCodec.flags.set(view, 0, on ? INTERFACE_POLICY : 0);
    map.update(key32(id), value);
  }
}

function writeInterfaces(collection: Collection, o: FlowTablesOptions): void {
  const config = new Uint8Array(configLayout.size);
  const view = new DataView(config.buffer);
  configCodec.abiVersion.set(view, 0, WEIR_ABI_VERSION);
  configCodec.workers.set(view, 0, 1);
  collection.map("config").update(key32(0), config);
  const ifindexes = new Map([
    [RECEIVING, o.receivingIfindex],
    [SENDING, o.sendingIfindex],
  ]);
  for (const [id, ifindex] of ifindexes) {
    collection.map("interfaces").update(key32(id), interfaceValue(ifindex));
    const device = new Uint8Array(deviceKeyLayout.size);
    deviceKeyCodec.ifindex.set(new DataView(device.buffer), 0, ifindex);
    collection.map("devices").update(device, key32(id));
    collection.map("tx_ports").update(key32(id), key32(ifindex));
  }
  const nexthop = new Uint8Array(nexthopLayout.size);
  const nexthopView = new DataView(nexthop.buffer);
  nexthopCodec.type.set(nexthopView, 0, NexthopTypeValue.interface);
  nexthopCodec.interface.set(nexthopView, 0, SENDING);
  nexthopCodec.ifindex.set(nexthopView, 0, o.sendingIfindex);
  nexthopCodec.mtu.set(nexthopView, 0, 1500);
  nexthopCodec.destinationMac.set(nexthop, 0, DESTINATION_MAC);
  nexthopCodec.sourceMac.set(nexthop, 0, GATEWAY_MAC);
  collection.map("nexthops").update(key32(NEXTHOP), nexthop);
}

function interfaceValue(ifindex: number): Uint8Array {
  const value = new Uint8Array(interfaceLayout.size);
  const view = new DataView(value.buffer);
  interfaceCodec.ifindex.set(view, 0, ifindex);
  interfaceCodec.vrf.set(view, 0, VRF);
  interfaceCodec.role.set(view, 0, InterfaceRoleValue.workload);
  interfaceCodec.mtu.set(view, 0, 1500);
  interfaceCodec.mac.set(value, 0, POD_MAC);
  interfaceCodec.gatewayMac.set(value, 0, GATEWAY_MAC);
  return value;
}

/** Puts `count` keys with the same value into a map. */
function fill(
  map: BpfMap,
  count: number,
  keySize: number,
  putKey: (view: DataView, base: number, destination: number) => void,
  value: Uint8Array,
): void {
  const keys = new Uint8Array(BATCH * keySize);
  const view = new DataView(keys.buffer);
  const values = new Uint8Array(BATCH * value.byteLength);
  for (let i = 0; i < BATCH; i++) values.set(value, i * value.byteLength);
  for (let first = 0; first < count; first += BATCH) {
    const n = Math.min(BATCH, count - first);
    for (let i = 0; i < n; i++) putKey(view, i * keySize, FIRST_DESTINATION + first + i);
    map.updateBatch(keys.subarray(0, n * keySize), values.subarray(0, n * value.byteLength), n);
  }
}

function putFlowKey(view: DataView, base: number, destination: number): void {
  flow4KeyCodec.vrf.set(view, base, VRF);
  flow4KeyCodec.source.set(view, base, SOURCE);
  flow4KeyCodec.destination.set(view, base, destination);
  flow4KeyCodec.sourcePort.set(view, base, PORT);
  flow4KeyCodec.destinationPort.set(view, base, PORT);
  flow4KeyCodec.protocol.set(view, base, UDP);
}

function putRouteKey(view: DataView, base: number, destination: number): void {
  route4KeyCodec.prefixLength.set(view, base, 64);
  route4KeyCodec.vrf.set(view, base, VRF);
  route4KeyCodec.address.set(view, base, destination);
}

function flowEntry(): Uint8Array {
  const value = new Uint8Array(flowEntryLayout.size);
  const view = new DataView(value.buffer);
  flowEntryCodec.action.set(view, 0, FlowActionValue.forward);
  flowEntryCodec.nexthop.set(view, 0, NEXTHOP);
  flowEntryCodec.generation.set(view, 0, 1);
  flowEntryCodec.ingress.set(view, 0, RECEIVING);
  return value;
}

function route(): Uint8Array {
  const value = new Uint8Array(routeLayout.size);
  routeCodec.nexthop.set(new DataView(value.buffer), 0, NEXTHOP);
  return value;
}

/** A UDP packet of 64 bytes; its IPv4 checksum is written by the program. */
export function frameTo(destination: number): Uint8Array {
  const frame = new Uint8Array(FRAME_SIZE);
  const view = new DataView(frame.buffer);
  frame.set(GATEWAY_MAC, 0);
  frame.set(POD_MAC, 6);
  view.setUint16(12, 0x0800);
  view.setUint8(14, 0x45);
  view.setUint16(16, FRAME_SIZE - 14);
  view.setUint8(22, 64);
  view.setUint8(23, UDP);
  view.setUint32(26, SOURCE);
  view.setUint32(30, destination);
  view.setUint16(34, PORT);
  view.setUint16(36, PORT);
  view.setUint16(38, FRAME_SIZE - 34);
  return frame;
}

/** Sum of the IPv4 header's 16-bit words, folded, not complemented. */
function headerSum(frame: Uint8Array): number {
  const view = new DataView(frame.buffer);
  let sum = 0;
  for (let offset = 14; offset < 34; offset += 2) sum += view.getUint16(offset);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

function key32(value: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, value, true);
  return key;
}
