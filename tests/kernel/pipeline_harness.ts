// SPDX-License-Identifier: Apache-2.0
/**
 * The kernel programs without a network: loaded, their maps filled by hand, packets given to
 * them by BPF_PROG_TEST_RUN. The kernel runs them as if the loopback device had received the
 * packet (ifindex 1), so `devices` says which interface that is.
 */

import { FlowSweep, type SweepResult } from "../../sdk/dataplane/flows/sweep.ts";
import { halfOpenFlows, withoutTraces } from "../../sdk/dataplane/instance/loader.ts";
import {
  configCodec,
  type DecisionResult,
  type DropReason,
  decisionResults,
  dropCounterCodec,
  dropCounterLayout,
  dropReasons,
  flowDecisionCodec,
  flowEntryCodec,
  flowEntryLayout,
  flowSlotPoolCodec,
  flowSlotPoolLayout,
  flowUpdateArgsCodec,
  flowUpdateArgsLayout,
  INTERFACE_MIRROR,
  interfaceCodec,
  interfaceCountersCodec,
  interfaceLayout,
  type NexthopType,
  NexthopTypeValue,
  nexthopCodec,
  nexthopLayout,
} from "../../sdk/layout/generated.ts";
import { type BpfMap, type Collection, CollectionSpec, xdpContext } from "../../sdk/libbpf/index.ts";
import { close, socket } from "../../sdk/runtime/libc.ts";
import { AF_XDP } from "../../sdk/xsk/constants.ts";
import { flowKey, flowState, writeDecision } from "./pipeline_flow_records.ts";
import type { DecisionOptions, FlowState, FlowTuple, InterfaceOptions } from "./pipeline_options.ts";
import type { Outcome, Verdict } from "./pipeline_outcome.ts";
import { addressBytes, GATEWAY_MAC, isV6, macBytes, mappedBytes } from "./pipeline_packets.ts";
import { Table, u32, u32s, viewOf } from "./pipeline_table.ts";

export const LOOPBACK = 1;
const SOCK_RAW = 3;
const DEVICE_MAC = "02:00:00:00:00:99";

/** Fields of struct config that hold a number. */
type ConfigNumber = Exclude<keyof typeof configCodec, "gatewayMac" | "underlay6">;

export type Hook = "xdp" | "tc";
export const hooks: readonly Hook[] = ["xdp", "tc"];

const XDP_VERDICTS: readonly Verdict[] = ["aborted", "drop", "pass", "back", "out"];
// TC_ACT_UNSPEC passes: others may be behind.
const TC_VERDICTS: Readonly<Record<number, Verdict>> = { [-1]: "pass", 2: "drop", 7: "out" };

export class Pipeline implements Disposable {
  readonly collection: Collection;
  readonly #config: Table;
  readonly #interfaces: Table;
  readonly #nexthops: Table;
  readonly #decisions: Table;
  readonly #sweep: FlowSweep;
  #xsk = -1;
  readonly #mapped: Table[];

