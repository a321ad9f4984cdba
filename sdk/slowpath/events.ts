// SPDX-License-Identifier: Apache-2.0
/** Events of a worker as objects. */

import {
  type DropReason,
  dropReasons,
  eventCodec,
  type RawFlowKey,
  RuleDirectionValue,
  readFlowKey,
  TRAP_FLAG_BRIDGED,
  TRAP_FLAG_MATCHED,
  TRAP_FLAG_MOVED,
  type TrapReason,
  TrapReasonValue,
  trapReasons,
} from "../layout/index.ts";
import type { DirectionName } from "./policy/types.ts";

/** What a packet says of itself, from its headers. */
export interface PacketKey extends RawFlowKey {
  /** ICMP and ICMPv6 only, else 0. */
  readonly icmpType: number;
  readonly icmpCode: number;
}

/** What all events have in common. */
export interface SlowPathEvent {
  readonly reason: TrapReason;
  /** CLOCK_MONOTONIC, nanoseconds. */
  readonly time: bigint;
  /** Id of the interface that received the packet. */
  readonly interfaceId: number;
  /** Id of the interface that the packet's next hop leads to; 0: unknown. */
  readonly outInterfaceId: number;
  readonly nexthop: number;
  readonly reverseNexthop: number;
  /** Of the flow's hold entry. */
  readonly generation: number;
  readonly bridged: boolean;
  /** Trap user: number of the match that the packet meets; 0: none, another thing led it here. */
  readonly match: number;
  /** Trap mac-learn: the MAC was behind another interface before. */
  readonly moved: boolean;
  /** `undefined` for what is not IP. */
  readonly key: PacketKey | undefined;
  /** Bytes of the packet. */
  readonly length: number;
  /** Id of the policy rule concerned; 0: none. */
  readonly rule: number;
  readonly direction: DirectionName | undefined;
}

/** A packet that the slow path dropped (a sample of them). */
export interface DropEvent extends SlowPathEvent {
  readonly dropReason: DropReason;
  /** Its first bytes, at most 128, from the Ethernet header on. A copy. */
  readonly head: Uint8Array;
}

/**
 * A packet lent to a handler: `frame` is a view into the UMEM that is valid only during the call, or, of a packet that
 * is longer than a frame of the UMEM, a copy.
 */
export interface TrappedPacket extends SlowPathEvent {
  readonly frame: Uint8Array;
}

/** Reads the event at `at`. */
export function readEvent(view: DataView, bytes: Uint8Array, at: number): SlowPathEvent {
  const codec = eventCodec;
  const direction = codec.direction.get(view, at);
  const reason = codec.trapReason.get(view, at);
  return {
    reason: trapReasons[reason] ?? "none",
    time: codec.time.get(view, at),
    interfaceId: codec.interface.get(view, at),
    outInterfaceId: codec.outInterface.get(view, at),
    nexthop: codec.nexthop.get(view, at),
    reverseNexthop: codec.reverseNexthop.get(view, at),
    generation: codec.generation.get(view, at),
    moved: reason === TrapReasonValue["mac-learn"] && (codec.flags.get(view, at) & TRAP_FLAG_MOVED) !== 0,
    match: isMatched(reason, codec.flags.get(view, at)) ? codec.generation.get(view, at) : 0,
    bridged: (codec.flags.get(view, at) & TRAP_FLAG_BRIDGED) !== 0,
    key: readKey(view, bytes, at),
    length: codec.length.get(view, at),
    rule: codec.rule.get(view, at),
    direction:
      direction === RuleDirectionValue.ingress
        ? "ingress"
        : direction === RuleDirectionValue.egress
          ? "egress"
          : undefined,
  };
}

const isMatched = (reason: number, flags: number): boolean =>
  reason === TrapReasonValue.user && (flags & TRAP_FLAG_MATCHED) !== 0;

function readKey(view: DataView, bytes: Uint8Array, at: number): PacketKey | undefined {
  const key = readFlowKey(eventCodec, view, bytes, at);
  if (key === undefined) return undefined;
  return { ...key, icmpType: eventCodec.icmpType.get(view, at), icmpCode: eventCodec.icmpCode.get(view, at) };
}

/** Reads the EVENT_DROP at `at`. */
export function readDrop(view: DataView, bytes: Uint8Array, at: number): DropEvent {
  return {
    ...readEvent(view, bytes, at),
    dropReason: dropReasons[eventCodec.dropReason.get(view, at)] ?? "none",
    head: eventCodec.head.bytes(bytes, at).slice(0, eventCodec.headLength.get(view, at)),
  };
}
