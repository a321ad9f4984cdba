// SPDX-License-Identifier: Apache-2.0
/** What policy says of a packet, asked of the module that decides, without anything coming of it. */

import {
  interfaceCodec,
  interfaceLayout,
  type RuleAction,
  type RuleDirection,
  ruleActions,
  ruleDirections,
  TrapReasonValue,
  trapMetaCodec,
  trapMetaLayout,
  WEIR_TRAP_MAGIC,
} from "../layout/index.ts";
import { XDP_PACKET_HEADROOM } from "../xsk/index.ts";
import { layoutMemory } from "./memory_layout.ts";
import { PolicySlots } from "./policy/slots.ts";
import type { PolicyImage } from "./policy/types.ts";
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

/** Numbers of the two interfaces in the judge's own memory. */
const FROM = 1;
const TO = 2;
const FRAME_BYTES = 4096;
/** There is no thread to be woken. */
const NOBODY = (): void => {};

interface Module {
  start(control: number): void;
  examine(packet: number, length: number): bigint;
}

/** The slow path's module with a memory of its own, that no worker and no kernel table shares. */
class Instance {
  readonly #memory: WorkerMemory;
  readonly #module: Module;

  constructor(module: WebAssembly.Module, policy: PolicyImage) {
    const layout = layoutMemory({
      frames: 1,
      frameSize: FRAME_BYTES,
      holdLimit: 1,
      directPorts: 0,
      policyBytes: policy.table.byteLength,
      addressSetBytes: policy.addressSets.byteLength,
      interfaces: TO + 1,
      nexthops: 1,
      decisions: 1,
    });
    const none = { frameReserve: 0, errorRate: 0, errorBurst: 0, lentLimit: 0, resolveTimeoutMs: 0, dropSamples: 0 };
    this.#memory = new WorkerMemory(layout, 0, none);
    new PolicySlots(this.#memory, NOBODY, () => false).publish(policy);
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory.memory } });
    this.#module = exports as unknown as Module;
    this.#module.start(layout.control);
  }

  examine({ frame, l3Offset, egressSet, ingressSet }: JudgedPacket): Judgement {
    const { bytes, view, layout } = this.#memory;
    interfaceCodec.policy.set(view, layout.interfaces + FROM * interfaceLayout.size, egressSet);
    interfaceCodec.policy.set(view, layout.interfaces + TO * interfaceLayout.size, ingressSet);
    const packet = layout.umem + XDP_PACKET_HEADROOM;
    const meta = packet - trapMetaLayout.size;
    bytes.fill(0, meta, packet);
    trapMetaCodec.magic.set(view, meta, WEIR_TRAP_MAGIC);
    trapMetaCodec.reason.set(view, meta, TrapReasonValue["flow-miss"]);
    trapMetaCodec.l3Offset.set(view, meta, l3Offset);
    trapMetaCodec.interface.set(view, meta, FROM);
    trapMetaCodec.outInterface.set(view, meta, TO);
    bytes.set(frame, packet);
    const answer = this.#module.examine(packet, frame.byteLength);
    return {
      action: (ruleActions[Number((answer >> 40n) & 255n)] ?? "none") as Judgement["action"],
      direction: ruleDirections[Number((answer >> 32n) & 255n)] ?? "none",
      rule: Number(answer & 0xffff_ffffn),
      mirror: Number(answer >> 48n),
    };
  }
}

/** Judges packets by the policy in force. */
export class Judge {
  readonly #module: WebAssembly.Module;
  #policy: PolicyImage | undefined;
  #instance: Instance | undefined;
  /** What becomes of flows that nobody is there to be asked for; `undefined`: somebody is. */
  unasked: "allow" | "deny" | undefined = "deny";

  constructor(module: WebAssembly.Module, policy: PolicyImage | undefined) {
    this.#module = module;
    this.#policy = policy;
  }

  /** The compiled policy in force. */
  set policy(policy: PolicyImage) {
    this.#policy = policy;
    this.#instance = undefined;
  }

  judge(packet: JudgedPacket): Judgement {
    if (this.#policy === undefined) return { action: "none", direction: "none", rule: 0, mirror: 0 };
    this.#instance ??= new Instance(this.#module, this.#policy);
    const judgement = this.#instance.examine(packet);
    return judgement.action === "ask" && this.unasked !== undefined
      ? { ...judgement, action: this.unasked }
      : judgement;
  }
}
