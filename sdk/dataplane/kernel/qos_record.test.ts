// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import {
  classMarksCodec,
  MARK_DSCP,
  MARK_EXP,
  MARK_PCP,
  MARK_QUEUE,
  qosMapCodec,
  qosMapLayout,
} from "../../layout/index.ts";
import { encodeQosMap, marksOf } from "./qos_record.ts";

describe("what packets of a class leave with", () => {
  test("is the lowest code point that leads to the class", () => {
    const marks = marksOf({ name: "q", dscp: { 46: 5, 40: 5, 10: 1 }, exp: { 7: 5, 5: 5 }, pcp: { 6: 5 } });
    expect(Object.fromEntries(marks)).toEqual({ 1: { dscp: 10 }, 5: { dscp: 40, exp: 5, pcp: 6 } });
  });

  test("is what is given for the class, field by field", () => {
    const marks = marksOf({ name: "q", dscp: { 46: 5 }, exp: { 5: 5 }, classes: { 5: { dscp: 44, queue: 3 }, 9: {} } });
    expect(Object.fromEntries(marks)).toEqual({ 5: { dscp: 44, exp: 5, queue: 3 }, 9: {} });
  });
});

test("a QoS map has one more than the class by code point, and the marks by class with what they say", () => {
  const bytes = encodeQosMap({
    name: "q",
    dscp: { 0: 0, 46: 5 },
    exp: { 3: 63 },
    pcp: { 7: 1 },
    classes: { 5: { queue: 258 } },
  });
  expect(bytes).toHaveLength(qosMapLayout.size);
  const view = new DataView(bytes.buffer);
  const points = (field: typeof qosMapCodec.dscpClass) =>
    [...field.bytes(bytes, 0).entries()].filter(([, value]) => value !== 0);
  expect(points(qosMapCodec.dscpClass)).toEqual([
    [0, 1],
    [46, 6],
  ]);
  expect(points(qosMapCodec.expClass)).toEqual([[3, 64]]);
  expect(points(qosMapCodec.pcpClass)).toEqual([[7, 2]]);
  const marks = (forwardingClass: number) => {
    const at = qosMapCodec.marks.at(0, forwardingClass);
    const { dscp, exp, pcp, queue, flags } = classMarksCodec;
    return [dscp, exp, pcp, queue, flags].map((field) => field.get(view, at));
  };
  expect(marks(0)).toEqual([0, 0, 0, 0, MARK_DSCP]);
  expect(marks(1)).toEqual([0, 0, 7, 0, MARK_PCP]);
  expect(marks(5)).toEqual([46, 0, 0, 258, MARK_DSCP | MARK_QUEUE]);
  expect(marks(63)).toEqual([0, 3, 0, 0, MARK_EXP]);
  expect(marks(2)).toEqual([0, 0, 0, 0, 0]);
});
