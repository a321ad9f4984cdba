// SPDX-License-Identifier: Apache-2.0
/** What the overlay's tables hold, written into a {@link Pipeline} as the SDK would. */

import {
  EncapValue,
  LABEL_ETHERNET,
  labelEntryCodec,
  labelEntryLayout,
  memberCodec,
  memberLayout,
  mirrorCountersCodec,
  type NexthopType,
  NexthopTypeValue,
  nexthopCodec,
  nexthopLayout,
  ROUTE_LABEL,
  ROUTE_VNI,
  tunnelCountersCodec,
  VRF_FLOOD_UNKNOWN,
  type VrfKind,
  VrfKindValue,
  vrfCounterCodec,
  vrfCounterLayout,
  WEIR_LOW_NUMBERS,
} from "../../sdk/layout/generated.ts";
import type { Pipeline } from "./pipeline_harness.ts";
import { isV6, macBytes, mappedBytes } from "./pipeline_packets.ts";

export type TunnelKind = "vxlan" | "mpls-udp" | "mpls-gre";

export interface Label {
  readonly label?: number;
  readonly vni?: number;
}

export interface TunnelOptions {
  readonly encap: TunnelKind;
  readonly local: string;
  readonly remote: string;
  /** Next hop id. */
  readonly underlay: number;
  readonly routerMac?: string;
  /** Of the inner packet. */
  readonly mtu?: number;
  readonly counter?: number;
  readonly flags?: number;
}

export interface MemberOptions extends Label {
  readonly nexthop: number;
  readonly flags?: number;
}

