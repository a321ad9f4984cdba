// SPDX-License-Identifier: Apache-2.0
/** Own AF_XDP sockets of interfaces on the XDP hook. */

import { WEIR_MAX_WORKERS } from "../../layout/index.ts";
import type { SlowPath } from "../../slowpath/index.ts";
import type { DirectPorts } from "../reconcile/context.ts";

/** Bytes in front of the IP header at most: Ethernet and two VLAN tags. */
export const LINK_HEADER = 14 + 2 * 4;

/** Elements of the map `xsks`; the first are the trap link's. */
const SOCKETS = 4096;

/**
 * Gives out places in `xsks` and has the slow path open the sockets.
 * @param most queues that the slow path has room for; interfaces beyond use the trap link.
 */
export function directPorts(slowPath: SlowPath, most: number): DirectPorts {
  const taken = new Map<number, { readonly base: number; readonly count: number }>();
  const freeBase = (count: number): number | undefined => {
    let base: number = WEIR_MAX_WORKERS;
    for (const used of [...taken.values()].sort((a, b) => a.base - b.base)) {
      if (used.base - base >= count) break;
      base = used.base + used.count;
    }
    return base + count <= SOCKETS ? base : undefined;
  };
  return {
    add(interfaceId, { name, ifindex, rxQueues, mtu }, worker) {
      const used = [...taken.values()].reduce((sum, { count }) => sum + count, 0);
      const base = used + rxQueues > most ? undefined : freeBase(rxQueues);
      if (base === undefined) return undefined;
      const { mode } = slowPath.addDirect({
        interfaceId,
        device: name,
        ifindex,
        queues: rxQueues,
        xskBase: base,
        worker,
        mode: "auto",
        largestFrame: mtu + LINK_HEADER,
      });
      taken.set(interfaceId, { base, count: rxQueues });
      return { base, count: rxQueues, mode };
    },
    remove(interfaceId) {
      if (taken.delete(interfaceId)) slowPath.removeDirect(interfaceId);
    },
  };
}
