// SPDX-License-Identifier: Apache-2.0
/** The pipeline's maps with one established flow into a tunnel and out of it, for test runs of the bench object. */

import { type IpAddress, parseAddress, parsePrefix } from "../../../sdk/address.ts";
import { encodeFlowKey } from "../../../sdk/dataplane/flows/codec.ts";
import { labelTag } from "../../../sdk/dataplane/kernel/label_tag.ts";
import { encodeNexthop, type NexthopRecord } from "../../../sdk/dataplane/kernel/nexthop_record.ts";
import { encodeLabelEntry, encodeTunnelKey, encodeVniEntry } from "../../../sdk/dataplane/kernel/overlay_records.ts";
import {
  encodeDeviceKey,
  encodeU32,
  number4,
  ROUTE_SIZE,
  routeKeySize,
  writeRoute,
  writeRouteKey,
} from "../../../sdk/dataplane/kernel/records.ts";
import {
  configCodec,
  configLayout,
  FlowActionValue,
  flowEntryCodec,
  flowEntryLayout,
  INGRESS_TUNNEL,
  INTERFACE_POLICY,
  InterfaceRoleValue,
  interfaceCodec,
  interfaceLayout,
  NEXTHOP_FLAG_POLICY,
  VRF_POLICY,
  vrfCodec,
  vrfLayout,
  WEIR_ABI_VERSION,
} from "../../../sdk/layout/index.ts";
import { type Collection, CollectionSpec } from "../../../sdk/libbpf/index.ts";
import { object } from "./build.ts";
import {
  FAR_POD,
  GATEWAY_MAC,
  LOCAL,
  LOCAL_MAC,
  NEAR_POD,
  PORT,
  REMOTE,
  REMOTE_MAC,
  TAG,
  type TunnelKind,
  UDP,
} from "./tunnel_frames.ts";

const VRF = 1;
/** Ids of interfaces, and of the next hops that lead to them. */
const POD = 1;
const FABRIC = 2;
const TUNNEL = 3;
const MTU = 1400;

const tagOf = (kind: TunnelKind) => labelTag(kind === "vxlan" ? { vni: TAG } : { label: TAG });

export type Direction = "encapsulation" | "decapsulation";

export interface TunnelTablesOptions {
  readonly kind: TunnelKind;
  readonly direction: Direction;
  /** Devices that packets come from and go to. */
  readonly receivingIfindex: number;
  readonly sendingIfindex: number;
}

/** Loads the bench object and fills its maps: a pod with policy, a fabric, a tunnel, both directions of a flow. */
export function loadTunnelTables(o: TunnelTablesOptions): Collection {
  const spec = CollectionSpec.fromFile(object("tunnel_bench"));
  for (const [name, program] of spec.programs) program.autoload = name.startsWith("bench_");
  const collection = spec.load();
  const into = o.direction === "encapsulation";
  writeConfig(collection);
  writeInterface(collection, POD, into ? o.receivingIfindex : o.sendingIfindex);
  writeInterface(collection, FABRIC, into ? o.sendingIfindex : o.receivingIfindex);
  writeNexthops(collection, o.kind);
  writeRoutes(collection, o.kind);
  writeFlows(collection, o.kind);
  return collection;
}

/** Packets that the flow of a direction has had: a run that adds none has measured something else. */
export function flowPackets(collection: Collection, direction: Direction): number {
  const value = new Uint8Array(flowEntryLayout.size);
  collection.map("flows4").lookup(flowKey(direction), value);
  return Number(flowEntryCodec.packets.get(new DataView(value.buffer), 0));
}

/** The frame that each round starts from. */
export function setFrame(collection: Collection, frame: Uint8Array): void {
  collection.map("tunnel_cost").update(encodeU32(0), frame);
}

