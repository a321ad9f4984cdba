// SPDX-License-Identifier: Apache-2.0
/** Own AF_XDP sockets of interfaces on the XDP hook. */

import { WEIR_MAX_WORKERS } from "../layout/index.ts";
import type { SlowPath } from "../slowpath/index.ts";
import type { DirectPorts } from "./reconcile/context.ts";

/** Elements of the map `xsks`; the first are the trap link's. */
const SOCKETS = 4096;

/** Interfaces with more queues than this, or beyond the last free sockets, use the trap link. */
const MAX_QUEUES = 64;

/** Gives out places in `xsks` and has the slow path open the sockets. */
export function directPorts(slowPath: SlowPath): DirectPorts {
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
    add(interfaceId, device, queues) {
      const base = queues > MAX_QUEUES ? undefined : freeBase(queues);
      if (base === undefined) return undefined;
      const { mode } = slowPath.addDirect({ interfaceId, device, queues, xskBase: base, mode: "auto" });
      taken.set(interfaceId, { base, count: queues });
      return { base, count: queues, mode };
    },
    remove(interfaceId) {
      if (taken.delete(interfaceId)) slowPath.removeDirect(interfaceId);
    },
  };
}
