// SPDX-License-Identifier: Apache-2.0
/** Elements of the kernel's tables, written with the generated codecs. */
import type { Family, IpAddress, Prefix } from "../../address.ts";
import { MAPPED_OFFSET } from "../../address.ts";
import {
  configCodec,
  configLayout,
  deviceKeyCodec,
  deviceKeyLayout,
  INTERFACE_LEARN_MAC,
  INTERFACE_MAC_LEARNED,
  INTERFACE_MIRROR,
  type InterfaceRole,
  InterfaceRoleValue,
  interfaceAddressKeyCodec,
  interfaceAddressKeyLayout,
  interfaceCodec,
  interfaceLayout,
  ROUTE_DEFAULT,
  route4KeyCodec,
  route4KeyLayout,
  route6KeyCodec,
  route6KeyLayout,
  routeCodec,
  routeLayout,
} from "../../layout/index.ts";
import type { Node } from "../schema/index.ts";
import { DEFAULT_TIMEOUTS } from "../schema/index.ts";
import { element } from "./element.ts";
import { type LabelTag, labelOf, routeFlagsOf } from "./label_tag.ts";
import type { StructArray } from "./struct_array.ts";

/** What the kernel knows of an interface (`struct interface`). */
export interface InterfaceRecord {
  readonly id: number;
  readonly ifindex: number;
  readonly vrf: number;
  readonly nexthop: number;
  /** INTERFACE_* */
  readonly flags: number;
  readonly role: InterfaceRole;
  readonly worker: number;
  readonly policy: number;
  readonly xskBase: number;
  readonly xskCount: number;
  readonly mtu: number;
  /** `undefined`: learned by the kernel program. */
  readonly mac: Uint8Array | undefined;
  readonly deviceMac: Uint8Array;
  readonly gatewayMac: Uint8Array;
  /** VLAN id of a sub-interface; 0: none. */
  readonly vlan: number;
  /** Number of its QoS map; 0: none. */
  readonly qosMap: number;
  /** What is trapped only where the controller takes it: bits by the numbers of the traps. */
  readonly traps: number;
  readonly addresses: readonly IpAddress[];
  readonly gateways: readonly IpAddress[];
}

const first = (addresses: readonly IpAddress[], family: Family): Uint8Array | undefined =>
  addresses.find((address) => address.family === family)?.bytes;

/** An IPv4 address as a number. */
export function number4(mapped: Uint8Array): number {
  const at = (i: number) => mapped[MAPPED_OFFSET + i] ?? 0;
  return ((at(0) << 24) | (at(1) << 16) | (at(2) << 8) | at(3)) >>> 0;
}

/** MAC that the kernel program learned for an interface; `undefined` while there is none. */
export function learnedMac(interfaces: StructArray, id: number): Uint8Array | undefined {
  const base = interfaces.at(id);
  const learned = (interfaceCodec.flags.get(interfaces.view, base) & INTERFACE_MAC_LEARNED) !== 0;
  return learned ? interfaceCodec.mac.bytes(interfaces.bytes, base).slice() : undefined;
}

/**
 * Encodes an interface; a learned MAC stays while the interface is the same device and still learns, and so do its
 * mirrors, which are written by themselves (`MirrorTable.attach`).
 */
export function encodeInterface(record: InterfaceRecord, interfaces: StructArray): Uint8Array {
  const { bytes, view } = element(interfaceLayout.size);
  let flags = record.flags;
  let mac = record.mac;
  if ((flags & INTERFACE_LEARN_MAC) !== 0 && mac === undefined) {
    const sameDevice = interfaceCodec.ifindex.get(interfaces.view, interfaces.at(record.id)) === record.ifindex;
    mac = sameDevice ? learnedMac(interfaces, record.id) : undefined;
    if (mac !== undefined) flags |= INTERFACE_MAC_LEARNED;
  }
  const before = interfaces.at(record.id);
  flags |= interfaceCodec.flags.get(interfaces.view, before) & INTERFACE_MIRROR;
  interfaceCodec.mirrorReceived.set(view, 0, interfaceCodec.mirrorReceived.get(interfaces.view, before));
  interfaceCodec.mirrorSent.set(view, 0, interfaceCodec.mirrorSent.get(interfaces.view, before));
  interfaceCodec.ifindex.set(view, 0, record.ifindex);
  interfaceCodec.vrf.set(view, 0, record.vrf);
  interfaceCodec.nexthop.set(view, 0, record.nexthop);
  interfaceCodec.flags.set(view, 0, flags);
  interfaceCodec.role.set(view, 0, InterfaceRoleValue[record.role]);
  interfaceCodec.worker.set(view, 0, record.worker);
  interfaceCodec.policy.set(view, 0, record.policy);
  interfaceCodec.xskBase.set(view, 0, record.xskBase);
  interfaceCodec.xskCount.set(view, 0, record.xskCount);
  interfaceCodec.mtu.set(view, 0, record.mtu);
  if (mac !== undefined) interfaceCodec.mac.set(bytes, 0, mac);
  interfaceCodec.deviceMac.set(bytes, 0, record.deviceMac);
  interfaceCodec.gatewayMac.set(bytes, 0, record.gatewayMac);
  interfaceCodec.vlan.set(view, 0, record.vlan);
  interfaceCodec.qosMap.set(view, 0, record.qosMap);
  interfaceCodec.traps.set(view, 0, record.traps);
  const address4 = first(record.addresses, 4);
  const gateway4 = first(record.gateways, 4);
  if (address4 !== undefined) interfaceCodec.address4.set(view, 0, number4(address4));
  if (gateway4 !== undefined) interfaceCodec.gateway4.set(view, 0, number4(gateway4));
  interfaceCodec.address6.set(bytes, 0, first(record.addresses, 6) ?? []);
  interfaceCodec.gateway6.set(bytes, 0, first(record.gateways, 6) ?? []);
  return bytes;
}

