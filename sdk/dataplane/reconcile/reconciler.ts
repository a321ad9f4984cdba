// SPDX-License-Identifier: Apache-2.0
/** Makes the kernel what the desired state says, make before break, all or nothing. */
import type { Locate } from "../check/check.ts";
import { writeNodeConfig } from "../kernel/records.ts";
import type { RouteWrites } from "../kernel/route_writes.ts";
import { PackedPrefixes } from "../routes/packed_prefixes.ts";
import { PrefixIndex } from "../routes/prefix_index.ts";
import { NODE_KEY } from "../schema/index.ts";
import type { ObjectChange, ObjectKind, StateChanges } from "../state/desired.ts";
import { UNDERLAY_VRF } from "../state/references.ts";
import { Undo } from "../state/undo.ts";
import { noteLedElsewhere, removeVrfs, writeFdb, writeLabels, writeVnis, writeVrfs } from "./bridging.ts";
import type { Parts, Run, StaleFlows } from "./context.ts";
import { interfacesToWrite, nexthopsToWrite, subInterfacesOf, writeNexthops } from "./dependents.ts";
import { deviceChanged, isDetached } from "./interface_device.ts";
import {
  attachInterface,
  foreseeInterface,
  hasLearned,
  removeInterface,
  takeLearned,
  writeInterface,
} from "./interfaces.ts";
import { mirrorInterfaces, noteStaleMirror, writeMirrors } from "./mirrors.ts";
import { removeNexthop, writeReservedNexthops } from "./nexthops.ts";
import { concernPacketLimits, lowerPacketLimits, raisePacketLimits } from "./packet_limits.ts";
import { preparePeers } from "./peers.ts";
import { removeQosMaps, writeQosMaps } from "./qos.ts";
import { gatewayMacOf } from "./records_of.ts";
import { countRoutes, type RouteCounts, routeWrites, writeRoutes } from "./routes.ts";
import { staleFlows, translatedVrfs } from "./stale_flows.ts";
import { removeStrays } from "./strays.ts";
import { writeUnderlayAddresses } from "./underlay_addresses.ts";

/** Changes that are in the kernel and may still be taken back. */
export interface Applied {
  /** They are kept: takes away what they replaced. */
  keep(): StaleFlows;
  /** Takes them back. */
  undo(): void;
}

/** What a refresh found. */
export interface Refreshed {
  /** Flows to be decided again. */
  readonly stale: StaleFlows;
  /** Names of the interfaces whose devices had changed. */
  readonly changed: ReadonlySet<string>;
}

/** Applies changes of the desired state to the kernel. All calls must be made in the node's namespace. */
export class Reconciler {
  readonly #parts: Parts;
  #routes: RouteCounts = { 4: 0, 6: 0 };
  /** VRFs that `vrf` next hops lead to; `undefined`: next hops changed since they were looked for. */
  #translated: ReadonlySet<number> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Routes in the kernel. */
  get routeCounts(): Readonly<RouteCounts> {
    return this.#routes;
  }

  /**
   * Brings `changes`, which the desired state holds already, into the kernel.
   * @throws WeirError; the kernel is then as it was.
   */
  apply(changes: StateChanges, locate: Locate, o: { readonly resuming?: boolean } = {}): Applied {
    const run = this.#run(locate, o.resuming ?? false);
    let stale: () => StaleFlows;
    try {
      stale = this.#apply(run, changes);
    } catch (error) {
      run.undo.run();
      throw error;
    }
    return {
      keep: () => {
        for (const step of run.retire) step();
        run.undo.forget();
        return stale();
      },
      undo: () => run.undo.run(),
    };
  }

