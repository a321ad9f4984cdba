// SPDX-License-Identifier: Apache-2.0
import type { DropReason } from "../../layout/index.ts";
import type { Opened } from "../instance/open.ts";
import type { Counters, DropCount } from "./counters.ts";

/** How drops are summed. */
export type DropGroup = "interface-reason" | "interface" | "reason";

/** Name of the interface of packets for which none could be found, and of all in a sum by reason. */
const UNKNOWN = "unknown";

/** Drops of the kernel programs and of the slow path together. */
export function dropsOf(
  parts: Pick<Opened, "live" | "slowPath" | "names">,
  counters: Counters,
  by: DropGroup,
): DropCount[] {
  const interfaces = [...parts.live].map(([name, { id }]) => ({ id, name }));
  const counts = counters.drops([{ id: 0, name: UNKNOWN }, ...interfaces]);
  for (const { interfaceId, reason, packets, bytes } of parts.slowPath.drops()) {
    counts.push({ interface: parts.names.interface(interfaceId), reason, packets, bytes });
  }
  return sum(counts, by);
}

function sum(counts: readonly DropCount[], by: DropGroup): DropCount[] {
  const sums = new Map<string, { interface: string; reason: DropReason; packets: number; bytes: number }>();
  for (const count of counts) {
    const name = by === "reason" ? "all" : count.interface;
    const reason: DropReason = by === "interface" ? "none" : count.reason;
    const key = `${name} ${reason}`;
    const known = sums.get(key);
    if (known === undefined) sums.set(key, { interface: name, reason, packets: count.packets, bytes: count.bytes });
    else {
      known.packets += count.packets;
      known.bytes += count.bytes;
    }
  }
  return [...sums.values()];
}
