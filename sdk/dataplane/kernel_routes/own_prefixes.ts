// SPDX-License-Identifier: Apache-2.0
/** Which prefixes of a VRF lead to workloads of this node. */

import type { LiveInterfaces } from "../device/live_interfaces.ts";
import { splitKey } from "../schema/index.ts";
import { KERNEL_OWNER } from "../state/candidate.ts";
import type { AnyChange, DesiredState, StateChanges } from "../state/desired.ts";
import type { Exporter } from "./exporter.ts";
import type { KernelLinks } from "./kernel_links.ts";

/** Tells the exporters of VRFs which prefixes are their own. */
export class OwnPrefixes {
  readonly #state: DesiredState;
  readonly #live: LiveInterfaces;
  readonly #links: KernelLinks;
  readonly #exporters = new Map<string, Exporter>();

  constructor(state: DesiredState, live: LiveInterfaces, links: KernelLinks) {
    this.#state = state;
    this.#live = live;
    this.#links = links;
  }

  /** Begins with a VRF. Looks through all routes. */
  add(vrf: string, exporter: Exporter): void {
    this.#exporters.set(vrf, exporter);
    this.#rescan(vrf, exporter);
  }

  delete(vrf: string): void {
    this.#exporters.delete(vrf);
  }

  /**
   * Looks for own prefixes among changes of the state.
   * @returns takes over what became of them, when the changes are kept
   */
  concerned({ objects, routes }: StateChanges): () => void {
    if (this.#exporters.size === 0) return () => {};
    const keys: string[] = [];
    const { table } = routes;
    const vrfs = new Set([...this.#exporters.keys()].map((name) => table.vrfs.get(name)));
    for (let i = 0; i < routes.length; i++) {
      const entry = routes.entry(i);
      if (vrfs.has(table.prefixes.vrf(entry))) keys.push(table.key(entry));
    }
    // Another kind of next hop may lead elsewhere under its old name.
    const isOther = ({ kind, before, after }: AnyChange) =>
      kind === "nexthops" && before.length > 0 && after.length > 0;
    const isMoved = objects.some(isOther);
    return () => {
      if (isMoved) for (const [vrf, exporter] of this.#exporters) this.#rescan(vrf, exporter);
      for (const key of keys) {
        const [vrf, prefix] = splitKey(key);
        const exporter = this.#exporters.get(vrf);
        if (exporter !== undefined) this.#note(exporter, prefix, key);
      }
    };
  }

  #rescan(vrf: string, exporter: Exporter): void {
    const { routes } = this.#state;
    for (const entry of routes.entriesOf(vrf)) this.#note(exporter, routes.prefixes.text(entry), routes.key(entry));
  }

  #note(exporter: Exporter, prefix: string, key: string): void {
    const winner = this.#state.candidates("routes", key)[0];
    const isOwn =
      winner !== undefined && winner.owner !== KERNEL_OWNER && this.#workloads(winner.object.via).length > 0;
    exporter.own(prefix, isOwn ? winner.object.via : undefined);
  }

  /** The workload interfaces that a next hop leads to; none where it leads anywhere else too. */
  #workloads(via: string): string[] {
    const found = this.#state.get("interfaces", via);
    if (found !== undefined) return found.role === "workload" ? [via] : [];
    const nexthop = this.#state.get("nexthops", via);
    if (nexthop?.type === "interface" && nexthop.device !== undefined) return this.#workloads(nexthop.device);
    if (nexthop?.type !== "ecmp") return [];
    const members = (nexthop.members ?? []).map((member) => this.#workloads(member.nexthop));
    return members.some((names) => names.length === 0) ? [] : members.flat();
  }

  /** Devices of a next hop's workloads that are up. */
  devicesOf(via: string): number[] {
    const devices = this.#workloads(via).flatMap((name) => this.#live.get(name)?.device?.ifindex ?? []);
    return [...new Set(devices)].filter((ifindex) => this.#links.isUp(ifindex));
  }
}
