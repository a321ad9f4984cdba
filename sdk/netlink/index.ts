// SPDX-License-Identifier: Apache-2.0
/**
 * `weir/netlink`: the kernel's network tables (links, addresses, routes, neighbours) and device settings
 * (ethtool) of any network namespace; list, look up, change and watch, without other programs.
 *
 * @module
 */

export type { AddressFilter, AddressInfo, AddressSpec } from "./address.ts";
export type { ChannelCounts, Channels } from "./ethtool/channels.ts";
export type { DriverInfo } from "./ethtool/driver.ts";
export { Ethtool } from "./ethtool/ethtool.ts";
export { type FeatureState, featureGroups } from "./ethtool/features.ts";
export type { RingSizes, Rings } from "./ethtool/rings.ts";
export type {
  AddressGenerationMode,
  LinkChange,
  LinkInfo,
  LinkKey,
  OperationalState,
} from "./link.ts";
export type { BridgeData, LinkData, MacvlanData, MacvlanMode, VlanData, VrfData, VxlanData } from "./link_data.ts";
export type {
  BridgeSpec,
  DummySpec,
  LinkProperties,
  LinkSpec,
  VethPeer,
  VethSpec,
  VlanSpec,
  VrfSpec,
  VxlanSpec,
} from "./link_kind.ts";
export { namespacePath } from "./namespace.ts";
export type {
  NeighbourFilter,
  NeighbourInfo,
  NeighbourKey,
  NeighbourSpec,
  NeighbourState,
} from "./neighbour.ts";
export { Netdev, type XdpFeatures } from "./netdev.ts";
export { Netlink, type NetlinkOptions } from "./netlink.ts";
export type {
  NexthopFilter,
  NexthopGroupType,
  NexthopInfo,
  NexthopMember,
  NexthopSpec,
  ResilientGroup,
} from "./nexthop.ts";
export {
  DEFAULT_PACKET_LIMIT,
  type PacketLimitChange,
  type PacketLimitName,
  type PacketLimits,
  packetLimitNames,
} from "./packet_limits.ts";
export type { RouteFilter, RouteLookup, RouteMode, RouteSpec } from "./route.ts";
export { type RouteInfo, type RouterPreference, type RouteType, routeProtocols, routeTables } from "./route_decode.ts";
export type { IpEncap, MplsEncap, RouteEncap } from "./route_encap.ts";
export type { RouteMetric, RouteMetrics } from "./route_metrics.ts";
export type { RouteNextHop, RouteNextHopSpec } from "./route_nexthop.ts";
export type { RuleAction, RuleInfo, RulePorts, RuleSpec } from "./rule.ts";
export type { Scope } from "./scope.ts";
export type { WatchChange, WatchEvent, WatchGroup, WatchListener, WatchOptions } from "./watch.ts";
export type { XdpInfo, XdpMode } from "./xdp.ts";
