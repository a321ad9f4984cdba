// SPDX-License-Identifier: Apache-2.0
/** All kernel tables of an instance behind one writer: nothing else writes these maps. */
import type { IpAddress } from "../../address.ts";
import {
  ADDRESS_GATEWAY,
  ADDRESS_OWN,
  interfaceLayout,
  packetMatchLayout,
  qosMapLayout,
  vrfCodec,
  vrfLayout,
} from "../../layout/index.ts";
import type { BpfMap, Mapping } from "../../libbpf/index.ts";
import type { Qos } from "../schema/index.ts";
import type { Undo } from "../state/undo.ts";
import { BridgeTable } from "./bridge_table.ts";
import { element } from "./element.ts";
import { GuardTable } from "./guard_table.ts";
import { HashTable } from "./hash_table.ts";
import { MemberTable } from "./member_table.ts";
import { MirrorTable } from "./mirror_table.ts";
import { NexthopTable } from "./nexthop_table.ts";
import { NumberTable } from "./number_table.ts";
import { encodeLabelEntry, encodeVniEntry } from "./overlay_records.ts";
import { PolicerTable } from "./policer_table.ts";
import { encodeQosMap } from "./qos_record.ts";
import {
  CONFIG_SIZE,
  encodeDeviceKey,
  encodeInterface,
  encodeInterfaceAddressKey,
  encodeU32,
  type InterfaceRecord,
} from "./records.ts";
import { RouteTables } from "./routes.ts";
import { StructArray } from "./struct_array.ts";
import { TunnelTable } from "./tunnel_table.ts";

/** Names of the maps that control writes or reads. */
export type MapName =
  | "config"
  | "interfaces"
  | "nexthops"
  | "members"
  | "labels"
  | "low_labels"
  | "vnis"
  | "low_vnis"
  | "underlay_addresses"
  | "tunnels"
  | "vrfs"
  | "mirrors"
  | "mirror_counters"
  | "qos_maps"
  | "policers"
  | "flow_guards"
  | "half_open"
  | "devices"
  | "interface_addresses"
  | "routes4"
  | "routes6"
  | "fdb"
  | "flows4"
  | "flows6"
  | "flow_slots4"
  | "flow_slots6"
  | "flow_slot_pools"
  | "flow_ends"
  | "flow_end_counters"
  | "decisions"
  | "miss_rings"
  | "tx_ports"
  | "xsks"
  | "interface_counters"
  | "drop_counters"
  | "tunnel_counters"
  | "vrf_counters"
  | "drop_samples"
  | "drop_sampling"
  | "drop_sample_counters"
  | "trap_limits"
  | "packet_matches"
  | "match_limits";

export type Maps = Readonly<Record<MapName, BpfMap>>;

/** The kernel's tables. */
export class KernelTables implements Disposable {
  readonly maps: Maps;
  readonly config: StructArray;
  readonly interfaces: StructArray;
  readonly nexthops: NexthopTable;
  readonly members: MemberTable;
  readonly vrfs: StructArray;
  readonly matches: StructArray;
  readonly mirrors: MirrorTable;
  readonly policers: PolicerTable;
  readonly guards: GuardTable;
  readonly #qosMaps: StructArray;
  readonly routes: RouteTables;
  readonly bridge: BridgeTable;
  readonly tunnels: TunnelTable;
  readonly #devices: HashTable;
  readonly #addresses: HashTable;
  readonly #ports: HashTable;
  readonly labels: NumberTable;
  readonly vnis: NumberTable;
  readonly #underlayAddresses: HashTable;
  readonly #mappings: Mapping[] = [];

