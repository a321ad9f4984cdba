// SPDX-License-Identifier: Apache-2.0
/** What objects mean in the kernel's tables. Pure: no table is touched. */
import { type Family, type IpAddress, parseAddress, parseMac } from "../../address.ts";
import {
  INTERFACE_BRIDGE_LEARN,
  INTERFACE_DOWN,
  INTERFACE_FULL_FORWARD,
  INTERFACE_HOST,
  INTERFACE_LEARN_MAC,
  INTERFACE_MSS_CLAMP,
  INTERFACE_PEER,
  INTERFACE_POLICE_RECEIVED,
  INTERFACE_POLICE_SENT,
  INTERFACE_POLICY,
  INTERFACE_PROXY_ARP,
  INTERFACE_QOS,
  INTERFACE_RPF_LOOSE,
  INTERFACE_RPF_STRICT,
  INTERFACE_SOURCE_CHECK,
  INTERFACE_SYN_GUARD,
  INTERFACE_XDP,
  NEXTHOP_FLAG_DOWN,
  NEXTHOP_FLAG_HOST,
  NEXTHOP_FLAG_PEER,
  NEXTHOP_FLAG_POLICY,
  NEXTHOP_FLAG_RESOLVE,
} from "../../layout/index.ts";
import type { Hook } from "../device/attach.ts";
import type { Device } from "../device/devices.ts";
import type { DirectSockets, LiveInterface } from "../device/live.ts";
import { addressesOf, policiesOf } from "../host/host_object.ts";
import type { NexthopRecord } from "../kernel/nexthop_record.ts";
import type { PoliceDirection } from "../kernel/policer_table.ts";
import type { InterfaceRecord } from "../kernel/records.ts";
import type { InterfaceAddresses } from "../kernel/tables.ts";
import {
  DEFAULT_GATEWAY_MAC,
  DEFAULT_GATEWAYS,
  type Encap,
  type Interface,
  type Node,
  type Policer,
} from "../schema/index.ts";

const parsedAddresses = (texts: readonly string[]): IpAddress[] => texts.flatMap((text) => parseAddress(text) ?? []);

/** The gateway's MAC on workload interfaces. */
export function gatewayMacOf(node: Node): Uint8Array {
  return parseMac(node.gatewayMac ?? DEFAULT_GATEWAY_MAC) ?? new Uint8Array(6);
}

/** What addresses mean on an interface. */
export function interfaceAddresses(object: Interface): InterfaceAddresses {
  if (object.role === "fabric") return { own: [], gateways: [] };
  // The host's link has a gateway too, which ICMP errors to the host come from.
  if (object.role === "host") return { own: [], gateways: parsedAddresses(DEFAULT_GATEWAYS) };
  const allowed = (object.allowedAddresses ?? []).map(({ address }) => address);
  return {
    own: parsedAddresses([...(object.addresses ?? []), ...allowed]),
    gateways: parsedAddresses(object.gateways ?? DEFAULT_GATEWAYS),
  };
}

export const macOf = (object: Interface): Uint8Array | undefined =>
  object.mac === undefined ? undefined : parseMac(object.mac);

/**
 * The policer of a direction. Directions of the state are the workloads': ingress is towards them, which is out of a
 * workload interface, and in by a fabric interface.
 */
export function policerOf({ role, police }: Interface, direction: PoliceDirection): Policer | undefined {
  const towards = (role === "fabric") === (direction === "received");
  return towards ? police?.ingress : police?.egress;
}

function interfaceFlags(object: Interface, device: Device, hook: Hook): number {
  const workload = object.role === "workload";
  const checked = object.sourceCheck ?? (object.addresses !== undefined || object.mac !== undefined);
  let flags = 0;
  if (policiesOf(object) !== undefined) flags |= INTERFACE_POLICY;
  if (object.role === "host") flags |= INTERFACE_HOST;
  if (workload && checked) flags |= INTERFACE_SOURCE_CHECK;
  if (workload && object.mac === undefined) flags |= INTERFACE_LEARN_MAC;
  if (workload && object.proxyArp !== false) flags |= INTERFACE_PROXY_ARP;
  if (object.rpf === "loose") flags |= INTERFACE_RPF_LOOSE;
  if (object.rpf === "strict") flags |= INTERFACE_RPF_STRICT;
  if (object.role !== "fabric" && object.mssClamp !== false) flags |= INTERFACE_MSS_CLAMP;
  if (object.learn === true) flags |= INTERFACE_BRIDGE_LEARN;
  if (object.qos !== undefined) flags |= INTERFACE_QOS;
  if (policerOf(object, "received") !== undefined) flags |= INTERFACE_POLICE_RECEIVED;
  if (policerOf(object, "sent") !== undefined) flags |= INTERFACE_POLICE_SENT;
  if (object.tableFull === "forward") flags |= INTERFACE_FULL_FORWARD;
  if (object.synGuard !== false) flags |= INTERFACE_SYN_GUARD;
  if (hook === "xdp") flags |= INTERFACE_XDP;
  if (device.peerElsewhere) flags |= INTERFACE_PEER;
  if (!device.up) flags |= INTERFACE_DOWN;
  return flags;
}

