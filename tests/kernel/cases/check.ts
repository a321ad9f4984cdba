// SPDX-License-Identifier: Apache-2.0
/** Runs a packet case on a hook and compares all that is to be seen of its packet. */

import { expect } from "bun:test";
import { WEIR_TRAP_MAGIC } from "../../../sdk/layout/generated.ts";
import type { Entries, PacketLedger } from "../packet_ledger.ts";
import type { Hook, Pipeline } from "../pipeline_harness.ts";
import { type Outcome, trapOf, type Verdict } from "../pipeline_outcome.ts";
import { concat } from "../pipeline_packets.ts";
import { viewOf } from "../pipeline_table.ts";
import type { VethWires } from "../veth_wires.ts";
import { A, C, INTERFACES, receiveOn, setNode, vrfOf } from "./node.ts";
import type { Copy, Expected, Packet, PacketCase } from "./packet_case.ts";

/** In front of what XDP has decided (bpf/output.h): passed, or to be delivered by TC. */
const PASS_MARK = 0x57504153;
const DELIVER_MARK = 0x57444c56;
const TAG_BYTES = 4;
const ETHERTYPES_OF_TAGS = [0x8100, 0x88a8];

/** What the cases run in. */
export interface Bench {
  readonly pipeline: Pipeline;
  readonly ledger: PacketLedger;
  /** One for each interface, in the order of INTERFACES. */
  readonly wires: VethWires;
  /** Bytes of a scapy expression. */
  bytesOf(packet: Packet): Uint8Array;
}

/** All packets that the case names. */
export function packetsOf({ packet, given, becomes }: PacketCase): Packet[] {
  const before = (given?.before ?? []).map((one) => one.packet);
  const after = becomes.verdict === "copies" ? becomes.copies.map((copy) => copy.packet) : [];
  if ("packet" in becomes && becomes.packet !== undefined) after.push(becomes.packet);
  return [packet, ...before, ...after];
}

function wireOf(id: number): number {
  return INTERFACES.indexOf(id);
}

export function checkCase(bench: Bench, one: PacketCase, hook: Hook): void {
  const { pipeline, wires, ledger, bytesOf } = bench;
  const { given = {}, becomes } = one;
  const on = one.on ?? A;
  setNode(pipeline, given, (id) => wires.ifindexes[wireOf(id)] ?? 0);
  if (given.before !== undefined) {
    wires.in(() => {
      for (const before of given.before ?? []) {
        receiveOn(pipeline, before.on ?? on);
        pipeline.run(hook, bytesOf(before.packet));
      }
    });
    ledger.take();
  }
  receiveOn(pipeline, on);
  for (const id of INTERFACES) wires.drain(wireOf(id));
  const packet = bytesOf(one.packet);
  const outcome = wires.in(() => pipeline.run(hook, packet));
  compare(bench, hook, { on, packet, becomes, outcome, counted: ledger.take() });
}

interface Run {
  readonly on: number;
  readonly packet: Uint8Array;
  readonly becomes: Expected;
  readonly outcome: Outcome;
  readonly counted: Entries;
}

function compare(bench: Bench, hook: Hook, run: Run): void {
  const { becomes, outcome, on, packet } = run;
  switch (becomes.verdict) {
    case "out":
      compareCounters(run, { txPackets: { [becomes.interface]: 1 } });
      compareOutput(bench, hook, outcome, becomes);
      return;
    case "answer":
      compareCounters(run, { txPackets: { [becomes.interface ?? on]: 1 }, answered: { [on]: 1 } });
      compareOutput(bench, hook, outcome, { ...becomes, interface: becomes.interface ?? on });
      return;
    case "host":
      compareCounters(run, { localPackets: { [on]: 1 } });
      compareFrame(outcome, hook === "tc" && becomes.redirected === true ? "out" : "pass", {
        data: becomes.packet === undefined ? packet : bench.bytesOf(becomes.packet),
        metadata: hook === "xdp" ? mark(PASS_MARK, 0) : new Uint8Array(0),
      });
      return;
    case "drop":
      expect(outcome.verdict).toBe("drop");
      compareCounters(run, { drops: { [becomes.on ?? on]: { [becomes.reason]: 1 } } });
      return;
    case "trap":
      compareTrap(bench, hook, run, becomes);
      return;
    case "copies":
      compareCopies(bench, hook, run, becomes);
      return;
    case "companion":
      compareCounters(run, { txPackets: { [becomes.interface]: 1 } });
      compareFrame(outcome, "pass", {
        data: bench.bytesOf(becomes.packet),
        metadata: mark(DELIVER_MARK, becomes.interface),
      });
  }
}

function mark(magic: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, magic, true);
  viewOf(bytes).setUint32(4, value, true);
  return bytes;
}

