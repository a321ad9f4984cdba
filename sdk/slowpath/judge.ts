// SPDX-License-Identifier: Apache-2.0
/** What policy says of a packet, asked of the module that decides, without anything coming of it. */

import { runtime } from "#runtime";
import {
  type RuleAction,
  type RuleDirection,
  ruleActions,
  ruleDirections,
  TrapReasonValue,
  trapMetaCodec,
  trapMetaLayout,
  WEIR_MAX_WORKERS,
  WEIR_TRAP_MAGIC,
} from "../layout/index.ts";
import { XDP_PACKET_HEADROOM } from "../xsk/index.ts";
import { FlowReview, type ReviewModule } from "./flow_review.ts";
import { layoutMemory } from "./memory_layout.ts";
import { PolicySlots } from "./policy/slots.ts";
import type { PolicyImage } from "./policy/types.ts";
import { TableMapping } from "./table_mapping.ts";
import type { HostOptions } from "./types.ts";
import { WorkerMemory } from "./worker_memory.ts";

/** A packet as the kernel programs would have trapped it. */
export interface JudgedPacket {
  /** From the Ethernet header on; up to 3500 bytes. */
  readonly frame: Uint8Array;
  /** Offset of its IP header. */
  readonly l3Offset: number;
  /** Policy set of the interface that it comes from, of its egress rules; 0: none. */
  readonly egressSet: number;
  /** Policy set of the interface that it goes to, of its ingress rules; 0: none. */
  readonly ingressSet: number;
}

/** What policy says. */
export interface Judgement {
  /** `none`: the packet cannot be understood, or its interface's policy is not known. */
  readonly action: Extract<RuleAction, "none" | "allow" | "deny" | "reject" | "ask">;
  /** Of the policy that decided: egress is that of the sender. */
  readonly direction: RuleDirection;
  /** Number of the rule that decided; 0: none did. */
  readonly rule: number;
  /** Number of the mirror that the rules want copies for; 0: none. */
  readonly mirror: number;
}

const FRAME_BYTES = 4096;
/** Bytes of the rules that tell which flows a change of policy may concern: some thousands. */
const FILTER_BYTES = 2 * 1024 * 1024;
/** There is no thread to be woken. */
const NOBODY = (): void => {};
/** Whose part of the decisions is the main thread's. */
const OWN_DECISIONS = WEIR_MAX_WORKERS - 1;

interface Module extends ReviewModule {
  start(control: number): void;
  examine(packet: number, length: number, from: number, to: number): bigint;
}

/** The slow path's module with a memory of its own, that no worker shares; kernel tables are mapped into it. */
class Instance implements Disposable {
  readonly #memory: WorkerMemory;
  readonly #module: Module;
  readonly #tables: readonly TableMapping[];
  readonly policies: PolicySlots;
  readonly flows: FlowReview;

  constructor({ module, maps, layout: { sizes } }: HostOptions) {
    const layout = layoutMemory({
      ...sizes,
      frames: 1,
      frameSize: FRAME_BYTES,
      holdLimit: 1,
      directPorts: 0,
      missRings: 0,
      review: { flowSlots: maps.flow_slots4.maxEntries, filterBytes: FILTER_BYTES },
    });
    const none = { frameReserve: 0, errorRate: 0, errorBurst: 0, lentLimit: 0, resolveTimeoutMs: 0, dropSamples: 0 };
    this.#memory = new WorkerMemory(layout, OWN_DECISIONS, none);
    const base = runtime.addressOf(this.#memory.memory);
    using cleanup = new DisposableStack();
    this.#tables = [
      cleanup.use(new TableMapping(maps.interfaces, base, layout.interfaces, "read")),
      cleanup.use(new TableMapping(maps.nexthops, base, layout.nexthops, "read")),
      cleanup.use(new TableMapping(maps.decisions, base, layout.decisions, "write")),
      cleanup.use(new TableMapping(maps.flow_slots4, base, layout.review.slots[4], "read")),
      cleanup.use(new TableMapping(maps.flow_slots6, base, layout.review.slots[6], "read")),
    ];
    this.policies = new PolicySlots(this.#memory, NOBODY, () => false);
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory.memory } });
    this.#module = exports as unknown as Module;
    this.#module.start(layout.control);
    this.flows = new FlowReview(this.#memory, this.#module);
    cleanup.move();
  }

  examine({ frame, l3Offset, egressSet, ingressSet }: JudgedPacket): Judgement {
    const { bytes, view, layout } = this.#memory;
    const packet = layout.umem + XDP_PACKET_HEADROOM;
    const meta = packet - trapMetaLayout.size;
    bytes.fill(0, meta, packet);
    trapMetaCodec.magic.set(view, meta, WEIR_TRAP_MAGIC);
    trapMetaCodec.reason.set(view, meta, TrapReasonValue["flow-miss"]);
    trapMetaCodec.l3Offset.set(view, meta, l3Offset);
    bytes.set(frame, packet);
    const answer = this.#module.examine(packet, frame.byteLength, egressSet, ingressSet);
    return {
      action: (ruleActions[Number((answer >> 40n) & 255n)] ?? "none") as Judgement["action"],
      direction: ruleDirections[Number((answer >> 32n) & 255n)] ?? "none",
      rule: Number(answer & 0xffff_ffffn),
      mirror: Number(answer >> 48n),
    };
  }

  [Symbol.dispose](): void {
    for (const table of this.#tables) table[Symbol.dispose]();
  }
}

/** Judges packets and flows by the policy in force. */
export class Judge implements Disposable {
  readonly #options: HostOptions;
  #policy: PolicyImage | undefined;
  /** Made when it is first needed; `published`: the policy that it has. */
  #instance: Instance | undefined;
  #published: PolicyImage | undefined;
  /** What becomes of flows that nobody is there to be asked for; `undefined`: somebody is. */
  unasked: "allow" | "deny" | undefined = "deny";

  constructor(o: HostOptions) {
    this.#options = o;
    this.#policy = o.policy;
  }

  /** The compiled policy in force. */
  set policy(policy: PolicyImage) {
    this.#policy = policy;
  }

  judge(packet: JudgedPacket): Judgement {
    if (this.#policy === undefined) return { action: "none", direction: "none", rule: 0, mirror: 0 };
    const judgement = this.#current().examine(packet);
    return judgement.action === "ask" && this.unasked !== undefined
      ? { ...judgement, action: this.unasked }
      : judgement;
  }

  /** Judges the flows that are there. */
  get flows(): FlowReview {
    return this.#current().flows;
  }

  #current(): Instance {
    this.#instance ??= new Instance(this.#options);
    if (this.#policy !== undefined && this.#policy !== this.#published) this.#instance.policies.publish(this.#policy);
    this.#published = this.#policy;
    return this.#instance;
  }

  [Symbol.dispose](): void {
    this.#instance?.[Symbol.dispose]();
    this.#instance = undefined;
  }
}