/** @param vlan VLAN id of a sub-interface; 0: the device itself. */
export function encodeDeviceKey(ifindex: number, vlan: number): Uint8Array {
  const { bytes, view } = element(deviceKeyLayout.size);
  deviceKeyCodec.ifindex.set(view, 0, ifindex);
  deviceKeyCodec.vlan.set(view, 0, vlan);
  return bytes;
}

export function encodeInterfaceAddressKey(id: number, address: IpAddress): Uint8Array {
  const { bytes, view } = element(interfaceAddressKeyLayout.size);
  interfaceAddressKeyCodec.interface.set(view, 0, id);
  interfaceAddressKeyCodec.address.set(bytes, 0, address.bytes);
  return bytes;
}

/** A `__u32` key or value in host byte order. */
export function encodeU32(value: number): Uint8Array {
  const { bytes, view } = element(4);
  view.setUint32(0, value, true);
  return bytes;
}

/** Bytes of a route's key. */
export const routeKeySize = (family: Family): number => (family === 4 ? route4KeyLayout.size : route6KeyLayout.size);

/** Writes the key of a route at `base`. */
export function writeRouteKey(view: DataView, bytes: Uint8Array, base: number, vrf: number, prefix: Prefix): void {
  if (prefix.family === 4) {
    route4KeyCodec.prefixLength.set(view, base, 32 + prefix.length);
    route4KeyCodec.vrf.set(view, base, vrf);
    route4KeyCodec.address.set(view, base, number4(prefix.bytes));
  } else {
    route6KeyCodec.prefixLength.set(view, base, 32 + prefix.length);
    route6KeyCodec.vrf.set(view, base, vrf);
    route6KeyCodec.address.set(bytes, base, prefix.bytes);
  }
}

/** Writes the value of a route at `base`. */
export function writeRoute(view: DataView, base: number, nexthop: number, tag: LabelTag, prefixLength: number): void {
  routeCodec.nexthop.set(view, base, nexthop);
  routeCodec.label.set(view, base, labelOf(tag));
  routeCodec.flags.set(view, base, routeFlagsOf(tag) | (prefixLength === 0 ? ROUTE_DEFAULT : 0));
}

export const ROUTE_SIZE: number = routeLayout.size;

/** Writes what the node's object says into `struct config`; the counters and what start-up wrote stay. */
export function writeNodeConfig(config: StructArray, node: Node, gatewayMac: Uint8Array): void {
  const { view } = config;
  const timeouts = { ...DEFAULT_TIMEOUTS, ...node.timeouts };
  configCodec.gatewayMac.set(config.bytes, 0, gatewayMac);
  configCodec.foreignTunnels.set(view, 0, node.foreignTunnels === "drop" ? 1 : 0);
  configCodec.headlessForward.set(view, 0, node.headless?.newFlows === "forward" ? 1 : 0);
  configCodec.tcpSynSeconds.set(view, 0, timeouts.tcpSynSeconds);
  configCodec.tcpEstablishedSeconds.set(view, 0, timeouts.tcpEstablishedSeconds);
  configCodec.tcpFinSeconds.set(view, 0, timeouts.tcpFinSeconds);
  configCodec.tcpResetSeconds.set(view, 0, timeouts.tcpResetSeconds);
  configCodec.udpSeconds.set(view, 0, timeouts.udpSeconds);
  configCodec.icmpSeconds.set(view, 0, timeouts.icmpSeconds);
  configCodec.otherSeconds.set(view, 0, timeouts.otherSeconds);
}

export const CONFIG_SIZE: number = configLayout.size;
