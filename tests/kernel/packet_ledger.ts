// SPDX-License-Identifier: Apache-2.0
/** Where packets went, by the programs' own counters. */

import {
  type DropReason,
  dropCounterCodec,
  dropCounterLayout,
  dropReasons,
  interfaceCountersCodec,
} from "../../sdk/layout/generated.ts";
import type { BpfMap } from "../../sdk/libbpf/index.ts";
import type { Pipeline } from "./pipeline_harness.ts";
import { u32, viewOf } from "./pipeline_table.ts";

const KINDS = ["rxPackets", "txPackets", "trapPackets", "localPackets", "answered"] as const;
type Kind = (typeof KINDS)[number];
type Numbers = Partial<Record<number, number>>;

/** Packets since the last look, by interface; what is 0 is absent. */
export interface Entries extends Readonly<Record<Kind, Numbers>> {
  readonly drops: Partial<Record<number, Partial<Record<DropReason, number>>>>;
}

export function total(numbers: Numbers): number {
  return Object.values(numbers).reduce<number>((sum, n) => sum + (n ?? 0), 0);
}

export function totalDrops(entries: Entries): number {
  return Object.values(entries.drops).reduce<number>((sum, reasons) => sum + total(reasons as Numbers), 0);
}

export class PacketLedger {
  readonly #pipeline: Pipeline;
  readonly #interfaces: readonly number[];
  readonly #last = new Map<string, number>();

  /** Looks at these interfaces, and at 0, which stands for devices that are none. */
  constructor(pipeline: Pipeline, interfaces: readonly number[]) {
    this.#pipeline = pipeline;
    this.#interfaces = [0, ...interfaces];
    this.take();
  }

  /** What has been counted since the last call. */
  take(): Entries {
    const entries: Record<Kind, Numbers> & { drops: Record<number, Partial<Record<DropReason, number>>> } = {
      rxPackets: {},
      txPackets: {},
      trapPackets: {},
      localPackets: {},
      answered: {},
      drops: {},
    };
    const counters = this.#pipeline.map("interface_counters");
    const drops = this.#pipeline.map("drop_counters");
    for (const id of this.#interfaces) {
      const values = perCpu(counters, id);
      for (const kind of KINDS) {
        const count = this.#since(`${id} ${kind}`, sum(counters, values, interfaceCountersCodec[kind].getNumber));
        if (count !== 0) entries[kind][id] = count;
      }
      const dropped = perCpu(drops, id);
      dropReasons.forEach((reason, index) => {
        const read = (view: DataView, base: number) =>
          dropCounterCodec.packets.getNumber(view, base + index * dropCounterLayout.size);
        const count = this.#since(`${id} drop ${reason}`, sum(drops, dropped, read));
        if (count === 0) return;
        const own = entries.drops[id] ?? {};
        entries.drops[id] = own;
        own[reason] = count;
      });
    }
    return entries;
  }

  #since(name: string, count: number): number {
    const before = this.#last.get(name) ?? 0;
    this.#last.set(name, count);
    return count - before;
  }
}

function perCpu(map: BpfMap, index: number): Uint8Array {
  const value = new Uint8Array(map.valueBytes);
  map.lookup(u32(index), value);
  return value;
}

function sum(map: BpfMap, values: Uint8Array, read: (view: DataView, base: number) => number): number {
  const view = viewOf(values);
  let found = 0;
  for (let cpu = 0; cpu < map.cpus; cpu++) found += read(view, cpu * map.valueStride);
  return found;
}