function addressOf(text: string): IpAddress {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

function writeConfig(collection: Collection): void {
  const value = new Uint8Array(configLayout.size);
  const view = new DataView(value.buffer);
  configCodec.abiVersion.set(view, 0, WEIR_ABI_VERSION);
  configCodec.workers.set(view, 0, 1);
  configCodec.gatewayMac.set(value, 0, GATEWAY_MAC);
  configCodec.underlay4.set(view, 0, number4(addressOf(LOCAL).bytes));
  collection.map("config").update(encodeU32(0), value);
  const vrf = new Uint8Array(vrfLayout.size);
  vrfCodec.flags.set(new DataView(vrf.buffer), 0, VRF_POLICY);
  collection.map("vrfs").update(encodeU32(VRF), vrf);
  collection.map("underlay_addresses").update(addressOf(LOCAL).bytes, encodeU32(1));
}

function writeInterface(collection: Collection, id: number, ifindex: number): void {
  const value = new Uint8Array(interfaceLayout.size);
  const view = new DataView(value.buffer);
  const isPod = id === POD;
  interfaceCodec.ifindex.set(view, 0, ifindex);
  interfaceCodec.vrf.set(view, 0, isPod ? VRF : 0);
  interfaceCodec.role.set(view, 0, isPod ? InterfaceRoleValue.workload : InterfaceRoleValue.fabric);
  interfaceCodec.flags.set(view, 0, isPod ? INTERFACE_POLICY : 0);
  interfaceCodec.nexthop.set(view, 0, id);
  interfaceCodec.mtu.set(view, 0, MTU);
  interfaceCodec.mac.set(value, 0, isPod ? NEAR_POD.mac : []);
  interfaceCodec.deviceMac.set(value, 0, isPod ? GATEWAY_MAC : LOCAL_MAC);
  interfaceCodec.gatewayMac.set(value, 0, GATEWAY_MAC);
  collection.map("interfaces").update(encodeU32(id), value);
  collection.map("devices").update(encodeDeviceKey(ifindex, 0), encodeU32(id));
  collection.map("tx_ports").update(encodeU32(id), encodeU32(ifindex));
}

function writeNexthops(collection: Collection, kind: TunnelKind): void {
  const bytes = (mac: readonly number[]) => Uint8Array.from(mac);
  const out = { type: "interface", mtu: MTU } as const;
  const records: NexthopRecord[] = [
    {
      ...out,
      id: POD,
      interface: POD,
      flags: NEXTHOP_FLAG_POLICY,
      destinationMac: bytes(NEAR_POD.mac),
      sourceMac: bytes(GATEWAY_MAC),
    },
    { ...out, id: FABRIC, interface: FABRIC, destinationMac: bytes(REMOTE_MAC), sourceMac: bytes(LOCAL_MAC) },
    {
      id: TUNNEL,
      type: "tunnel",
      mtu: MTU,
      tunnel: {
        encap: kind,
        local: addressOf(LOCAL),
        remote: addressOf(REMOTE),
        underlay: FABRIC,
        routerMac: undefined,
      },
    },
  ];
  for (const record of records) collection.map("nexthops").update(encodeU32(record.id), encodeNexthop(record));
  collection.map("tunnels").update(encodeTunnelKey(addressOf(REMOTE), kind), encodeU32(TUNNEL));
  if (kind === "vxlan") collection.map("low_vnis").update(encodeU32(TAG), encodeVniEntry(VRF));
  else collection.map("low_labels").update(encodeU32(TAG), encodeLabelEntry(POD, VRF, false));
}

function writeRoutes(collection: Collection, kind: TunnelKind): void {
  for (const [pod, nexthop] of [
    [NEAR_POD, POD],
    [FAR_POD, TUNNEL],
  ] as const) {
    const key = new Uint8Array(routeKeySize(4));
    const value = new Uint8Array(ROUTE_SIZE);
    const prefix = parsePrefix(`${pod.address}/32`);
    if (prefix === undefined) throw new Error(`${pod.address} is no address`);
    writeRouteKey(new DataView(key.buffer), key, 0, VRF, prefix);
    writeRoute(new DataView(value.buffer), 0, nexthop, nexthop === TUNNEL ? tagOf(kind) : 0, prefix.length);
    collection.map("routes4").update(key, value);
  }
}

function flowKey(direction: Direction): Uint8Array {
  const [from, to] = direction === "encapsulation" ? [NEAR_POD, FAR_POD] : [FAR_POD, NEAR_POD];
  return encodeFlowKey({
    family: 4,
    vrf: VRF,
    protocol: UDP,
    source: addressOf(from.address).bytes,
    destination: addressOf(to.address).bytes,
    sourcePort: PORT,
    destinationPort: PORT,
  });
}

function writeFlows(collection: Collection, kind: TunnelKind): void {
  const put = (direction: Direction, nexthop: number, ingress: number, label: number) => {
    const value = new Uint8Array(flowEntryLayout.size);
    const view = new DataView(value.buffer);
    flowEntryCodec.action.set(view, 0, FlowActionValue.forward);
    flowEntryCodec.nexthop.set(view, 0, nexthop);
    flowEntryCodec.generation.set(view, 0, 1);
    flowEntryCodec.ingress.set(view, 0, ingress);
    flowEntryCodec.label.set(view, 0, label);
    collection.map("flows4").update(flowKey(direction), value);
  };
  put("encapsulation", TUNNEL, POD, tagOf(kind));
  put("decapsulation", POD, (INGRESS_TUNNEL | TUNNEL) >>> 0, 0);
}