/** `struct interface` of an interface whose device is there. */
export function interfaceRecord(o: {
  readonly object: Interface;
  readonly id: number;
  readonly vrf: number;
  readonly nexthop: number;
  readonly device: Device;
  readonly hook: Hook;
  readonly direct: DirectSockets | undefined;
  readonly policy: number;
  readonly qosMap: number;
  readonly traps: number;
  /** Worker of its traps and of its first queue. */
  readonly worker: number;
  readonly node: Node;
}): InterfaceRecord {
  const { object, device } = o;
  const workload = object.role === "workload";
  const addresses = interfaceAddresses(object);
  return {
    id: o.id,
    ifindex: device.ifindex,
    vrf: o.vrf,
    nexthop: o.nexthop,
    flags: interfaceFlags(object, device, o.hook),
    role: object.role,
    worker: o.worker,
    policy: o.policy,
    xskBase: o.direct?.base ?? 0,
    xskCount: o.direct?.count ?? 0,
    mtu: device.mtu,
    mac: macOf(object),
    deviceMac: device.mac,
    // On devices of the fabric and of the host Weir speaks with the device's own MAC.
    gatewayMac: workload ? gatewayMacOf(o.node) : device.mac,
    // The first one only: an own address is the target of neighbour requests, allowed ones are not.
    vlan: object.vlan ?? 0,
    qosMap: o.qosMap,
    traps: o.traps,
    addresses: parsedAddresses(addressesOf(object, o.node.underlay)),
    gateways: addresses.gateways,
  };
}

/**
 * `struct nexthop` that leads out of an interface.
 * @param mac of the neighbour; `undefined`: not known yet, the slow path asks for it.
 */
export function interfaceNexthop(id: number, live: LiveInterface, mac: Uint8Array | undefined): NexthopRecord {
  const { record, device, object } = live;
  const host = object.role === "host";
  const to = host ? device?.mac : mac;
  let flags = 0;
  if (policiesOf(object) !== undefined) flags |= NEXTHOP_FLAG_POLICY;
  if (device?.peerElsewhere === true && !host) flags |= NEXTHOP_FLAG_PEER;
  if (host) flags |= NEXTHOP_FLAG_HOST;
  if (to === undefined) flags |= NEXTHOP_FLAG_RESOLVE;
  if (device?.up !== true) flags |= NEXTHOP_FLAG_DOWN;
  return {
    id,
    type: "interface",
    interface: live.id,
    ifindex: device?.ifindex ?? 0,
    flags,
    // What its own device receives the stack takes, however long it is.
    mtu: host ? 0 : (device?.mtu ?? 0),
    destinationMac: to,
    sourceMac: record?.gatewayMac,
  };
}

/**
 * `struct nexthop` of a path over the fabric.
 * @param mac of the neighbour; `undefined`: packets wait for it.
 */
export function pathNexthop(id: number, live: LiveInterface, mtu: number, mac: Uint8Array | undefined): NexthopRecord {
  return { ...interfaceNexthop(id, live, mac), mtu };
}

/** Bytes of the header between outer IP header and inner IP packet, and of the outer IP header. */
const HEADERS: Readonly<Record<Encap, number>> = { vxlan: 8 + 8 + 14, "mpls-udp": 8 + 4, "mpls-gre": 4 + 4 };
const IP_HEADER = { 4: 20, 6: 40 } as const;

/** Largest inner IP packet of a tunnel. @param outer largest outer IP packet; 0: not known. */
export function tunnelMtu(encap: Encap, family: Family, outer: number): number {
  return outer === 0 ? 0 : outer - IP_HEADER[family] - HEADERS[encap];
}
