// SPDX-License-Identifier: Apache-2.0
/** What the workers and their sockets dropped. */

import {
  type DropReason,
  dropCounterCodec,
  dropCounterLayout,
  dropReasons,
  WEIR_MAX_REASONS,
} from "../layout/index.ts";
import type { WorkerHost } from "./worker_host.ts";

/** Packets that ended in the slow path. */
export interface SlowPathDrop {
  /** 0: of no interface of ours, or of one that is not known, because a socket of the trap link had no room. */
  readonly interfaceId: number;
  readonly reason: DropReason;
  readonly packets: number;
  /** Without those that a socket had no room for: the kernel does not count their bytes. */
  readonly bytes: number;
}

/** Sums the counters of all workers, for interface numbers below `interfaces`; without those that are 0. */
export function countDrops(hosts: readonly WorkerHost[], interfaces: number): SlowPathDrop[] {
  const drops: SlowPathDrop[] = [];
  const lost = new Map<number, number>();
  for (const host of hosts) host.ports.addLost(lost);
  for (let interfaceId = 0; interfaceId < interfaces; interfaceId++) {
    for (const [index, reason] of dropReasons.entries()) {
      const at = (interfaceId * WEIR_MAX_REASONS + index) * dropCounterLayout.size;
      let packets = 0;
      let bytes = 0;
      for (const { memory } of hosts) {
        packets += dropCounterCodec.packets.getNumber(memory.view, memory.layout.drops + at);
        bytes += dropCounterCodec.bytes.getNumber(memory.view, memory.layout.drops + at);
      }
      if (reason === "trap-full") packets += lost.get(interfaceId) ?? 0;
      if (packets > 0) drops.push({ interfaceId, reason, packets, bytes });
    }
  }
  return drops;
}
