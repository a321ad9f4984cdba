// SPDX-License-Identifier: Apache-2.0
/** A VRF that follows a table of the kernel's. */
import type { KernelRoutesConfig, Nexthop, Route } from "../schema/index.ts";
import type { Exporter } from "./exporter.ts";
import type { KernelWay, KernelWays } from "./kernel_way.ts";
import { TableMirror } from "./table_mirror.ts";
import { type IgnoredReason, type Resolution, resolveWay, type Surroundings, type Target } from "./target.ts";

/** Preference of mirrored routes (contract, "Owners and order"). */
const PREFERENCE = 100;

/** `status.kernelRoutes` of a VRF. */
export interface KernelRoutesStatus {
  readonly table: number;
  /** Destinations in the kernel's table, without those that Weir exported. */
  readonly routes: number;
  /** Of these, destinations that the VRF has routes to as well. */
  readonly mirrored: number;
  /** Those that it has not, by why. */
  readonly ignored: Readonly<Partial<Record<IgnoredReason, number>>>;
  /** Those that changed and have not been brought into the VRF yet. */
  readonly pending: number;
  /** Own prefixes that the table has; absent without `export`. */
  readonly exported?: number;
}

/** What the kernel's table wants of the VRF's. */
export class MirroredVrf {
  readonly name: string;
  readonly config: KernelRoutesConfig;
  readonly table: TableMirror;
  readonly exporter: Exporter | undefined;
  #resolutions = new Map<KernelWay, Resolution>();
  readonly #around: Surroundings;
  /** Destinations that found no room in the kernel's map, or were refused. */
  readonly refused = new Set<string>();

  constructor(
    name: string,
    config: KernelRoutesConfig,
    ways: KernelWays,
    around: Surroundings,
    exporter: Exporter | undefined,
  ) {
    this.name = name;
    this.config = config;
    this.table = new TableMirror(config.table, ways);
    this.exporter = exporter;
    this.#around = around;
  }

  /** The route that should lead to a destination. */
  readonly routeTo = (destination: string): Route | undefined => {
    const way = this.table.wayTo(destination);
    const resolution = way === undefined ? undefined : this.#resolve(way);
    if (resolution === undefined || "ignored" in resolution) return undefined;
    return { vrf: this.name, prefix: destination, ...resolution.target, preference: PREFERENCE };
  };

  #resolve(way: KernelWay): Resolution {
    let resolution = this.#resolutions.get(way);
    if (resolution === undefined) {
      resolution = resolveWay(way, this.config, this.#around);
      this.#resolutions.set(way, resolution);
    }
    return resolution;
  }

  /** Next hops that the routes need. */
  nexthops(into: Map<string, Nexthop>): void {
    for (const way of this.table.ways.keys()) {
      const resolution = this.#resolve(way);
      if (!("ignored" in resolution)) for (const nexthop of resolution.nexthops) into.set(nexthop.name, nexthop);
    }
  }

  /** What ways are resolved with is not what it was: the destinations that lead elsewhere now become dirty. */
  reconsider(): void {
    const before = this.#resolutions;
    this.#resolutions = new Map();
    const moved = new Set<KernelWay>();
    for (const way of this.table.ways.keys()) {
      const was = before.get(way);
      if (was === undefined || targetText(was) !== targetText(this.#resolve(way))) moved.add(way);
    }
    this.table.touch(moved);
    this.table.waysChanged = true;
  }

  get status(): KernelRoutesStatus {
    const ignored: Partial<Record<IgnoredReason, number>> = {};
    let none = 0;
    for (const [way, count] of this.table.ways) {
      const resolution = this.#resolve(way);
      if (!("ignored" in resolution)) continue;
      ignored[resolution.ignored] = (ignored[resolution.ignored] ?? 0) + count;
      none += count;
    }
    return {
      table: this.config.table,
      routes: this.table.size,
      mirrored: this.table.size - none - this.refused.size,
      ignored,
      pending: this.table.dirty.size,
      ...(this.exporter === undefined ? {} : { exported: this.exporter.size }),
    };
  }
}

function targetText(resolution: Resolution): string {
  if ("ignored" in resolution) return "";
  const { via, vni, label }: Target = resolution.target;
  return `${via} ${vni} ${label}`;
}
