// SPDX-License-Identifier: Apache-2.0
/** Counters of interfaces, summed over the CPUs. */
import {
  type DropReason,
  dropCounterCodec,
  dropReasons,
  interfaceCountersCodec,
  WEIR_MAX_REASONS,
} from "../layout/index.ts";
import type { BpfMap } from "../libbpf/index.ts";
import { encodeU32 } from "./kernel/records.ts";
import type { Maps } from "./kernel/tables.ts";

/** Packets and bytes of an interface since it was added. */
export type InterfaceCounters = { readonly [Name in keyof typeof interfaceCountersCodec]: number };

/** What one interface dropped for one reason. */
export interface DropCount {
  /** `unknown`: no interface could be found for the packets. */
  readonly interface: string;
  readonly reason: DropReason;
  readonly packets: number;
  readonly bytes: number;
}

/** Reads the per-CPU counters. */
export class Counters {
  readonly #interfaces: BpfMap;
  readonly #drops: BpfMap;
  readonly #interfaceValue: DataView<ArrayBuffer>;
  readonly #dropValue: DataView<ArrayBuffer>;

  constructor(maps: Maps) {
    this.#interfaces = maps.interface_counters;
    this.#drops = maps.drop_counters;
    this.#interfaceValue = new DataView(new ArrayBuffer(maps.interface_counters.valueBytes));
    this.#dropValue = new DataView(new ArrayBuffer(maps.drop_counters.valueBytes));
  }

  /** Counters of the interface with number `id`. */
  interface(id: number): InterfaceCounters {
    const view = this.#interfaceValue;
    this.#interfaces.lookup(encodeU32(id), new Uint8Array(view.buffer));
    const sums: Record<string, number> = {};
    for (const [name, field] of Object.entries(interfaceCountersCodec)) {
      let sum = 0;
      for (let cpu = 0; cpu < this.#interfaces.cpus; cpu++) {
        sum += field.getNumber(view, cpu * this.#interfaces.valueStride);
      }
      sums[name] = sum;
    }
    return sums as InterfaceCounters;
  }

  /** What was dropped, without reasons that never occurred. */
  drops(interfaces: Iterable<{ readonly id: number; readonly name: string }>): DropCount[] {
    const counts: DropCount[] = [];
    for (const { id, name } of interfaces) {
      for (const [number, reason] of dropReasons.entries()) {
        const view = this.#dropValue;
        this.#drops.lookup(encodeU32(id * WEIR_MAX_REASONS + number), new Uint8Array(view.buffer));
        let packets = 0;
        let bytes = 0;
        for (let cpu = 0; cpu < this.#drops.cpus; cpu++) {
          packets += dropCounterCodec.packets.getNumber(view, cpu * this.#drops.valueStride);
          bytes += dropCounterCodec.bytes.getNumber(view, cpu * this.#drops.valueStride);
        }
        if (packets > 0) counts.push({ interface: name, reason, packets, bytes });
      }
    }
    return counts;
  }
}
