// SPDX-License-Identifier: Apache-2.0
/** QoS maps as the kernel has them (`struct qos_map`). */
import {
  type BytesField,
  classMarksCodec,
  MARK_DSCP,
  MARK_EXP,
  MARK_PCP,
  MARK_QUEUE,
  qosMapCodec,
  qosMapLayout,
} from "../../layout/index.ts";
import type { Qos } from "../schema/index.ts";
import { element } from "./element.ts";

/** What packets of a class leave with; what is absent stays as it is. */
export interface ClassMarks {
  readonly dscp?: number;
  readonly exp?: number;
  readonly pcp?: number;
  readonly queue?: number;
}

type Classes = Readonly<Record<string, number>>;

/** The marks of each class that has any: the given ones, else the lowest code points that lead to the class. */
export function marksOf(qos: Qos): Map<number, ClassMarks> {
  const marks = new Map<number, ClassMarks>();
  const add = (forwardingClass: number, more: ClassMarks) =>
    marks.set(forwardingClass, { ...marks.get(forwardingClass), ...more });
  for (const kind of ["dscp", "exp", "pcp"] as const) {
    // Keys that are whole numbers come in ascending order: going backwards leaves the lowest.
    for (const [point, forwardingClass] of Object.entries<number>(qos[kind] ?? {}).reverse())
      add(forwardingClass, { [kind]: Number(point) });
  }
  for (const [number, given] of Object.entries(qos.classes ?? {})) add(Number(number), given);
  return marks;
}

export function encodeQosMap(qos: Qos): Uint8Array {
  const { bytes, view } = element(qosMapLayout.size);
  writeClasses(qosMapCodec.dscpClass, bytes, qos.dscp);
  writeClasses(qosMapCodec.expClass, bytes, qos.exp);
  writeClasses(qosMapCodec.pcpClass, bytes, qos.pcp);
  for (const [forwardingClass, { dscp, exp, pcp, queue }] of marksOf(qos)) {
    const at = qosMapCodec.marks.at(0, forwardingClass);
    let flags = 0;
    if (dscp !== undefined) flags |= MARK_DSCP;
    if (exp !== undefined) flags |= MARK_EXP;
    if (pcp !== undefined) flags |= MARK_PCP;
    if (queue !== undefined) flags |= MARK_QUEUE;
    classMarksCodec.dscp.set(view, at, dscp ?? 0);
    classMarksCodec.exp.set(view, at, exp ?? 0);
    classMarksCodec.pcp.set(view, at, pcp ?? 0);
    classMarksCodec.queue.set(view, at, queue ?? 0);
    classMarksCodec.flags.set(view, at, flags);
  }
  return bytes;
}

/** One more than the class: 0 is no class. */
function writeClasses(field: BytesField, bytes: Uint8Array, classes: Classes = {}): void {
  const points = field.bytes(bytes, 0);
  for (const [point, forwardingClass] of Object.entries(classes)) points[Number(point)] = forwardingClass + 1;
}