  /** `object`: path of another object with the pipeline in it. */
  constructor(o: { flows?: number; object?: string } = {}) {
    const spec = CollectionSpec.fromFile(o.object ?? `${import.meta.dirname}/../../assets/weir.bpf.o`);
    for (const [name, entries] of [
      ["flows4", o.flows ?? 1024],
      ["flows6", o.flows ?? 1024],
      ["flow_slots4", o.flows ?? 1024],
      ["flow_slots6", o.flows ?? 1024],
      ["routes4", 1024],
      ["routes6", 1024],
      ["nexthops", 1024],
      ["half_open", halfOpenFlows(o.flows ?? 1024)],
    ] as const) {
      const map = spec.maps.get(name);
      if (map !== undefined) map.maxEntries = entries;
    }
    this.collection = withoutTraces(spec).load();
    this.#config = new Table(this.map("config"));
    this.#sweep = new FlowSweep(this.collection.program("weir_flow_sweep"), this.#config.view);
    this.#interfaces = new Table(this.map("interfaces"));
    this.#nexthops = new Table(this.map("nexthops"));
    this.#decisions = new Table(this.map("decisions"));
    this.#mapped = [this.#config, this.#interfaces, this.#nexthops, this.#decisions];
    configCodec.gatewayMac.set(this.#config.bytes, 0, macBytes(GATEWAY_MAC));
    const halfOpenMask = this.map("half_open").maxEntries - 1;
    this.configure({ generation: 1, workers: 1, trapIfindex: LOOPBACK, holdTimeoutMs: 2000, halfOpenMask });
  }

  [Symbol.dispose](): void {
    this.controllerStops();
    for (const { mapping } of this.#mapped) mapping[Symbol.dispose]();
    this.collection[Symbol.dispose]();
  }

  map(name: string): BpfMap {
    return this.collection.map(name);
  }

  configure(values: Partial<Record<ConfigNumber, number>>): void {
    for (const [name, value] of Object.entries(values))
      configCodec[name as ConfigNumber].set(this.#config.view, 0, value);
  }

  get nextGeneration(): number {
    return configCodec.generation.get(this.#config.view, 0);
  }

  /** An interface and its own next hop, of the same number. */
  addInterface(id: number, o: InterfaceOptions = {}): void {
    const { bytes, view } = this.#interfaces;
    const base = id * interfaceLayout.size;
    const mac = o.mac === undefined ? new Uint8Array(6) : macBytes(o.mac);
    bytes.fill(0, base, base + interfaceLayout.size);
    interfaceCodec.ifindex.set(view, base, o.ifindex ?? LOOPBACK);
    interfaceCodec.vrf.set(view, base, o.vrf ?? 1);
    interfaceCodec.nexthop.set(view, base, id);
    const mirrored = o.mirrorReceived !== undefined || o.mirrorSent !== undefined;
    interfaceCodec.flags.set(view, base, (o.flags ?? 0) | (mirrored ? INTERFACE_MIRROR : 0));
    interfaceCodec.mirrorReceived.set(view, base, o.mirrorReceived ?? 0);
    interfaceCodec.mirrorSent.set(view, base, o.mirrorSent ?? 0);
    interfaceCodec.policy.set(view, base, o.policy ?? 0);
    interfaceCodec.role.set(view, base, o.role ?? 1);
    interfaceCodec.vlan.set(view, base, o.vlan ?? 0);
    interfaceCodec.qosMap.set(view, base, o.qosMap ?? 0);
    interfaceCodec.traps.set(view, base, o.traps ?? 0);
    interfaceCodec.mac.set(bytes, base, mac);
    interfaceCodec.deviceMac.set(bytes, base, macBytes(DEVICE_MAC));
    interfaceCodec.gatewayMac.set(bytes, base, macBytes(GATEWAY_MAC));
    this.map("tx_ports").update(u32(id), u32(LOOPBACK));
    this.setNexthop(id, "interface", { ...o, interface: id, flags: o.nexthopFlags ?? 0 });
  }

  interfaceFlags(id: number): number {
    return interfaceCodec.flags.get(this.#interfaces.view, id * interfaceLayout.size);
  }

  interfaceMac(id: number): Uint8Array {
    return interfaceCodec.mac.bytes(this.#interfaces.bytes, id * interfaceLayout.size).slice();
  }

  setNexthop(
    id: number,
    type: NexthopType,
    o: { interface?: number; flags?: number; mac?: string; sourceMac?: string; mtu?: number } = {},
  ): void {
    const { bytes, view } = this.#nexthops;
    const base = id * nexthopLayout.size;
    bytes.fill(0, base, base + nexthopLayout.size);
    nexthopCodec.type.set(view, base, NexthopTypeValue[type]);
    nexthopCodec.interface.set(view, base, o.interface ?? 0);
    nexthopCodec.ifindex.set(view, base, LOOPBACK);
    nexthopCodec.flags.set(view, base, o.flags ?? 0);
    nexthopCodec.mtu.set(view, base, o.mtu ?? 0);
    if (o.mac !== undefined) nexthopCodec.destinationMac.set(bytes, base, macBytes(o.mac));
    nexthopCodec.sourceMac.set(bytes, base, macBytes(o.sourceMac ?? GATEWAY_MAC));
  }

  nexthopMac(id: number): Uint8Array {
    return nexthopCodec.destinationMac.bytes(this.#nexthops.bytes, id * nexthopLayout.size).slice();
  }

  /** What the loopback device receives is this interface's. */
  receiveOn(id: number, vlan = 0): void {
    this.map("devices").update(u32s(LOOPBACK, vlan), u32(id));
    // Here all interfaces are the loopback device: the hint would be believed.
    this.empty("device_hints");
  }

  /** Zeroes an array that can be mapped. */
  empty(name: string): void {
    const table = new Table(this.map(name));
    table.bytes.fill(0);
    table.mapping[Symbol.dispose]();
  }

  addAddress(id: number, address: string, flags: number): void {
    const key = new Uint8Array(20);
    key.set(u32(id));
    key.set(mappedBytes(address), 4);
    this.map("interface_addresses").update(key, u32(flags));
  }

  #routeKey(vrf: number, prefix: string): { map: BpfMap; key: Uint8Array } {
    const [address = "", bits = ""] = prefix.split("/");
    const bytes = addressBytes(address);
    const key = new Uint8Array(8 + bytes.length);
    const view = viewOf(key);
    view.setUint32(0, 32 + Number(bits), true);
    view.setUint32(4, vrf);
    key.set(bytes, 8);
    return { map: this.map(isV6(address) ? "routes6" : "routes4"), key };
  }

  addRoute(vrf: number, prefix: string, nexthop: number, flags = 0, label = 0): void {
    const { map, key } = this.#routeKey(vrf, prefix);
    map.update(key, u32s(nexthop, label, flags, 0));
  }

  removeRoute(vrf: number, prefix: string): void {
    const { map, key } = this.#routeKey(vrf, prefix);
    map.delete(key);
  }

  addBridgeEntry(vrf: number, mac: string, nexthop: number): void {
    const key = new Uint8Array(12);
    key.set(u32(vrf));
    key.set(macBytes(mac), 4);
    this.map("fdb").update(key, u32s(nexthop, 0, 0, 0));
  }

  /** A socket that listens for traps. It is bound to no device: a test run sends nothing. */
  controllerStarts(): void {
    this.#xsk = socket(AF_XDP, SOCK_RAW, 0);
    this.map("xsks").update(u32(0), u32(this.#xsk));
  }

  controllerStops(): void {
    if (this.#xsk >= 0) close(this.#xsk);
    this.#xsk = -1;
    this.map("xsks").delete(u32(0));
  }

  run(hook: Hook, packet: Uint8Array, program = hook === "xdp" ? "weir_xdp_frags" : "weir_tc"): Outcome {
    if (hook === "tc") {
      const { retval, data } = this.collection.program(program).testRun({ data: packet });
      return { verdict: TC_VERDICTS[retval] ?? "other", data, metadata: new Uint8Array(0) };
    }
    const context = xdpContext({ size: packet.length });
    const result = this.collection.program(program).testRun({ data: packet, context });
    // What comes back starts with the metadata; the context says where the packet starts.
    const start = viewOf(result.context).getUint32(0, true);
    return {
      verdict: XDP_VERDICTS[result.retval] ?? "other",
      data: result.data.subarray(start),
      metadata: result.data.subarray(0, start),
    };
  }

  /** Dropped packets of an interface by reason, those that are not 0; counted from the last call of `clear`. */
  drops(id: number): Partial<Record<DropReason, number>> {
    const map = this.map("drop_counters");
    const value = new Uint8Array(map.valueBytes);
    const found: Partial<Record<DropReason, number>> = {};
    map.lookup(u32(id), value);
    dropReasons.forEach((reason, index) => {
      const at = index * dropCounterLayout.size;
      let packets = 0;
      for (let cpu = 0; cpu < map.cpus; cpu++)
        packets += dropCounterCodec.packets.getNumber(viewOf(value), at + cpu * map.valueStride);
      if (packets > 0) found[reason] = packets;
    });
    return found;
  }

  counter(id: number, name: keyof typeof interfaceCountersCodec): number {
    const map = this.map("interface_counters");
    const value = new Uint8Array(map.valueBytes);
    map.lookup(u32(id), value);
    let sum = 0;
    for (let cpu = 0; cpu < map.cpus; cpu++)
      sum += interfaceCountersCodec[name].getNumber(viewOf(value), cpu * map.valueStride);
    return sum;
  }

  /** Forgets flows and counters. */
  clear(): void {
    // Here tunnels go without their next hops: hints would be believed.
    this.empty("tunnel_hints");
    for (const name of ["flows4", "flows6", "fragments"]) {
      const map = this.map(name);
      for (const { key } of map.entries()) map.delete(key.slice());
    }
    this.forgetSlots();
    for (const name of ["drop_counters", "interface_counters", "trap_limits", "flow_guards"]) {
      const map = this.map(name);
      const zero = new Uint8Array(map.valueBytes);
      for (let index = 0; index < 8; index++) map.update(u32(index), zero);
    }
  }

  /** All slots are as if none had ever been in use: for who takes entries away by hand. */
  forgetSlots(): void {
    const pools = this.map("flow_slot_pools");
    const pool = new Uint8Array(flowSlotPoolLayout.size);
    for (const [index, slots] of [this.map("flow_slots4"), this.map("flow_slots6")].entries()) {
      pools.lookup(u32(index), pool);
      const begun = flowSlotPoolCodec.begun.get(viewOf(pool), 0);
      for (let slot = 0; slot < begun; slot++) slots.update(u32(slot), new Uint8Array(slots.valueBytes));
      pools.update(u32(index), new Uint8Array(flowSlotPoolLayout.size));
    }
  }

  #flowKey(flow: FlowTuple): { map: BpfMap; key: Uint8Array } {
    return { map: this.map(isV6(flow.source) ? "flows6" : "flows4"), key: flowKey(flow) };
  }

  /** Takes a flow's entry away. */
  forget(tuple: FlowTuple): void {
    const { map, key } = this.#flowKey(tuple);
    map.delete(key);
  }

  flow(tuple: FlowTuple): FlowState | undefined {
    const { map, key } = this.#flowKey(tuple);
    const value = new Uint8Array(flowEntryLayout.size);
    if (!map.lookup(key, value)) return undefined;
    return flowState(value);
  }

  /** Slot that an entry names, from 1 on; 0: none. */
  slot(tuple: FlowTuple): number {
    const { map, key } = this.#flowKey(tuple);
    const value = new Uint8Array(flowEntryLayout.size);
    return map.lookup(key, value) ? flowEntryCodec.slot.get(viewOf(value), 0) : 0;
  }

  /** Makes an entry look as if its last packet had come `seconds` ago. */
  makeOlder(tuple: FlowTuple, seconds: number): void {
    const { map, key } = this.#flowKey(tuple);
    const value = new Uint8Array(flowEntryLayout.size);
    map.lookup(key, value);
    const view = viewOf(value);
    for (const field of [flowEntryCodec.lastSeen, flowEntryCodec.created])
      field.set(view, 0, field.get(view, 0) - BigInt(seconds) * 1_000_000_000n);
    map.update(key, value);
  }

  /** Writes a decision and has it applied. */
  decide(tuple: FlowTuple, o: DecisionOptions = {}): { result: DecisionResult; generation: number } {
    writeDecision(this.#decisions, tuple, o);
    const args = new Uint8Array(flowUpdateArgsLayout.size);
    flowUpdateArgsCodec.count.set(viewOf(args), 0, 1);
    flowUpdateArgsCodec.others.set(viewOf(args), 0, o.operation === "reroute" ? 1 : 0);
    this.collection.program("weir_flow_update").testRun({ context: args });
    return {
      result: decisionResults[flowDecisionCodec.result.get(this.#decisions.view, 0)] ?? "pending",
      generation: flowDecisionCodec.newGeneration.get(this.#decisions.view, 0),
    };
  }

  /** A whole round of ageing, over both tables. */
  sweep(all = true): SweepResult {
    while (this.#sweep.slice(all));
    return this.#sweep.last;
  }
}
