// SPDX-License-Identifier: Apache-2.0
/** Samples of the packets that the kernel programs dropped (bpf/drop_sample.h). */
import {
  type DropReason,
  dropReasons,
  dropSampleCodec,
  dropSampleCountersCodec,
  type RawFlowKey,
  readFlowKey,
  type SampleHook,
  sampleHooks,
} from "../../layout/index.ts";
import { type BpfMap, RingBuffer } from "../../libbpf/index.ts";

/** A packet as it was when a kernel program dropped it. */
export interface KernelDrop {
  readonly hook: SampleHook;
  readonly reason: DropReason;
  /** CLOCK_MONOTONIC, nanoseconds. */
  readonly time: bigint;
  /** 0: of no interface of ours. */
  readonly interfaceId: number;
  /** Where it came from, as in struct flow_entry. */
  readonly ingress: number;
  /** Bytes of the frame. */
  readonly length: number;
  /** Id of its outermost VLAN tag; 0: none. On TC the tag is not in `head`. */
  readonly vlan: number;
  /** `undefined` for what is not IP. */
  readonly key: RawFlowKey | undefined;
  /** Id of the policy rule that decided; 0: none. */
  readonly rule: number;
  /** Its first bytes, at most 128, from the Ethernet header on. A copy. */
  readonly head: Uint8Array;
}

/** What became of the packets that were dropped while samples were wanted. */
export interface DropSampleCounters {
  readonly sampled: number;
  /** Left out because of the limit. */
  readonly limited: number;
  /** There was no room in the ring. */
  readonly lost: number;
}

/** The reader of `drop_samples`. */
export class DropRing implements Disposable {
  readonly #ring: RingBuffer;
  readonly #counters: BpfMap;

  constructor(maps: { readonly drop_samples: BpfMap; readonly drop_sample_counters: BpfMap }) {
    this.#counters = maps.drop_sample_counters;
    this.#ring = new RingBuffer(maps.drop_samples, { lost: () => this.counters().lost });
  }

  /** Readable while there are samples. */
  get fd(): number {
    return this.#ring.fd;
  }

  /** Hands out the samples that there are. */
  read(take: (drop: KernelDrop) => void): void {
    this.#ring.consume((at) => take(decode(this.#ring.view, this.#ring.bytes, at)));
  }

  /** Forgets the samples that there are, and those that were lost. */
  skip(): void {
    this.#ring.skip();
    this.#ring.takeLost();
  }

  /** Samples that found no room since the last call. */
  takeLost(): number {
    return this.#ring.takeLost();
  }

  /** Since the instance was made. */
  counters(): DropSampleCounters {
    const { valueBytes, valueStride, cpus } = this.#counters;
    const value = new Uint8Array(new ArrayBuffer(valueBytes));
    this.#counters.lookup(new Uint8Array(4), value);
    const view = new DataView(value.buffer);
    const sum = (name: keyof typeof dropSampleCountersCodec) => {
      let total = 0;
      for (let cpu = 0; cpu < cpus; cpu++) total += dropSampleCountersCodec[name].getNumber(view, cpu * valueStride);
      return total;
    };
    return { sampled: sum("sampled"), limited: sum("limited"), lost: sum("lost") };
  }

  [Symbol.dispose](): void {
    this.#ring[Symbol.dispose]();
  }
}

function decode(view: DataView, bytes: Uint8Array, at: number): KernelDrop {
  const codec = dropSampleCodec;
  return {
    hook: sampleHooks[codec.hook.get(view, at)] ?? "none",
    reason: dropReasons[codec.reason.get(view, at)] ?? "none",
    time: codec.time.get(view, at),
    interfaceId: codec.interface.get(view, at),
    ingress: codec.ingress.get(view, at),
    length: codec.length.get(view, at),
    vlan: codec.vlan.get(view, at),
    key: readFlowKey(codec, view, bytes, at),
    rule: codec.rule.get(view, at),
    head: codec.head.bytes(bytes, at).slice(0, codec.headLength.get(view, at)),
  };
}
