// SPDX-License-Identifier: Apache-2.0
/** One round of ageing over a million flow entries, in slices. */

import { root } from "../../../scripts/root.ts";
import { FlowEndRing } from "../../../sdk/dataplane/flows/flow_end_ring.ts";
import { FlowSweep } from "../../../sdk/dataplane/flows/sweep.ts";
import { monotonicMs } from "../../../sdk/dataplane/instance/clock.ts";
import { flowTableEntries, withoutTraces } from "../../../sdk/dataplane/instance/loader.ts";
import {
  configCodec,
  FLOW_FLAG_REVERSE,
  FlowActionValue,
  flow4KeyCodec,
  flow4KeyLayout,
  flowEntryCodec,
  flowEntryLayout,
  flowSlot4Codec,
  flowSlot4Layout,
  flowSlotPoolCodec,
  flowSlotPoolLayout,
  SlotStateValue,
} from "../../../sdk/layout/index.ts";
import { type Collection, CollectionSpec } from "../../../sdk/libbpf/index.ts";
import { type Benchmark, interleave, type Settings } from "../harness/benchmark.ts";
import type { Result, Series } from "../harness/result.ts";
import { median } from "../harness/statistics.ts";
import { threadCpuMs } from "../harness/thread_time.ts";

const ENTRIES = 1_000_000;
const PAIRS = ENTRIES / 2;
const CAPACITY = 1_048_576;
const BATCH = 10_000;
const TARGET_MS = 300;
const SLICE_TARGET_MS = 5;
/** Ends of the flows: 10.97.0.1 and what follows 10.64.0.0. */
const CLIENT = 0x0a61_0001;
const FIRST_SERVER = 0x0a40_0000;
const UDP = 17;
const HOUR_NS = 3_600_000_000_000n;

/** What a round meets. */
const TABLES = [
  "all in use",
  "all to be looked at",
  "all idle, to be marked",
  "all idle, to be removed",
  "all idle, to be removed and told of",
] as const;
type Table = (typeof TABLES)[number];

interface Round {
  readonly totalMs: number;
  readonly longestMs: number;
}

/** Pairs of entries, both directions next to each other, with slots in their order: as decisions put them there. */
function fill(collection: Collection, lastSeen: bigint): void {
  const batch = new FlowBatch();
  const numbers = new Uint8Array(new Uint32Array(BATCH).buffer);
  for (let first = 0; first < PAIRS; first += BATCH) {
    for (let i = 0; i < BATCH; i++) batch.put(i, first + i, lastSeen);
    for (let i = 0; i < BATCH; i++) new DataView(numbers.buffer).setUint32(i * 4, first + i, true);
    collection.map("flows4").updateBatch(batch.keys, batch.entries, 2 * BATCH);
    collection.map("flow_slots4").updateBatch(numbers, batch.slots, BATCH);
  }
  const pool = new Uint8Array(flowSlotPoolLayout.size);
  flowSlotPoolCodec.begun.set(new DataView(pool.buffer), 0, PAIRS);
  collection.map("flow_slot_pools").update(new Uint8Array(4), pool);
}

/** Pairs on their way into the maps. */
class FlowBatch {
  readonly keys = new Uint8Array(2 * BATCH * flow4KeyLayout.size);
  readonly entries = new Uint8Array(2 * BATCH * flowEntryLayout.size);
  readonly slots = new Uint8Array(BATCH * flowSlot4Layout.size);
  readonly #keys = new DataView(this.keys.buffer);
  readonly #entries = new DataView(this.entries.buffer);
  readonly #slots = new DataView(this.slots.buffer);

