// SPDX-License-Identifier: Apache-2.0
/** What a route tells connections over it (`RTA_METRICS`, `RTAX_*` in `linux/rtnetlink.h`). */

import { AttributeTable } from "./attribute.ts";
import type { MessageWriter } from "./message.ts";

/** The attributes' numbers. */
const numbers = {
  /** Bits of the metrics that the kernel must not change. */
  lock: 1,
  mtu: 2,
  window: 3,
  /** In 1/8 ms. */
  roundTripTime: 4,
  /** In 1/4 ms. */
  roundTripVariance: 5,
  slowStartThreshold: 6,
  congestionWindow: 7,
  advertisedMss: 8,
  reordering: 9,
  hopLimit: 10,
  initialCongestionWindow: 11,
  features: 12,
  /** In ms. */
  minimumRetransmission: 13,
  initialReceiveWindow: 14,
  quickAcknowledge: 15,
} as const;

/** A metric with a number for its value. */
export type RouteMetric = keyof typeof numbers;

/** Those metrics that a route has. */
export type RouteMetrics = { readonly [Metric in RouteMetric]?: number | undefined };

const names = Object.keys(numbers) as readonly RouteMetric[];
const none: RouteMetrics = Object.freeze({});
const table = new AttributeTable(Math.max(...Object.values(numbers)));

/** The metrics in the attribute `type`; most routes have none. */
export function decodeMetrics(a: AttributeTable, type: number): RouteMetrics {
  const attributes = a.nested(type, table);
  if (attributes === undefined) return none;
  const metrics: { [Metric in RouteMetric]?: number } = {};
  for (const name of names) {
    const value = attributes.u32(numbers[name]);
    if (value !== undefined) metrics[name] = value;
  }
  return metrics;
}

/** Writes metrics as the attribute `type`; nothing where there are none. */
export function writeMetrics(writer: MessageWriter, type: number, metrics: RouteMetrics): void {
  const given = names.filter((name) => metrics[name] !== undefined);
  if (given.length === 0) return;
  writer.nest(type, () => {
    for (const name of given) writer.u32(numbers[name], metrics[name] ?? 0);
  });
}
