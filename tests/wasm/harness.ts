// SPDX-License-Identifier: Apache-2.0
/** Runs the slow path's module on rings in plain memory, with the test in the kernel's place. */

import {
  CommandKindValue,
  commandCodec,
  type DecisionResult,
  DecisionResultValue,
  type DropReason,
  DropReasonValue,
  dropCounterCodec,
  dropCounterLayout,
  flowDecisionCodec,
  flowDecisionLayout,
  interfaceCodec,
  interfaceLayout,
  type NexthopType,
  NexthopTypeValue,
  nexthopCodec,
  nexthopLayout,
  type RuleAction,
  RuleActionValue,
  WEIR_DECISIONS_PER_WORKER,
  WEIR_MAX_REASONS,
  workerControlCodec,
} from "../../sdk/layout/index.ts";
import { layoutMemory, type MemoryLayout } from "../../sdk/slowpath/memory_layout.ts";
import { CommandRing, EventRing } from "../../sdk/slowpath/message_ring.ts";
import { PolicySlots } from "../../sdk/slowpath/policy/slots.ts";
import type { PolicyImage } from "../../sdk/slowpath/policy/types.ts";
import { WorkerMemory } from "../../sdk/slowpath/worker_memory.ts";
import { takeEvents, type WorkerEvent } from "./events.ts";
import { FakeMissRing } from "./fake_miss_ring.ts";
import { FakeRings, FRAME, ROOM, type Sent } from "./fake_rings.ts";
import { instantiate, type TestModule } from "./module.ts";
import { type Meta, writeTrapMeta } from "./trap_meta.ts";

export { ROOM, type Sent };

export interface FakeWorkerOptions {
  readonly frames?: number;
  readonly holdLimit?: number;
  readonly errorRate?: number;
  readonly errorBurst?: number;
  readonly frameReserve?: number;
  /** Room for compiled rules, and for address sets. */
  readonly policyBytes?: number;
}

/** One worker whose rings the test moves by hand. */
export class FakeWorker {
  readonly layout: MemoryLayout;
  readonly worker: WorkerMemory;
  readonly wasm: TestModule;
  readonly commands: CommandRing;
  readonly events: EventRing;
  readonly policies: PolicySlots;
  /** First packets, while it is awake. */
  readonly misses: FakeMissRing;
  readonly #kernel: FakeRings;
  now = 1_000_000_000n;

  constructor(o: FakeWorkerOptions = {}) {
    this.layout = layoutMemory({
      frames: o.frames ?? 1024,
      frameSize: FRAME,
      holdLimit: o.holdLimit ?? 16,
      directPorts: 1,
      policyBytes: o.policyBytes ?? 1 << 20,
      addressSetBytes: o.policyBytes ?? 1 << 20,
      interfaces: 16,
      nexthops: 16,
      decisions: WEIR_DECISIONS_PER_WORKER,
      missRings: 1,
    });
    this.worker = new WorkerMemory(this.layout, 0, {
      frameReserve: o.frameReserve ?? 64,
      errorRate: o.errorRate ?? 1000,
      errorBurst: o.errorBurst ?? 100,
      lentLimit: 4,
      resolveTimeoutMs: 1000,
    });
    this.#kernel = new FakeRings(this.layout, this.worker);
    this.misses = new FakeMissRing(this.layout, this.worker);
    this.worker.setPort(0, {
      kind: "trap",
      interfaceId: 0,
      queue: 0,
      fillTarget: 512,
      fd: 0,
      rings: this.#kernel.rings,
    });
    this.commands = new CommandRing(this.worker.view, this.worker.words, this.layout.commands);
    this.events = new EventRing(this.worker.view, this.worker.words, this.layout.events);
    this.policies = new PolicySlots(
      this.worker,
      () => {},
      () => false,
    );
    this.wasm = instantiate(this.worker.memory);
    for (const id of [1, 2, 3]) this.setInterface(id, 0);
    this.sampleDrops(100);
    this.#writeClock();
    this.wasm.start(this.layout.control);
  }

  /** Sets how many drops are reported, a second. */
  sampleDrops(perSecond: number): void {
    workerControlCodec.dropSamples.set(this.worker.view, this.layout.control, perSecond);
  }