  constructor(maps: Maps) {
    this.maps = maps;
    this.config = this.#map(maps.config, CONFIG_SIZE);
    this.interfaces = this.#map(maps.interfaces, interfaceLayout.size);
    this.nexthops = new NexthopTable(this.#memory(maps.nexthops), maps.nexthops.maxEntries);
    this.members = new MemberTable(this.#memory(maps.members), maps.members.maxEntries);
    this.vrfs = this.#map(maps.vrfs, vrfLayout.size);
    this.matches = this.#map(maps.packet_matches, packetMatchLayout.size);
    this.mirrors = new MirrorTable(this.#memory(maps.mirrors), this.interfaces, maps.mirror_counters);
    this.policers = new PolicerTable(this.#memory(maps.policers), maps.policers.maxEntries);
    this.guards = new GuardTable(this.#memory(maps.flow_guards), maps.flow_guards.maxEntries);
    this.#qosMaps = this.#map(maps.qos_maps, qosMapLayout.size);
    this.routes = new RouteTables(maps.routes4, maps.routes6);
    this.#devices = new HashTable(maps.devices);
    this.#addresses = new HashTable(maps.interface_addresses);
    this.bridge = new BridgeTable(maps.fdb);
    this.tunnels = new TunnelTable(maps.tunnels, maps.tunnel_counters);
    this.#ports = new HashTable(maps.tx_ports);
    const low = (map: BpfMap) => this.#map(map, map.valueSize);
    this.labels = new NumberTable(low(maps.low_labels), new HashTable(maps.labels));
    this.vnis = new NumberTable(low(maps.low_vnis), new HashTable(maps.vnis));
    this.#underlayAddresses = new HashTable(maps.underlay_addresses);
  }

  #map(map: BpfMap, size: number): StructArray {
    return new StructArray(this.#memory(map), size, map.maxEntries);
  }

  #memory(map: BpfMap): ArrayBuffer {
    const mapping = map.mmap();
    this.#mappings.push(mapping);
    return mapping.view;
  }

  setInterface(record: InterfaceRecord, undo: Undo): void {
    this.interfaces.write(record.id, encodeInterface(record, this.interfaces), undo);
  }

  clearInterface(id: number, undo: Undo): void {
    this.interfaces.clear(id, undo);
    this.policers.clear(id, undo);
    this.guards.set(id, undefined, undo);
  }

  setQosMap(id: number, qos: Qos, undo: Undo): void {
    this.#qosMaps.write(id, encodeQosMap(qos), undo);
  }

  clearQosMap(id: number, undo: Undo): void {
    this.#qosMaps.clear(id, undo);
  }

  /** @param flags VRF_* */
  setVrf(id: number, flags: number, undo: Undo): void {
    const { bytes, view } = element(vrfLayout.size);
    vrfCodec.flags.set(view, 0, flags);
    this.vrfs.write(id, bytes, undo);
  }

  clearVrf(id: number, undo: Undo): void {
    this.vrfs.clear(id, undo);
  }

  /** Sets the counters of a new VRF to zero: its number may have been another's. */
  clearVrfCounters(id: number): void {
    const { vrf_counters: counters } = this.maps;
    counters.update(encodeU32(id), new Uint8Array(counters.valueBytes));
  }

  /** Sets the counters of a new interface to zero: its number may have been another's. */
  clearCounters(id: number): void {
    const { interface_counters: own, drop_counters: drops } = this.maps;
    this.guards.clearCounters(id);
    own.update(encodeU32(id), new Uint8Array(own.valueBytes));
    drops.update(encodeU32(id), new Uint8Array(drops.valueBytes));
  }

  /** Says which interface a device, or one of its VLANs, is, so that its packets are decided. */
  setDevice(ifindex: number, vlan: number, id: number, undo: Undo): void {
    this.#devices.put(encodeDeviceKey(ifindex, vlan), encodeU32(id), undo);
  }

  clearDevice(ifindex: number, vlan: number, undo: Undo): void {
    this.#devices.delete(encodeDeviceKey(ifindex, vlan), undo);
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

  /** @param vrf of the flows of packets with the label. */
  setLabel(label: number, nexthop: number, vrf: number, ethernet: boolean, undo: Undo): void {
    this.labels.put(label, encodeLabelEntry(nexthop, vrf, ethernet), undo);
  }

  clearLabel(label: number, undo: Undo): void {
    this.labels.delete(label, undo);
  }

  setVni(vni: number, vrf: number, undo: Undo): void {
    this.vnis.put(vni, encodeVniEntry(vrf), undo);
  }

  clearVni(vni: number, undo: Undo): void {
    this.vnis.delete(vni, undo);
  }

  /** Says that tunnels may end at an address of the node. */
  setUnderlayAddress(address: Uint8Array, undo: Undo): void {
    this.#underlayAddresses.put(address, encodeU32(1), undo);
  }

  clearUnderlayAddress(address: Uint8Array, undo: Undo): void {
    this.#underlayAddresses.delete(address, undo);
  }

  /** The hash tables, for reconciliation with what an earlier process left. */
  get hashes(): {
    readonly devices: HashTable;
    readonly addresses: HashTable;
    readonly ports: HashTable;
    readonly underlayAddresses: HashTable;
  } {
    return {
      devices: this.#devices,
      addresses: this.#addresses,
      ports: this.#ports,
      underlayAddresses: this.#underlayAddresses,
    };
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
