// SPDX-License-Identifier: Apache-2.0
/** The key of a packet's flow, as records for user space carry it: samples of drops, events, steps of traces. */
import type { Family } from "../address.ts";
import type { BytesField, NumberField } from "./codec.ts";

/** A decoded key. Addresses are 16 bytes, IPv4 mapped. */
export interface RawFlowKey {
  readonly family: Family;
  readonly vrf: number;
  /** IP protocol number of the upper layer. */
  readonly protocol: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** ICMP and ICMPv6: the echo's identifier in both, or types and codes (bpf/flow_abi.h, struct flow4_key). */
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** The codecs of a record's key. */
export interface FlowKeyFields {
  readonly family: NumberField;
  readonly vrf: NumberField;
  readonly protocol: NumberField;
  readonly source: BytesField;
  readonly destination: BytesField;
  readonly sourcePort: NumberField;
  readonly destinationPort: NumberField;
}

/** The key of the record at `at`, with copies of its addresses; `undefined` for what is not IP. */
export function readFlowKey(
  codec: FlowKeyFields,
  view: DataView,
  bytes: Uint8Array,
  at: number,
): RawFlowKey | undefined {
  const family = codec.family.get(view, at);
  if (family !== 4 && family !== 6) return undefined;
  return {
    family,
    vrf: codec.vrf.get(view, at),
    protocol: codec.protocol.get(view, at),
    source: codec.source.bytes(bytes, at).slice(),
    destination: codec.destination.bytes(bytes, at).slice(),
    sourcePort: codec.sourcePort.get(view, at),
    destinationPort: codec.destinationPort.get(view, at),
  };
}