  put(i: number, pair: number, lastSeen: bigint): void {
    const server = FIRST_SERVER + pair;
    this.#key(2 * i, CLIENT, server);
    this.#key(2 * i + 1, server, CLIENT);
    this.#entry(2 * i, pair, lastSeen, 0, pair + 1);
    this.#entry(2 * i + 1, pair, lastSeen, FLOW_FLAG_REVERSE, 0);
    const slot = i * flowSlot4Layout.size;
    const key = 2 * i * flow4KeyLayout.size;
    this.slots.fill(0, slot, slot + flowSlot4Layout.size);
    flowSlot4Codec.state.set(this.#slots, slot, SlotStateValue.pair);
    this.slots.set(this.keys.subarray(key, key + flow4KeyLayout.size), slot + flowSlot4Layout.offsets.key);
  }

  #key(at: number, source: number, destination: number): void {
    const base = at * flow4KeyLayout.size;
    flow4KeyCodec.vrf.set(this.#keys, base, 1);
    flow4KeyCodec.source.set(this.#keys, base, source);
    flow4KeyCodec.destination.set(this.#keys, base, destination);
    flow4KeyCodec.sourcePort.set(this.#keys, base, 4433);
    flow4KeyCodec.destinationPort.set(this.#keys, base, 4433);
    flow4KeyCodec.protocol.set(this.#keys, base, UDP);
  }

  #entry(at: number, pair: number, lastSeen: bigint, flags: number, slot: number): void {
    const base = at * flowEntryLayout.size;
    flowEntryCodec.action.set(this.#entries, base, FlowActionValue.forward);
    flowEntryCodec.flags.set(this.#entries, base, flags);
    flowEntryCodec.generation.set(this.#entries, base, 1 + pair);
    flowEntryCodec.lastSeen.set(this.#entries, base, lastSeen);
    flowEntryCodec.slot.set(this.#entries, base, slot);
  }
}

/** A whole round; the time that passes between the slices, in `between`, does not count. */
function sweep(sweeper: FlowSweep, between: () => void): Round {
  let totalMs = 0;
  let longestMs = 0;
  for (let more = true; more; ) {
    const start = threadCpuMs();
    more = sweeper.slice();
    const ms = threadCpuMs() - start;
    totalMs += ms;
    longestMs = Math.max(longestMs, ms);
    between();
  }
  return { totalMs, longestMs };
}

const monotonicNs = (): bigint => BigInt(Math.round(monotonicMs() * 1e6));

/** What is measured, loaded. */
interface Loaded {
  readonly collection: Collection;
  readonly sweeper: FlowSweep;
  readonly config: DataView;
  readonly ends: FlowEndRing;
}

function measure({ collection, sweeper, config, ends }: Loaded, table: Table): Round {
  fill(collection, table.startsWith("all idle") ? monotonicNs() - HOUR_NS : monotonicNs());
  const removes = table.startsWith("all idle, to be removed");
  // A flow that was looked at once is not due again as long as it can not be idle for too long.
  if (removes || table === "all in use") sweep(sweeper, () => {});
  configCodec.flowEnds.set(config, 0, table.endsWith("told of") ? 1 : 0);
  const before = ends.counters();
  const round = sweep(sweeper, () => ends.skip());
  const { told, lost } = ends.counters();
  const { seen, removed } = sweeper.last;
  if (seen !== ENTRIES || removed !== (removes ? ENTRIES : 0)) {
    throw new Error(`${table}: of ${ENTRIES} entries ${seen} were seen and ${removed} removed`);
  }
  if (told - before.told !== (table.endsWith("told of") ? PAIRS : 0) || lost !== before.lost) {
    throw new Error(`${table}: of ${PAIRS} ends ${told - before.told} were told of and ${lost - before.lost} lost`);
  }
  return round;
}

async function run(settings: Settings): Promise<Result> {
  const spec = withoutTraces(CollectionSpec.fromFile(root("assets/weir.bpf.o")));
  const entries = { flow_slots4: CAPACITY, flow_slots6: CAPACITY, flows4: 0, flows6: 0 };
  entries.flows4 = entries.flows6 = flowTableEntries(CAPACITY);
  for (const [name, count] of Object.entries(entries)) {
    const map = spec.maps.get(name);
    if (map !== undefined) map.maxEntries = count;
  }
  for (const [name, program] of spec.programs) program.autoload = name === "weir_flow_sweep";
  using collection = spec.load();
  using config = collection.map("config").mmap();
  const view = new DataView(config.view);
  const sweeper = new FlowSweep(collection.program("weir_flow_sweep"), view);
  using ends = new FlowEndRing({
    flow_ends: collection.map("flow_ends"),
    flow_end_counters: collection.map("flow_end_counters"),
  });
  const longest: number[][] = TABLES.map(() => []);
  const contenders = TABLES.map((table, i) => ({
    label: `round, ${table}`,
    measure: async () => {
      const round = measure({ collection, sweeper, config: view, ends }, table);
      longest[i]?.push(round.longestMs);
      return round.totalMs;
    },
  }));
  const samples = await interleave(contenders, settings);
  const rounds = contenders.map(({ label }, i): Series => ({ label, unit: "ms", samples: samples[i] ?? [] }));
  const slices = TABLES.map(
    (table, i): Series => ({
      label: `longest slice, ${table}`,
      unit: "ms",
      samples: longest[i] ?? [],
    }),
  );
  const figure = (atMost: number) => (series: Series) => ({
    label: series.label,
    value: median(series.samples),
    unit: "ms",
    target: { atMost },
  });
  return {
    series: [...rounds, ...slices],
    figures: [...rounds.map(figure(TARGET_MS)), ...slices.map(figure(SLICE_TARGET_MS))],
    notes: [`${ENTRIES} IPv4 entries, two a flow, in tables for ${CAPACITY} of each family; both tables are swept`],
    notRun: [],
  };
}

export const flowSweep: Benchmark = { name: "flow-sweep", title: "ageing of a million flow entries", run };