function u32s(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function labelFlags(o: Label): number {
  if (o.vni !== undefined) return ROUTE_VNI;
  return o.label === undefined ? 0 : ROUTE_LABEL;
}

export function setTunnel(pipeline: Pipeline, id: number, o: TunnelOptions): void {
  const bytes = new Uint8Array(nexthopLayout.size);
  const view = viewOf(bytes);
  nexthopCodec.type.set(view, 0, NexthopTypeValue.tunnel);
  nexthopCodec.encap.set(view, 0, EncapValue[o.encap]);
  nexthopCodec.underlayFamily.set(view, 0, isV6(o.remote) ? 6 : 4);
  nexthopCodec.localAddress.set(bytes, 0, mappedBytes(o.local));
  nexthopCodec.remoteAddress.set(bytes, 0, mappedBytes(o.remote));
  nexthopCodec.underlay.set(view, 0, o.underlay);
  nexthopCodec.mtu.set(view, 0, o.mtu ?? 0);
  nexthopCodec.counter.set(view, 0, o.counter ?? 0);
  nexthopCodec.flags.set(view, 0, o.flags ?? 0);
  if (o.routerMac !== undefined) nexthopCodec.routerMac.set(bytes, 0, macBytes(o.routerMac));
  pipeline.map("nexthops").update(u32s(id), bytes);
  const key = new Uint8Array(20);
  key.set(mappedBytes(o.remote));
  key.set(u32s(EncapValue[o.encap]), 16);
  pipeline.map("tunnels").update(key, u32s(id));
}

/** A next hop of members, put into the table from `first` on. */
export function setGroup(
  pipeline: Pipeline,
  id: number,
  type: NexthopType,
  first: number,
  members: readonly MemberOptions[],
  hashFields = 0,
): void {
  members.forEach((member, index) => {
    const bytes = new Uint8Array(memberLayout.size);
    const view = viewOf(bytes);
    memberCodec.nexthop.set(view, 0, member.nexthop);
    memberCodec.label.set(view, 0, member.vni ?? member.label ?? 0);
    memberCodec.flags.set(view, 0, (member.flags ?? 0) | labelFlags(member));
    pipeline.map("members").update(u32s(first + index), bytes);
  });
  const bytes = new Uint8Array(nexthopLayout.size);
  const view = viewOf(bytes);
  nexthopCodec.type.set(view, 0, NexthopTypeValue[type]);
  nexthopCodec.membersFirst.set(view, 0, first);
  nexthopCodec.membersCount.set(view, 0, members.length);
  nexthopCodec.hashFields.set(view, 0, hashFields);
  pipeline.map("nexthops").update(u32s(id), bytes);
}

export function setVrfNexthop(pipeline: Pipeline, id: number, vrf: number): void {
  const bytes = new Uint8Array(nexthopLayout.size);
  nexthopCodec.type.set(viewOf(bytes), 0, NexthopTypeValue.vrf);
  nexthopCodec.vrf.set(viewOf(bytes), 0, vrf);
  pipeline.map("nexthops").update(u32s(id), bytes);
}

export function addVni(pipeline: Pipeline, vni: number, vrf: number): void {
  pipeline.map(vni < WEIR_LOW_NUMBERS ? "low_vnis" : "vnis").update(u32s(vni), u32s(vrf, 0));
}

export function addLabel(
  pipeline: Pipeline,
  label: number,
  o: { nexthop: number; vrf: number; ethernet?: boolean },
): void {
  const bytes = new Uint8Array(labelEntryLayout.size);
  labelEntryCodec.nexthop.set(viewOf(bytes), 0, o.nexthop);
  labelEntryCodec.vrf.set(viewOf(bytes), 0, o.vrf);
  labelEntryCodec.flags.set(viewOf(bytes), 0, o.ethernet === true ? LABEL_ETHERNET : 0);
  pipeline.map(label < WEIR_LOW_NUMBERS ? "low_labels" : "labels").update(u32s(label), bytes);
}

export function addUnderlayAddress(pipeline: Pipeline, address: string): void {
  pipeline.map("underlay_addresses").update(mappedBytes(address), u32s(1));
}

/** A route whose next hop wants a label or VNI. */
export function addLabelledRoute(pipeline: Pipeline, vrf: number, prefix: string, nexthop: number, o: Label): void {
  pipeline.addRoute(vrf, prefix, nexthop, labelFlags(o), o.vni ?? o.label ?? 0);
}

export function addLabelledBridgeEntry(
  pipeline: Pipeline,
  vrf: number,
  mac: string,
  nexthop: number,
  o: Label,
  flags = 0,
): void {
  const key = new Uint8Array(12);
  key.set(u32s(vrf));
  key.set(macBytes(mac), 4);
  pipeline.map("fdb").update(key, u32s(nexthop, o.vni ?? o.label ?? 0, labelFlags(o) | flags, 0));
}

export function setVrf(pipeline: Pipeline, vrf: number, o: { floodUnknown: boolean }): void {
  pipeline.map("vrfs").update(u32s(vrf), u32s(o.floodUnknown ? VRF_FLOOD_UNKNOWN : 0, 0, 0, 0));
}

/** Where the copies of a mirror go. */
export function setMirror(pipeline: Pipeline, index: number, o: Label & { nexthop: number; truncate?: number }): void {
  pipeline.map("mirrors").update(u32s(index), u32s(o.nexthop, o.vni ?? o.label ?? 0, labelFlags(o), o.truncate ?? 0));
}

function sum(pipeline: Pipeline, name: string, index: number, read: (view: DataView, base: number) => number): number {
  const map = pipeline.map(name);
  const value = new Uint8Array(map.valueBytes);
  map.lookup(u32s(index), value);
  let total = 0;
  for (let cpu = 0; cpu < map.cpus; cpu++) total += read(viewOf(value), cpu * map.valueStride);
  return total;
}

export function tunnelCounter(pipeline: Pipeline, index: number, name: keyof typeof tunnelCountersCodec): number {
  return sum(pipeline, "tunnel_counters", index, (view, base) => tunnelCountersCodec[name].getNumber(view, base));
}

export function mirrorCounters(pipeline: Pipeline, index: number): { packets: number; bytes: number; drops: number } {
  const read = (name: keyof typeof mirrorCountersCodec) =>
    sum(pipeline, "mirror_counters", index, (view, base) => mirrorCountersCodec[name].getNumber(view, base));
  return { packets: read("packets"), bytes: read("bytes"), drops: read("drops") };
}

/** Packets that left a VRF in this way. */
export function vrfCounter(pipeline: Pipeline, vrf: number, kind: VrfKind): number {
  const at = VrfKindValue[kind] * vrfCounterLayout.size;
  return sum(pipeline, "vrf_counters", vrf, (view, base) => vrfCounterCodec.packets.getNumber(view, base + at));
}
