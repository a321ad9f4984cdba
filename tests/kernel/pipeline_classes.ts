// SPDX-License-Identifier: Apache-2.0
/** QoS maps and policers, written into a {@link Pipeline} by hand. */

import {
  classMarksCodec,
  MARK_DSCP,
  MARK_EXP,
  MARK_PCP,
  POLICE_DIRECTIONS,
  policerCodec,
  policerLayout,
  qosMapCodec,
  qosMapLayout,
} from "../../sdk/layout/generated.ts";
import type { Pipeline } from "./pipeline_harness.ts";
import { u32, viewOf } from "./pipeline_table.ts";

/** Code point to class. */
type Classes = Readonly<Record<number, number>>;

export interface QosOptions {
  readonly dscp?: Classes;
  readonly exp?: Classes;
  readonly pcp?: Classes;
  /** By class, what packets leave with. */
  readonly marks?: Readonly<Record<number, { readonly dscp?: number; readonly exp?: number; readonly pcp?: number }>>;
}

export function setQosMap(pipeline: Pipeline, id: number, o: QosOptions): void {
  const bytes = new Uint8Array(qosMapLayout.size);
  const view = viewOf(bytes);
  for (const [codec, classes] of [
    [qosMapCodec.dscpClass, o.dscp],
    [qosMapCodec.expClass, o.exp],
    [qosMapCodec.pcpClass, o.pcp],
  ] as const) {
    for (const [point, value] of Object.entries(classes ?? {})) codec.bytes(bytes, 0)[Number(point)] = value + 1;
  }
  for (const [number, { dscp, exp, pcp }] of Object.entries(o.marks ?? {})) {
    const at = qosMapCodec.marks.at(0, Number(number));
    const flag = (value: number | undefined, bit: number) => (value === undefined ? 0 : bit);
    classMarksCodec.dscp.set(view, at, dscp ?? 0);
    classMarksCodec.exp.set(view, at, exp ?? 0);
    classMarksCodec.pcp.set(view, at, pcp ?? 0);
    classMarksCodec.flags.set(view, at, flag(dscp, MARK_DSCP) | flag(exp, MARK_EXP) | flag(pcp, MARK_PCP));
  }
  pipeline.map("qos_maps").update(u32(id), bytes);
}

/** A policer with a full bucket. @param direction POLICE_* */
export function setPolicer(
  pipeline: Pipeline,
  id: number,
  direction: number,
  o: { readonly bitsPerSecond: number; readonly burstBytes: number },
): void {
  const bytes = new Uint8Array(policerLayout.size);
  const view = viewOf(bytes);
  // 2^-20 ns a byte; 2^-8 ns the bucket.
  policerCodec.cost.set(view, 0, Math.round((8e9 * 2 ** 20) / o.bitsPerSecond));
  policerCodec.burst.set(view, 0, Math.round((o.burstBytes * 8e9 * 2 ** 8) / o.bitsPerSecond));
  pipeline.map("policers").update(u32(id * POLICE_DIRECTIONS + direction), bytes);
}

export function policed(pipeline: Pipeline, id: number, direction: number): { packets: number; bytes: number } {
  const value = new Uint8Array(policerLayout.size);
  pipeline.map("policers").lookup(u32(id * POLICE_DIRECTIONS + direction), value);
  return {
    packets: policerCodec.droppedPackets.getNumber(viewOf(value), 0),
    bytes: policerCodec.droppedBytes.getNumber(viewOf(value), 0),
  };
}
