// SPDX-License-Identifier: Apache-2.0
/** Loads the kernel programs, with new tables or with those that an earlier process left pinned. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runtime } from "#runtime";
import { WeirError } from "../../errors.ts";
import { configCodec, WEIR_ABI_VERSION } from "../../layout/index.ts";
import { BpfMap, type Collection, CollectionSpec, loadExtension, type Program } from "../../libbpf/index.ts";
import type { MapName, Maps } from "../kernel/tables.ts";
import { DEFAULT_LIMITS, type Limits } from "../schema/index.ts";
import type { InstancePaths } from "./instance.ts";

/** The object with all programs and maps. */
const OBJECT = "assets/weir.bpf.o";

const MAP_NAMES: readonly MapName[] = [
  "config",
  "interfaces",
  "nexthops",
  "members",
  "labels",
  "low_labels",
  "vnis",
  "low_vnis",
  "underlay_addresses",
  "tunnels",
  "vrfs",
  "mirrors",
  "mirror_counters",
  "qos_maps",
  "policers",
  "flow_guards",
  "half_open",
  "devices",
  "interface_addresses",
  "routes4",
  "routes6",
  "fdb",
  "flows4",
  "flows6",
  "flow_slots4",
  "flow_slots6",
  "flow_slot_pools",
  "flow_ends",
  "flow_end_counters",
  "decisions",
  "miss_rings",
  "tx_ports",
  "xsks",
  "interface_counters",
  "drop_counters",
  "tunnel_counters",
  "vrf_counters",
  "drop_samples",
  "drop_sampling",
  "drop_sample_counters",
  "trap_limits",
  "packet_matches",
  "match_limits",
];

/** Names of the programs that are attached or run. */
export type ProgramName =
  | "weir_xdp"
  | "weir_xdp_frags"
  | "weir_tc"
  | "weir_trap_xdp"
  | "weir_inject_xdp"
  | "weir_inject_tc"
  | "weir_flow_update"
  | "weir_flow_sweep";

/** Programs that are loaded when a device needs them for the first time: few nodes need all, and verifying takes time. */
const ON_DEMAND: readonly ProgramName[] = ["weir_xdp", "weir_xdp_frags"];

/** Loaded programs and their tables. */
export interface Pipeline extends Disposable {
  readonly maps: Maps;
  /** @throws VerifierError when the kernel refuses a program that is loaded on demand. */
  program(name: ProgramName): Program;
  /**
   * An XDP program as an extension of dispatchers, loaded when it is needed for the first time.
   * @throws WeirError `EOPNOTSUPP` where the kernel has no such programs.
   */
  extension(name: ProgramName): Program;
  /** Loads a program once more, on the same maps: a hook takes each loaded program only once. To be disposed. */
  again(name: ProgramName): Collection;
  readonly limits: Required<Limits>;
  /** All maps of the load by name, those too that nothing but the programs uses. */
  readonly loaded: ReadonlyMap<string, BpfMap>;
  /** The tables were there already, with what an earlier process put into them. */
  readonly adopted: boolean;
}

/** Which limit sizes a map. */
const SIZED: Readonly<Partial<Record<MapName, keyof Limits>>> = {
  flow_slots4: "flows",
  flow_slots6: "flows",
  routes4: "routes",
  routes6: "routes",
  nexthops: "nexthops",
};

/** Entries of the tables that grow with the next hops, for each of these. */
const PER_NEXTHOP: Readonly<Partial<Record<MapName, number>>> = {
  members: 4,
  labels: 1,
  vnis: 1,
  tunnels: 1,
  tunnel_counters: 1,
  fdb: 4,
};

/**
 * Loads the pipeline of an instance and pins its maps.
 * @param limits sizes that were asked for; tables that are adopted must have them.
 * @throws WeirError `ELIMITS` when a running instance has other sizes, `EABI` when its tables are of another version;
 *   VerifierError when the kernel refuses a program.
 */
export function loadPipeline(paths: InstancePaths, limits: Limits): Pipeline {
  const pinned = openPinned(paths);
  try {
    const sizes = pinned === undefined ? { ...DEFAULT_LIMITS, ...limits } : requireLimits(pinned, limits, paths);
    return load(paths, sizes, pinned);
  } finally {
    for (const map of Object.values(pinned ?? {})) map[Symbol.dispose]();
  }
}

/** Maps and program that only a load which traces has (bpf/trace_record.h). */
const TRACE_MAPS: readonly string[] = ["trace_log", "trace_records", "trace_frames"];
const TRACE_PROGRAM = "weir_trace_copy";

/** What is to be loaded to forward: without what is there for traces. */
export function withoutTraces(spec: CollectionSpec): CollectionSpec {
  leaveOut(spec, TRACE_PROGRAM);
  for (const name of TRACE_MAPS) {
    const map = spec.maps.get(name);
    if (map !== undefined) map.create = false;
  }
  return spec;
}

/** TCP flows that may be half open: they take at most half of a table's `entries`. A power of two. */
export const halfOpenFlows = (entries: number): number => 2 ** Math.floor(Math.log2(entries / 4));

/**
 * Entries of the hash maps of flows. The kernel makes as many buckets as entries, rounded up to a power of two: one entry
 * more than a power of two makes them twice as many, 16 bytes each, and a full table's lookups meet a fourth fewer of
 * other flows' entries, each of them a cache miss.
 */
export const flowTableEntries = (limit: number): number => (Number.isInteger(Math.log2(limit)) ? limit + 1 : limit);