/** Nothing is counted but what is given, and the packet as received on its interface. */
function compareCounters({ on, counted }: Run, expected: Partial<Entries>): void {
  const { rxPackets, ...others } = counted;
  const unknown = expected.drops?.[0]?.["unknown-interface"] !== undefined;
  expect(rxPackets).toEqual(unknown ? {} : { [on]: 1 });
  expect(others).toEqual({ txPackets: {}, trapPackets: {}, localPackets: {}, answered: {}, drops: {}, ...expected });
}

function compareFrame(outcome: Outcome, verdict: Verdict, expected: { data: Uint8Array; metadata: Uint8Array }): void {
  expect(outcome.verdict).toBe(verdict);
  expect(hex(outcome.data)).toBe(hex(expected.data));
  expect(hex(outcome.metadata)).toBe(hex(expected.metadata));
}

/** Readable where two frames differ. */
function hex(bytes: Uint8Array): string {
  return bytes.toHex().replace(/(.{4})(?=.)/g, "$1 ");
}

function compareOutput(bench: Bench, hook: Hook, outcome: Outcome, becomes: Copy): void {
  const wanted = bench.bytesOf(becomes.packet);
  // On TC the outermost tag lies beside the frame.
  const frame = hook === "tc" && becomes.interface === C ? withoutTags(wanted) : wanted;
  const data = becomes.entropy === true ? withPortOf(frame, outcome.data) : frame;
  expect(trapOf(outcome)).toBeUndefined();
  compareFrame(outcome, "out", { data, metadata: new Uint8Array(0) });
}

function withoutTags(frame: Uint8Array): Uint8Array {
  let at = 12;
  while (ETHERTYPES_OF_TAGS.includes(viewOf(frame).getUint16(at))) at += TAG_BYTES;
  return concat(frame.subarray(0, 12), frame.subarray(at));
}

/** The expected frame with the outer UDP source port of the actual one, which has to be one of RFC 7348's. */
function withPortOf(expected: Uint8Array, actual: Uint8Array): Uint8Array {
  const v6 = expected[12] === 0x86;
  if (expected[v6 ? 20 : 23] !== 17) return expected;
  const at = v6 ? 54 : 34;
  expect(viewOf(actual).getUint16(at)).toBeGreaterThanOrEqual(49152);
  return concat(expected.subarray(0, at), actual.subarray(at, at + 2), expected.subarray(at + 2));
}

function compareTrap(bench: Bench, hook: Hook, run: Run, becomes: Expected & { verdict: "trap" }): void {
  const { on, packet, outcome } = run;
  const drops = becomes.drop === undefined ? {} : { [on]: { [becomes.drop]: 1 } };
  compareCounters(run, { trapPackets: { [on]: 1 }, drops });
  const trap = trapOf(outcome);
  if (trap === undefined) throw new Error(`no trap, but: ${outcome.verdict}`);
  const { packet: trappedPacket, ...meta } = trap;
  const as = becomes.packet === undefined ? packet : bench.bytesOf(becomes.packet);
  const carried = hook === "tc" ? withoutTags(as) : as;
  const tags = as.length - carried.length;
  expect(meta).toEqual({
    reason: becomes.reason,
    flags: 0,
    forwardingClass: 0,
    interface: on,
    outInterface: 0,
    vrf: vrfOf(on),
    nexthop: 0,
    reverseNexthop: 0,
    generation: 0,
    ingress: on,
    ...becomes.meta,
    l3Offset: (becomes.meta.l3Offset ?? 14) - tags,
  });
  expect(hex(trappedPacket)).toBe(hex(carried));
  expect(WEIR_TRAP_MAGIC).toBe(viewOf(outcome.data).getUint32(0, true));
}

function compareCopies(bench: Bench, hook: Hook, run: Run, becomes: Expected & { verdict: "copies" }): void {
  const { on, packet, outcome, counted } = run;
  if (hook === "xdp") {
    expect(counted).toEqual({
      rxPackets: {},
      txPackets: {},
      trapPackets: {},
      localPackets: {},
      answered: {},
      drops: {},
    });
    compareFrame(outcome, "pass", { data: packet, metadata: new Uint8Array(0) });
    return;
  }
  expect(outcome.verdict).toBe("drop");
  const txPackets: Record<number, number> = {};
  for (const copy of becomes.copies) txPackets[copy.interface] = (txPackets[copy.interface] ?? 0) + 1;
  compareCounters(run, { txPackets, drops: becomes.drops === undefined ? {} : { [on]: becomes.drops } });
  for (const id of INTERFACES) {
    const wanted = becomes.copies.filter((copy) => copy.interface === id);
    const frames = bench.wires.received(wireOf(id), wanted.length);
    const expected = wanted.map((copy, index) => {
      const frame = bench.bytesOf(copy.packet);
      return hex(copy.entropy === true ? withPortOf(frame, frames[index] ?? frame) : frame);
    });
    expect(frames.map(hex)).toEqual(expected);
  }
}
