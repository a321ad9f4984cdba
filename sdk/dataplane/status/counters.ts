// SPDX-License-Identifier: Apache-2.0
/** Counters of interfaces, tunnels and VRFs, summed over the CPUs. */
import {
  type BigField,
  type DropReason,
  dropCounterCodec,
  dropCounterLayout,
  dropReasons,
  interfaceCountersCodec,
  mirrorCountersCodec,
  tunnelCountersCodec,
  type VrfKind,
  vrfCounterCodec,
  vrfCounterLayout,
  vrfKinds,
} from "../../layout/index.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import { encodeU32 } from "../kernel/records.ts";
import type { Maps } from "../kernel/tables.ts";

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

/** Packets and bytes of a tunnel since it was added; bytes with the outer headers. */
export type TunnelCounters = { readonly [Name in keyof typeof tunnelCountersCodec]: number };

/** Copies of a mirror since it was added: bytes of their frames, as cut; `drops`: copies that could not be made. */
export type MirrorCounters = { readonly [Name in keyof typeof mirrorCountersCodec]: number };

/** Packets and bytes that left a VRF since it was added, by the type of the next hop that they left by. */
export type VrfCounters = { readonly [Kind in VrfKind]?: { readonly packets: number; readonly bytes: number } };

/** Reads the per-CPU counters. */
export class Counters {
  readonly #interfaces: BpfMap;
  readonly #drops: BpfMap;
  readonly #interfaceValue: DataView<ArrayBuffer>;
  readonly #dropValue: DataView<ArrayBuffer>;

  readonly #tunnels: BpfMap;
  readonly #vrfs: BpfMap;
  readonly #mirrors: BpfMap;

  constructor(maps: Maps) {
    this.#interfaces = maps.interface_counters;
    this.#drops = maps.drop_counters;
    this.#tunnels = maps.tunnel_counters;
    this.#vrfs = maps.vrf_counters;
    this.#mirrors = maps.mirror_counters;
    this.#interfaceValue = new DataView(new ArrayBuffer(maps.interface_counters.valueBytes));
    this.#dropValue = new DataView(new ArrayBuffer(maps.drop_counters.valueBytes));
  }

  /** Counters of the interface with number `id`. */
  interface(id: number): InterfaceCounters {
    const view = this.#interfaceValue;
    this.#interfaces.lookup(encodeU32(id), new Uint8Array(view.buffer));
    return sums(this.#interfaces, view, interfaceCountersCodec);
  }

  /** Counters of the tunnel whose next hop has number `id`. */
  tunnel(id: number): TunnelCounters {
    return sums(this.#tunnels, read(this.#tunnels, id), tunnelCountersCodec);
  }

  /** Counters of the mirror with number `id`. */
  mirror(id: number): MirrorCounters {
    return sums(this.#mirrors, read(this.#mirrors, id), mirrorCountersCodec);
  }

  /** Counters of the VRF with number `id`, without what never occurred. */
  vrf(id: number): VrfCounters {
    const counters: Partial<Record<VrfKind, { packets: number; bytes: number }>> = {};
    const view = read(this.#vrfs, id);
    for (const [number, kind] of vrfKinds.entries()) {
      const count = sums(this.#vrfs, view, vrfCounterCodec, number * vrfCounterLayout.size);
      if (count.packets > 0) counters[kind] = count;
    }
    return counters;
  }

  /** What was dropped, without reasons that never occurred. */
  drops(interfaces: Iterable<{ readonly id: number; readonly name: string }>): DropCount[] {
    const counts: DropCount[] = [];
    for (const { id, name } of interfaces) {
      const view = this.#dropValue;
      this.#drops.lookup(encodeU32(id), new Uint8Array(view.buffer));
      for (const [number, reason] of dropReasons.entries()) {
        const { packets, bytes } = sums(this.#drops, view, dropCounterCodec, number * dropCounterLayout.size);
        if (packets > 0) counts.push({ interface: name, reason, packets, bytes });
      }
    }
    return counts;
  }
}

/** An element of a per-CPU array, of all CPUs. */
function read(map: BpfMap, index: number): DataView<ArrayBuffer> {
  const value = new Uint8Array(new ArrayBuffer(map.valueBytes));
  map.lookup(encodeU32(index), value);
  return new DataView(value.buffer);
}

/** Each field of the struct at `offset` of an element, summed over the CPUs. */
function sums<Name extends string>(
  map: BpfMap,
  view: DataView,
  codec: { readonly [N in Name]: BigField },
  offset = 0,
): { [N in Name]: number } {
  const result: Record<string, number> = {};
  for (const [name, field] of Object.entries<BigField>(codec)) {
    let sum = 0;
    for (let cpu = 0; cpu < map.cpus; cpu++) sum += field.getNumber(view, offset + cpu * map.valueStride);
    result[name] = sum;
  }
  return result as { [N in Name]: number };
}