  u32(at: number): number {
    return this.worker.view.getUint32(at, true);
  }

  #writeClock(): void {
    const { view } = this.worker;
    workerControlCodec.clockSeconds.set(view, this.layout.control, this.now / 1_000_000_000n);
    workerControlCodec.clockNanoseconds.set(view, this.layout.control, this.now % 1_000_000_000n);
  }

  advance(milliseconds: number): void {
    this.now += BigInt(milliseconds) * 1_000_000n;
  }

  /** Bytes in the fill ring, as frames. */
  get filled(): number {
    return this.#kernel.waiting("fill");
  }

  get freeFrames(): number {
    return this.control("freeCount");
  }

  /** Frames that are neither free nor in a ring: held or lost. */
  get framesOut(): number {
    const inRings = this.filled + this.#kernel.waiting("rx") + this.#kernel.waiting("tx");
    return this.layout.sizes.frames - this.freeFrames - inRings;
  }

  /** A trapped packet arrives, in as many frames as it takes. */
  receive(packet: Uint8Array, meta: Meta = {}): void {
    for (let at = 0; at < packet.byteLength; at += ROOM) {
      const piece = packet.subarray(at, at + ROOM);
      this.#kernel.receive(piece, at === 0 ? meta : undefined, at + ROOM < packet.byteLength);
    }
  }

  /** The first or only frames of a packet whose end has not come yet. */
  receiveBegin(packet: Uint8Array, meta: Meta = {}): void {
    this.#kernel.receive(packet, meta, true);
  }

  receiveEnd(packet: Uint8Array): void {
    this.#kernel.receive(packet, undefined, false);
  }

  /** Writes packet and metadata at an address. */
  writeTrap(at: number, packet: Uint8Array, meta: Meta): void {
    writeTrapMeta(this.worker, at, meta);
    this.worker.bytes.set(packet, at);
  }

  poll(budget = 256): number {
    this.#writeClock();
    return this.wasm.poll(budget);
  }

  /** The decision records of the last poll. */
  decisions() {
    const { view, bytes } = this.worker;
    return Array.from({ length: this.control("decisionCount") }, (_, i) => {
      const base = this.layout.decisions + i * flowDecisionLayout.size;
      const codec = flowDecisionCodec;
      return {
        family: codec.family.get(view, base),
        action: codec.action.get(view, base),
        flags: codec.flags.get(view, base),
        dropReason: codec.dropReason.get(view, base),
        mirror: codec.mirror.get(view, base),
        generation: codec.generation.get(view, base),
        vrf: codec.vrf.get(view, base),
        source: [...codec.source.bytes(bytes, base)],
        destination: [...codec.destination.bytes(bytes, base)],
        sourcePort: codec.sourcePort.get(view, base),
        destinationPort: codec.destinationPort.get(view, base),
        protocol: codec.protocol.get(view, base),
        ingress: codec.ingress.get(view, base),
        reverseIngress: codec.reverseIngress.get(view, base),
        nexthop: codec.nexthop.get(view, base),
        reverseNexthop: codec.reverseNexthop.get(view, base),
        rule: codec.rule.get(view, base),
        idleSeconds: codec.idleSeconds.get(view, base),
        revision: codec.revision.get(view, base),
      };
    });
  }

  /** The kernel takes the decisions, with one result for all or one each. */
  apply(result: DecisionResult | ((index: number) => DecisionResult) = "ok"): void {
    for (let i = 0; i < this.control("decisionCount"); i++) {
      const value = typeof result === "string" ? result : result(i);
      const base = this.layout.decisions + i * flowDecisionLayout.size;
      flowDecisionCodec.result.set(this.worker.view, base, DecisionResultValue[value]);
    }
    this.wasm.applied();
  }

  /** The kernel sends what was queued: the packets, in order. Their frames go to the completion ring. */
  sent(): Sent[] {
    this.wasm.kicks();
    return this.#kernel.send();
  }

  control(field: "decisionCount" | "freeCount" | "holdCount" | "pendingCount" | "lentCount"): number {
    return workerControlCodec[field].get(this.worker.view, this.layout.control);
  }

  setControl(
    field: "asking" | "askTimeoutMs" | "askOtherwise" | "trapHandlers" | "policy" | "nodeAddress4",
    value: number,
  ): void {
    workerControlCodec[field].set(this.worker.view, this.layout.control, value);
  }

  counter(
    field:
      | "allowed"
      | "denied"
      | "rejected"
      | "asked"
      | "timeouts"
      | "stale"
      | "samplesLimited"
      | "errorsSent"
      | "solicited"
      | "unhandled"
      | "fragmentsHeld"
      | "fragmentsExpired",
  ): number {
    return workerControlCodec[field].getNumber(this.worker.view, this.layout.control);
  }

  /** Milliseconds to the next deadline, from the test's clock. */
  get nextDeadlineMs(): number {
    const deadline = workerControlCodec.nextDeadline.get(this.worker.view, this.layout.control);
    return deadline === 0xffff_ffff_ffff_ffffn ? Number.POSITIVE_INFINITY : Number(deadline - this.now) / 1e6;
  }

  drops(interfaceId: number, reason: DropReason): number {
    const index = interfaceId * WEIR_MAX_REASONS + DropReasonValue[reason];
    return dropCounterCodec.packets.getNumber(this.worker.view, this.layout.drops + index * dropCounterLayout.size);
  }

  setInterface(
    id: number,
    policy: number,
    o: { gateway4?: number; gateway6?: readonly number[]; role?: number; flags?: number } = {},
  ): void {
    const base = this.layout.interfaces + id * interfaceLayout.size;
    const { view, bytes } = this.worker;
    interfaceCodec.ifindex.set(view, base, 100 + id);
    interfaceCodec.role.set(view, base, o.role ?? 1);
    interfaceCodec.flags.set(view, base, o.flags ?? 0);
    interfaceCodec.policy.set(view, base, policy);
    interfaceCodec.gatewayMac.set(bytes, base, [0, 0, 0x5e, 0, 1, 0]);
    interfaceCodec.gateway4.set(view, base, o.gateway4 ?? 0xa9fe0101);
    interfaceCodec.gateway6.set(bytes, base, o.gateway6 ?? [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  }

  setInterfaceNexthop(id: number, nexthop: number): void {
    interfaceCodec.nexthop.set(this.worker.view, this.layout.interfaces + id * interfaceLayout.size, nexthop);
  }

  setNexthop(id: number, o: { flags?: number; mtu?: number; type?: NexthopType }): void {
    const base = this.layout.nexthops + id * nexthopLayout.size;
    nexthopCodec.type.set(this.worker.view, base, NexthopTypeValue[o.type ?? "interface"]);
    nexthopCodec.flags.set(this.worker.view, base, o.flags ?? 0);
    nexthopCodec.mtu.set(this.worker.view, base, o.mtu ?? 0);
  }

  /** Puts a table in force. */
  setPolicy(policy: PolicyImage): void {
    this.policies.publish(policy);
  }

  verdict(
    ticket: number,
    action: RuleAction,
    o: { nexthop?: number; idleSeconds?: number; mirror?: number } = {},
  ): void {
    this.commands.push((at) => {
      const { view, bytes } = this.worker;
      bytes.fill(0, at, at + 64);
      commandCodec.kind.set(view, at, CommandKindValue.verdict);
      commandCodec.ticket.set(view, at, ticket);
      commandCodec.ruleAction.set(view, at, RuleActionValue[action]);
      commandCodec.nexthop.set(view, at, o.nexthop ?? 0);
      commandCodec.idleSeconds.set(view, at, o.idleSeconds ?? 0);
      commandCodec.mirror.set(view, at, o.mirror ?? 0);
    });
  }

  /** Gives a lent packet back. */
  release(frame: number): void {
    this.commands.push((at) => {
      const { view, bytes } = this.worker;
      bytes.fill(0, at, at + 64);
      commandCodec.kind.set(view, at, CommandKindValue.release);
      commandCodec.frame.set(view, at, frame);
    });
  }

  /** All events that wait. */
  takeEvents(): WorkerEvent[] {
    return takeEvents(this.events, this.worker);
  }
}
