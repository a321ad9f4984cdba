// SPDX-License-Identifier: Apache-2.0
/** All kernel tables of an instance behind one writer: nothing else writes these maps. */
import type { IpAddress } from "../../address.ts";
import { ADDRESS_GATEWAY, ADDRESS_OWN, interfaceLayout, nexthopLayout, WEIR_MAX_REASONS } from "../../layout/index.ts";
import type { BpfMap, Mapping } from "../../libbpf/index.ts";
import type { Undo } from "../undo.ts";
import { HashTable } from "./hash_table.ts";
import {
  CONFIG_SIZE,
  encodeDeviceKey,
  encodeFdbEntry,
  encodeFdbKey,
  encodeInterface,
  encodeInterfaceAddressKey,
  encodeNexthop,
  encodeU32,
  type InterfaceRecord,
  type NexthopRecord,
} from "./records.ts";
import { RouteTables } from "./routes.ts";
import { StructArray } from "./struct_array.ts";

/** Names of the maps that control writes or reads. */
export type MapName =
  | "config"
  | "interfaces"
  | "nexthops"
  | "devices"
  | "interface_addresses"
  | "routes4"
  | "routes6"
  | "fdb"
  | "flows4"
  | "flows6"
  | "decisions"
  | "tx_ports"
  | "xsks"
  | "interface_counters"
  | "drop_counters"
  | "trap_limits";

export type Maps = Readonly<Record<MapName, BpfMap>>;

/** The kernel's tables. */
export class KernelTables implements Disposable {
  readonly maps: Maps;
  readonly config: StructArray;
  readonly interfaces: StructArray;
  readonly nexthops: StructArray;
  readonly routes: RouteTables;
  readonly #devices: HashTable;
  readonly #addresses: HashTable;
  readonly #fdb: HashTable;
  readonly #ports: HashTable;
  readonly #mappings: Mapping[] = [];

  constructor(maps: Maps) {
    this.maps = maps;
    this.config = this.#map(maps.config, CONFIG_SIZE);
    this.interfaces = this.#map(maps.interfaces, interfaceLayout.size);
    this.nexthops = this.#map(maps.nexthops, nexthopLayout.size);
    this.routes = new RouteTables(maps.routes4, maps.routes6);
    this.#devices = new HashTable(maps.devices);
    this.#addresses = new HashTable(maps.interface_addresses);
    this.#fdb = new HashTable(maps.fdb);
    this.#ports = new HashTable(maps.tx_ports);
  }

  #map(map: BpfMap, size: number): StructArray {
    const mapping = map.mmap();
    this.#mappings.push(mapping);
    return new StructArray(mapping.view, size, map.maxEntries);
  }

  setInterface(record: InterfaceRecord, undo: Undo): void {
    this.interfaces.write(record.id, encodeInterface(record, this.interfaces), undo);
  }

  clearInterface(id: number, undo: Undo): void {
    this.interfaces.clear(id, undo);
  }

  setNexthop(record: NexthopRecord, undo: Undo): void {
    this.nexthops.write(record.id, encodeNexthop(record), undo);
  }

  clearNexthop(id: number, undo: Undo): void {
    this.nexthops.clear(id, undo);
  }

  /** Sets the counters of a new interface to zero: its number may have been another's. */
  clearCounters(id: number): void {
    const { interface_counters: own, drop_counters: drops } = this.maps;
    own.update(encodeU32(id), new Uint8Array(own.valueBytes));
    const zero = new Uint8Array(drops.valueBytes);
    for (let reason = 0; reason < WEIR_MAX_REASONS; reason++)
      drops.update(encodeU32(id * WEIR_MAX_REASONS + reason), zero);
  }

  /** Says which interface a device is, so that its packets are decided. */
  setDevice(ifindex: number, id: number, undo: Undo): void {
    this.#devices.put(encodeDeviceKey(ifindex), encodeU32(id), undo);
  }

  clearDevice(ifindex: number, undo: Undo): void {
    this.#devices.delete(encodeDeviceKey(ifindex), undo);
  }

  /** Says where redirects to an interface leave. */
  setPort(id: number, ifindex: number, undo: Undo): void {
    this.#ports.put(encodeU32(id), encodeU32(ifindex), undo);
  }

  clearPort(id: number, undo: Undo): void {
    this.#ports.delete(encodeU32(id), undo);
  }

  /** Makes an interface's addresses those of `after`. */
  setAddresses(id: number, before: InterfaceAddresses, after: InterfaceAddresses, undo: Undo): void {
    const flags = addressFlags(id, after);
    for (const [, { key, value }] of flags) this.#addresses.put(key, encodeU32(value), undo);
    for (const [text, { key }] of addressFlags(id, before)) if (!flags.has(text)) this.#addresses.delete(key, undo);
  }

  setFdb(vrf: number, mac: Uint8Array, nexthop: number, undo: Undo): void {
    this.#fdb.put(encodeFdbKey(vrf, mac), encodeFdbEntry(nexthop), undo);
  }

  clearFdb(vrf: number, mac: Uint8Array, undo: Undo): void {
    this.#fdb.delete(encodeFdbKey(vrf, mac), undo);
  }

  /** The hash tables, for reconciliation with what an earlier process left. */
  get hashes(): {
    readonly devices: HashTable;
    readonly addresses: HashTable;
    readonly fdb: HashTable;
    readonly ports: HashTable;
  } {
    return { devices: this.#devices, addresses: this.#addresses, fdb: this.#fdb, ports: this.#ports };
  }

  [Symbol.dispose](): void {
    for (const mapping of this.#mappings) mapping[Symbol.dispose]();
  }
}

/** What addresses mean on an interface. */
export interface InterfaceAddresses {
  /** The workload's, allowed ones included. */
  readonly own: readonly IpAddress[];
  /** Answered by Weir. */
  readonly gateways: readonly IpAddress[];
}

export const NO_ADDRESSES: InterfaceAddresses = { own: [], gateways: [] };

function addressFlags(id: number, addresses: InterfaceAddresses): Map<string, { key: Uint8Array; value: number }> {
  const flags = new Map<string, { key: Uint8Array; value: number }>();
  const add = (address: IpAddress, flag: number) => {
    const text = address.bytes.join(".");
    const value = (flags.get(text)?.value ?? 0) | flag;
    flags.set(text, { key: encodeInterfaceAddressKey(id, address), value });
  };
  for (const address of addresses.own) add(address, ADDRESS_OWN);
  for (const address of addresses.gateways) add(address, ADDRESS_GATEWAY);
  return flags;
}