  #run(locate: Locate, resuming: boolean): Run {
    return {
      ...this.#parts,
      locate,
      resuming,
      undo: new Undo(),
      node: this.#parts.state.get("node", NODE_KEY) ?? {},
      retire: [],
      stale: {
        interfaces: new Set(),
        gone: new Set(),
        over: new Set(),
        nexthops: new Set(),
        policies: new Set(),
        rules: { rules: [], prefixSets: new Map() },
        mirrors: new Set(),
        prefixes: new PackedPrefixes(),
        translated: new Set(),
      },
    };
  }

  /** @returns tells, once the changes are kept, which flows they concern. */
  #apply(run: Run, changes: StateChanges): () => StaleFlows {
    const of = <K extends ObjectKind>(kind: K) => changes.of(kind);
    const limits = concernPacketLimits(changes.objects);
    if (limits) lowerPacketLimits(run);
    this.#node(run, of("node").length > 0);
    writeVrfs(run, of("vrfs"), of("interfaces"));
    writeQosMaps(run, of("qos"));
    const interfaces = interfacesToWrite(run, of("interfaces"), of("node").length > 0);
    const publish = run.policies.apply(run, [...of("policies"), ...of("sets")]);
    // Numbers of sets keep their meaning within a process. After a start the kernel's table still has the last
    // process's; until the table is published the slow path decides nothing.
    if (!run.resuming) publish();
    for (const name of interfaces) {
      const object = run.state.get("interfaces", name);
      if (object !== undefined) writeInterface(run, object);
    }
    if (run.resuming) publish();
    const nexthops = nexthopsToWrite(run, of("nexthops"), interfaces, of("node").length > 0);
    writeNexthops(run, nexthops);
    if (interfaces.size > 0 || nexthops.size > 0 || of("node").length > 0) writeUnderlayAddresses(run);
    writeMirrors(run, of("mirrors"));
    mirrorInterfaces(run, interfaces, of("mirrors"));
    writeFdb(run, of("fdb"));
    writeVnis(run, of("vnis"));
    writeLabels(run, of("labels"), new Set([...interfaces, ...nexthops]));
    const routes = routeWrites(run, changes.routes);
    const before = this.#routes;
    this.#routes = countRoutes(before, routes, run.limits.routes);
    run.undo.push(() => {
      this.#routes = before;
    });
    writeRoutes(run, routes);
    for (const { key, after } of of("interfaces")) if (after.length === 0) removeInterface(run, key);
    if (of("interfaces").length > 0) preparePeers(run);
    if (limits) raisePacketLimits(run);
    for (const name of interfaces) if (run.live.has(name)) attachInterface(run, name);
    for (const { key, after } of [...of("interfaces"), ...of("nexthops")])
      if (after.length === 0) removeNexthop(run, key);
    removeVrfs(run, of("vrfs"));
    removeQosMaps(run, of("qos"));
    run.ways.settle(run);
    return () => this.#stale(run, routes, of("nexthops"));
  }

  #stale(run: Run, routes: RouteWrites, nexthops: readonly ObjectChange<"nexthops">[]): StaleFlows {
    if (nexthops.length > 0) this.#translated = undefined;
    if (routes.length > 0) this.#translated ??= translatedVrfs(run);
    return staleFlows(run, routes, nexthops, this.#translated ?? new Set());
  }

  #node(run: Run, changed: boolean): void {
    if (!changed) return;
    const { config } = run.tables;
    const before = config.bytes.slice();
    run.undo.push(() => config.bytes.set(before));
    writeNode(run);
  }

  /**
   * Makes the kernel what the whole desired state says, whatever it holds: after a start, with new tables or with
   * those of an earlier process. Devices that are not there are waited for.
   */
  resume(changes: StateChanges): void {
    const run = this.#run(() => "", true);
    run.ids.take("vrf", UNDERLAY_VRF);
    const known = [...run.ids.nexthop.names()].flatMap((name) => run.ids.nexthop.get(name) ?? []);
    run.tables.members.adopt(run.tables.nexthops, known);
    run.tables.tunnels.adopt(run.tables.nexthops, known);
    writeReservedNexthops(run);
    writeNode(run);
    this.#apply(run, changes);
    run.ways.freeStrays(run);
    for (const step of run.retire) step();
    run.undo.forget();
    removeStrays(run, PrefixIndex.of(routeWrites(run, changes.routes).prefixes));
  }

  /**
   * Takes away what is of devices that have gone, if only for a moment: those of `gone`, and those of `interfaces` that the
   * kernel has taken the programs off. What is there since is found by the `refresh` that follows.
   * @returns names of the interfaces that wait now.
   */
  lose(gone: Iterable<string>, interfaces: Iterable<string>): ReadonlySet<string> {
    const run = this.#run((kind, key) => `/${kind}/${key}`, true);
    const lost = new Set([...gone].filter((name) => run.live.get(name)?.device !== undefined));
    for (const name of interfaces) {
      const live = run.live.get(name);
      if (live !== undefined && isDetached(live)) lost.add(name);
    }
    if (lost.size === 0) return lost;
    for (const name of lost) {
      const object = run.state.get("interfaces", name);
      if (object !== undefined) writeInterface(run, object, { device: undefined });
    }
    for (const name of subInterfacesOf(run, lost)) this.#rewrite(run, name, lost);
    this.#follow(run, lost, []);
    finish(run);
    return lost;
  }

  /**
   * Writes interfaces anew whose devices changed (came, went, up, down, another MTU or MAC), and next hops whose
   * paths over the fabric did.
   */
  refresh(interfaces: Iterable<string>, nexthops: readonly string[]): Refreshed {
    const run = this.#run((kind, key) => `/${kind}/${key}`, true);
    const changed = new Set<string>();
    for (const name of interfaces) this.#rewrite(run, name, changed);
    for (const name of subInterfacesOf(run, changed)) this.#rewrite(run, name, changed);
    this.#follow(run, changed, nexthops);
    return { stale: finish(run), changed };
  }

  /** Writes an interface anew if its device changed, and notes that. */
  #rewrite(run: Run, name: string, changed: Set<string>): void {
    const object = run.state.get("interfaces", name);
    if (object === undefined || !deviceChanged(run, name)) return;
    writeInterface(run, object);
    changed.add(name);
  }

  /** Writes what depends on interfaces that were written anew, and brings their programs to where they are. */
  #follow(run: Run, changed: ReadonlySet<string>, nexthops: readonly string[]): void {
    const names = nexthopsToWrite(run, [], changed, false);
    for (const name of nexthops) names.add(name);
    if (changed.size > 0) lowerPacketLimits(run);
    writeNexthops(run, names);
    if (changed.size > 0) {
      mirrorInterfaces(run, changed);
      writeUnderlayAddresses(run);
      preparePeers(run);
      raisePacketLimits(run);
    }
    for (const name of changed) if (run.live.has(name)) attachInterface(run, name);
  }

  /** A link changed: marks the paths over it, before anything else is looked up. */
  linkChanged(ifindex: number): void {
    const run = this.#run((kind, key) => `/${kind}/${key}`, true);
    run.ways.linkChanged(run, ifindex);
    finish(run);
  }

  /** A neighbour changed: has the paths to it go to its new MAC, or marks them as lost. */
  neighbourChanged(ifindex: number, address: string): void {
    const run = this.#run((kind, key) => `/${kind}/${key}`, true);
    run.ways.neighbourChanged(run, ifindex, address);
    finish(run);
  }

  /** Writes the addresses anew that tunnels may end at. */
  refreshAddresses(): void {
    const run = this.#run((kind, key) => `/${kind}/${key}`, true);
    writeUnderlayAddresses(run);
    finish(run);
  }

  /** Gives the MACs that the kernel programs have learned to the bridge and to the next hops behind the interfaces. */
  takeLearned(): void {
    const run = this.#run((kind, key) => `/${kind}/${key}`, true);
    const names = [...run.live].filter(([, live]) => hasLearned(run, live)).map(([name]) => name);
    if (names.length === 0) return;
    for (const name of names) takeLearned(run, name);
    writeNexthops(run, nexthopsToWrite(run, [], new Set(names), false));
    finish(run);
  }

  /** Which flows `changes` would concern. Asks for the devices too, and changes nothing. */
  foresee(changes: StateChanges, locate: Locate): StaleFlows {
    const run = this.#run(locate, false);
    for (const change of changes.objects) {
      if (change.kind === "interfaces") foreseeInterface(run, change);
      else if (change.kind === "fdb" || change.kind === "labels") noteLedElsewhere(run, change);
      else if (change.kind === "mirrors" && change.after.length === 0) noteStaleMirror(run, change.key);
    }
    run.policies.noteStale(run, changes.objects);
    const routes = routeWrites(run, changes.routes);
    const stale = this.#stale(run, routes, changes.of("nexthops"));
    // What was foreseen is not so yet.
    this.#translated = undefined;
    return stale;
  }
}

function writeNode(run: Run): void {
  writeNodeConfig(run.tables.config, run.node, gatewayMacOf(run.node));
}

/** Ends a run that nobody asked for: it is kept. */
function finish(run: Run): StaleFlows {
  run.ways.settle(run);
  for (const step of run.retire) step();
  run.undo.forget();
  return run.stale;
}