/** The object, with its tables as large as the limits say. */
export function pipelineSpec(limits: Required<Limits>): CollectionSpec {
  const spec = CollectionSpec.fromBytes(runtime.readAsset(OBJECT), { name: "weir" });
  for (const [name, limit] of Object.entries(SIZED)) {
    const map = spec.maps.get(name);
    if (map !== undefined) map.maxEntries = limits[limit];
  }
  for (const [name, entries] of Object.entries(PER_NEXTHOP)) {
    const map = spec.maps.get(name);
    if (map !== undefined) map.maxEntries = Math.max(map.maxEntries, entries * limits.nexthops);
  }
  for (const name of ["flows4", "flows6"]) {
    const map = spec.maps.get(name);
    if (map !== undefined) map.maxEntries = flowTableEntries(limits.flows);
  }
  const halfOpen = spec.maps.get("half_open");
  if (halfOpen !== undefined) halfOpen.maxEntries = halfOpenFlows(limits.flows);
  return spec;
}

function load(paths: InstancePaths, limits: Required<Limits>, pinned: Maps | undefined): Pipeline {
  const spec = withoutTraces(pipelineSpec(limits));
  for (const name of ON_DEMAND) leaveOut(spec, name);
  const collection = spec.load(pinned === undefined ? {} : { reuse: pinned });
  const onDemand = new OnDemand(collection.maps, limits);
  try {
    if (pinned === undefined) pinMaps(collection, paths);
  } catch (error) {
    collection[Symbol.dispose]();
    throw error;
  }
  return {
    maps: Object.fromEntries(MAP_NAMES.map((name) => [name, collection.map(name)])) as unknown as Maps,
    program: (name) => (ON_DEMAND.includes(name) ? onDemand.program(name) : collection.program(name)),
    extension: (name) => onDemand.program(name, loadExtension),
    again: (name) => onDemand.load(name),
    limits,
    loaded: collection.maps,
    adopted: pinned !== undefined,
    [Symbol.dispose]: () => {
      onDemand[Symbol.dispose]();
      collection[Symbol.dispose]();
    },
  };
}

/** A program is not to be loaded. */
function leaveOut(spec: CollectionSpec, name: string): void {
  const program = spec.programs.get(name);
  if (program !== undefined) program.autoload = false;
}

/** Programs that join those which are loaded already, on the same maps. */
class OnDemand implements Disposable {
  readonly #maps: ReadonlyMap<string, BpfMap>;
  readonly #limits: Required<Limits>;
  readonly #collections = new Map<string, Collection>();

  constructor(maps: ReadonlyMap<string, BpfMap>, limits: Required<Limits>) {
    this.#maps = maps;
    this.#limits = limits;
  }

  program(name: ProgramName, load: Load = loadPlain): Program {
    const key = `${load.name} ${name}`;
    let collection = this.#collections.get(key);
    if (collection === undefined) {
      collection = this.load(name, load);
      this.#collections.set(key, collection);
    }
    return collection.program(name);
  }

  [Symbol.dispose](): void {
    for (const collection of this.#collections.values()) collection[Symbol.dispose]();
  }

  load(name: ProgramName, load: Load = loadPlain): Collection {
    const spec = withoutTraces(pipelineSpec(this.#limits));
    for (const other of spec.programs.keys()) if (other !== name) leaveOut(spec, other);
    // Constants are each load's own.
    const shared = [...this.#maps].filter(([map]) => !map.startsWith("."));
    return load(spec, name, { reuse: Object.fromEntries(shared) });
  }
}

type Load = typeof loadExtension;
const loadPlain: Load = (spec, _name, options) => spec.load(options);

/** `config` is pinned last: where it is, all are. */
const PIN_ORDER: readonly MapName[] = [...MAP_NAMES.filter((name) => name !== "config"), "config"];

function pinMaps(collection: Collection, paths: InstancePaths): void {
  for (const name of PIN_ORDER) collection.map(name).pin(join(paths.maps, name));
}

function openPinned(paths: InstancePaths): Maps | undefined {
  if (!existsSync(join(paths.maps, "config"))) return undefined;
  requireVersion(paths);
  const maps: Partial<Record<MapName, BpfMap>> = {};
  try {
    for (const name of MAP_NAMES) maps[name] = BpfMap.fromPin(join(paths.maps, name));
    return maps as Maps;
  } catch (error) {
    for (const map of Object.values(maps)) map[Symbol.dispose]();
    throw error;
  }
}

/** Of another version, other tables may be missing; the version itself is always where it is. */
function requireVersion(paths: InstancePaths): void {
  using config = BpfMap.fromPin(join(paths.maps, "config"));
  const value = new Uint8Array(config.valueSize);
  const found = config.lookup(new Uint8Array(4), value);
  const version = found ? configCodec.abiVersion.get(new DataView(value.buffer), 0) : 0;
  // Zero: the process that made the maps died before it wrote the version; nothing has been attached to them.
  if (version === WEIR_ABI_VERSION || version === 0) return;
  throw new WeirError({
    code: "EABI",
    operation: `open instance "${paths.name}"`,
    reason: `its tables in the kernel are of version ${version}, this is version ${WEIR_ABI_VERSION}`,
    hint: `run: weir down --name ${paths.name}`,
  });
}

function requireLimits(maps: Maps, limits: Limits, paths: InstancePaths): Required<Limits> {
  const sizes: Required<Limits> = {
    flows: maps.flow_slots4.maxEntries,
    routes: maps.routes4.maxEntries,
    nexthops: maps.nexthops.maxEntries,
  };
  for (const limit of ["flows", "routes", "nexthops"] as const) {
    const wanted = limits[limit];
    if (wanted === undefined || wanted === sizes[limit]) continue;
    throw new WeirError({
      code: "ELIMITS",
      operation: `open instance "${paths.name}"`,
      reason: `its tables are there already, for ${sizes[limit]} ${limit} instead of ${wanted}`,
      hint: `run: weir down --name ${paths.name}, or leave the limit as it is`,
    });
  }
  return sizes;
}
