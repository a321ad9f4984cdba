// SPDX-License-Identifier: Apache-2.0
import type { SlowPathStatistics } from "../../slowpath/index.ts";
import type { HandlerFailures } from "../controller/handlers.ts";
import type { DropSampleCounters } from "../events/drop_ring.ts";
import type { FlowEndCounters } from "../flows/flow_end_ring.ts";
import type { SweepResult } from "../flows/sweep.ts";
import type { Opened } from "../instance/open.ts";

/** Use of one table. */
export interface TableUsage {
  readonly used: number;
  readonly limit: number;
}

/** How full the tables are, and what the slow path did. */
export interface Usage {
  readonly tables: {
    readonly interfaces: TableUsage;
    readonly nexthops: TableUsage;
    readonly vrfs: TableUsage;
    /** Buckets of ecmp next hops and members of flood next hops. */
    readonly members: TableUsage;
    readonly tunnels: TableUsage;
    /** Bridge entries, without learned ones. */
    readonly fdb: TableUsage;
    readonly labels: TableUsage;
    readonly vnis: TableUsage;
    readonly mirrors: TableUsage;
    readonly qos: TableUsage;
    readonly routes4: TableUsage;
    readonly routes6: TableUsage;
    /** Entries of both families at the last sweep; a flow has two. */
    readonly flows: TableUsage;
    /** Bytes of compiled rules, and of the address sets that they name, in the memory of each worker. */
    readonly policyBytes: TableUsage;
    readonly addressSetBytes: TableUsage;
  };
  readonly slowPath: SlowPathStatistics;
  /** Samples of the packets that the kernel programs dropped while somebody read them. */
  readonly dropSamples: DropSampleCounters;
  /** Flows that ended while somebody read of it. */
  readonly flowEnds: FlowEndCounters;
  readonly handlerErrors: HandlerFailures;
}

export function usageOf(
  parts: Opened,
  sweep: SweepResult,
  kernel: { readonly dropSamples: DropSampleCounters; readonly flowEnds: FlowEndCounters },
  handlerErrors: HandlerFailures,
): Usage {
  const { ids, tables, limits, policies, reconciler, slowPath, state } = parts;
  const { maps } = tables;
  const routes = reconciler.routeCounts;
  return {
    tables: {
      interfaces: { used: ids.interface.size, limit: tables.interfaces.length - 1 },
      nexthops: { used: ids.nexthop.size, limit: tables.nexthops.length - 1 },
      vrfs: { used: ids.vrf.size, limit: tables.vrfs.length - 1 },
      members: { used: tables.members.used, limit: tables.members.length },
      tunnels: { used: tables.tunnels.size, limit: maps.tunnels.maxEntries },
      fdb: { used: tables.bridge.size, limit: maps.fdb.maxEntries },
      labels: { used: state.size("labels"), limit: maps.low_labels.maxEntries + maps.labels.maxEntries },
      vnis: { used: state.size("vnis"), limit: maps.low_vnis.maxEntries + maps.vnis.maxEntries },
      mirrors: { used: ids.mirror.size, limit: tables.mirrors.length - 1 },
      qos: { used: ids.qos.size, limit: maps.qos_maps.maxEntries - 1 },
      routes4: { used: routes[4], limit: limits.routes },
      routes6: { used: routes[6], limit: limits.routes },
      flows: { used: sweep.seen - sweep.removed, limit: 2 * limits.flows },
      policyBytes: policies.usage.rules,
      addressSetBytes: policies.usage.addressSets,
    },
    slowPath: slowPath.stats(),
    dropSamples: kernel.dropSamples,
    flowEnds: kernel.flowEnds,
    handlerErrors,
  };
}
