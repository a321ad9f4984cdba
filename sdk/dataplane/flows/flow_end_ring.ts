// SPDX-License-Identifier: Apache-2.0
/** Flows that the kernel programs have ended (bpf/flow_end.h). */
import {
  FLOW_FLAG_REVERSE,
  type FlowAction,
  FlowActionValue,
  type FlowEndReason,
  type FlowState,
  flowActions,
  flowEndCodec,
  flowEndCountersCodec,
  flowEndReasons,
  flowStates,
  type RawFlowKey,
  readFlowKey,
} from "../../layout/index.ts";
import { type BpfMap, RingBuffer } from "../../libbpf/index.ts";
import { reverseKey } from "./codec.ts";

/** A flow as it was when its entries went. */
export interface EndedFlow {
  readonly reason: FlowEndReason;
  readonly action: FlowAction;
  readonly state: FlowState;
  /** Of the direction that began. */
  readonly key: RawFlowKey;
  /** Of what answered it. */
  readonly reverse: RawFlowKey;
  /** Times are nanoseconds of CLOCK_MONOTONIC. */
  readonly time: bigint;
  readonly firstSeen: bigint;
  readonly lastSeen: bigint;
  readonly packets: number;
  readonly bytes: number;
  readonly reversePackets: number;
  readonly reverseBytes: number;
  /** Where it came from, as in struct flow_entry. */
  readonly ingress: number;
  /** Id of the policy rule that decided; 0: none. */
  readonly rule: number;
  readonly generation: number;
}

/** What became of the ends of flows while somebody read them. */
export interface FlowEndCounters {
  readonly told: number;
  /** There was no room in the ring. */
  readonly lost: number;
}

/** The reader of `flow_ends`. */
export class FlowEndRing implements Disposable {
  readonly #ring: RingBuffer;
  readonly #counters: BpfMap;

  constructor(maps: { readonly flow_ends: BpfMap; readonly flow_end_counters: BpfMap }) {
    this.#counters = maps.flow_end_counters;
    this.#ring = new RingBuffer(maps.flow_ends, { lost: () => this.counters().lost });
  }

  /** Readable while there are ends. */
  get fd(): number {
    return this.#ring.fd;
  }

  /** Hands out the ends that there are, at most `limit`. @returns how many */
  read(take: (end: EndedFlow) => void, limit: number): number {
    const { view, bytes } = this.#ring;
    return this.#ring.consume((at) => {
      const key = readFlowKey(flowEndCodec, view, bytes, at);
      if (key !== undefined) take(decode(view, bytes, at, key));
    }, limit);
  }

  /** Forgets the ends that there are, and those that were lost. */
  skip(): void {
    this.#ring.skip();
    this.#ring.takeLost();
  }

  /** Ends that found no room since the last call. */
  takeLost(): number {
    return this.#ring.takeLost();
  }

  /** Since the instance was made. */
  counters(): FlowEndCounters {
    const value = new Uint8Array(new ArrayBuffer(this.#counters.valueSize));
    this.#counters.lookup(new Uint8Array(4), value);
    const view = new DataView(value.buffer);
    return { told: flowEndCountersCodec.told.getNumber(view, 0), lost: flowEndCountersCodec.lost.getNumber(view, 0) };
  }

  [Symbol.dispose](): void {
    this.#ring[Symbol.dispose]();
  }
}

function decode(view: DataView, bytes: Uint8Array, at: number, key: RawFlowKey): EndedFlow {
  const codec = flowEndCodec;
  const own = { packets: codec.packets.getNumber(view, at), bytes: codec.bytes.getNumber(view, at) };
  const other = { packets: codec.reversePackets.getNumber(view, at), bytes: codec.reverseBytes.getNumber(view, at) };
  const partner = partnerOf(key, view, bytes, at);
  // The entry that was removed first may be that of the answers.
  const turned = (codec.flags.get(view, at) & FLOW_FLAG_REVERSE) !== 0;
  const [there, back] = turned ? [other, own] : [own, other];
  return {
    reason: flowEndReasons[codec.reason.get(view, at)] ?? "none",
    action: flowActions[codec.action.get(view, at)] ?? "none",
    state: flowStates[codec.state.get(view, at)] ?? "none",
    key: turned ? partner : key,
    reverse: turned ? key : partner,
    time: codec.time.get(view, at),
    firstSeen: codec.created.get(view, at),
    lastSeen: codec.lastSeen.get(view, at),
    packets: there.packets,
    bytes: there.bytes,
    reversePackets: back.packets,
    reverseBytes: back.bytes,
    ingress: codec.ingress.get(view, at),
    rule: codec.rule.get(view, at),
    generation: codec.generation.get(view, at),
  };
}

/** The key of the other direction's entry: of what answers the entry's packets where they come out. */
function partnerOf(key: RawFlowKey, view: DataView, bytes: Uint8Array, at: number): RawFlowKey {
  const codec = flowEndCodec;
  const becomes: RawFlowKey =
    codec.action.get(view, at) !== FlowActionValue.nat
      ? key
      : {
          ...key,
          source: codec.newSource.bytes(bytes, at).slice(),
          destination: codec.newDestination.bytes(bytes, at).slice(),
          sourcePort: codec.newSourcePort.get(view, at),
          destinationPort: codec.newDestinationPort.get(view, at),
        };
  return { ...reverseKey(becomes), vrf: codec.reverseVrf.get(view, at) || key.vrf };
}
