// SPDX-License-Identifier: Apache-2.0
/** The tunnels that the packet tests go through, and what scapy calls their headers. */

import { EncapValue } from "../../sdk/layout/generated.ts";
import type { Label, TunnelKind } from "./pipeline_overlay.ts";
import { GATEWAY_MAC } from "./pipeline_packets.ts";

export const FABRIC_MAC = "02:00:00:00:00:99";
export const PEER_MAC = "02:00:00:00:00:98";
export const VNI = 77;
export const LABEL = 100;

export interface TunnelCase {
  readonly name: string;
  readonly encap: TunnelKind;
  readonly local: string;
  readonly remote: string;
  readonly label: Label;
  /** Bytes between outer Ethernet and inner IP header where IP, or Ethernet, is carried. */
  readonly ipRoom: number;
  readonly ethernetRoom: number;
}

function tunnelCase(encap: TunnelKind, v6: boolean): TunnelCase {
  const outer = v6 ? 40 : 20;
  const shim = { vxlan: 16, "mpls-udp": 12, "mpls-gre": 8 }[encap];
  return {
    name: `${encap} over ${v6 ? "IPv6" : "IPv4"}`,
    encap,
    local: v6 ? "fd00:192::1" : "192.0.2.1",
    remote: v6 ? "fd00:192::2" : "192.0.2.2",
    label: encap === "vxlan" ? { vni: VNI } : { label: LABEL },
    ipRoom: outer + shim + (encap === "vxlan" ? 14 : 0),
    ethernetRoom: outer + shim + 14,
  };
}

export const tunnelCases: readonly TunnelCase[] = [false, true].flatMap((v6) =>
  (["vxlan", "mpls-udp", "mpls-gre"] as const).map((encap) => tunnelCase(encap, v6)),
);

/** Next hop id of a case's tunnel. */
export function tunnelId(o: TunnelCase): number {
  return 100 + EncapValue[o.encap] + (o.remote.includes(":") ? 10 : 0);
}

export interface HeaderOptions {
  /** `PORT` in the text: to be replaced by the source port of the packet that is compared. */
  readonly port?: number;
  readonly tos?: number;
  readonly labelTtl?: number;
  /** Traffic class of the label. */
  readonly exp?: number;
  readonly reverse?: boolean;
  readonly id?: number;
  readonly destinationPort?: number;
}

/** The outer headers as a scapy expression, from Ethernet to VNI or label. */
export function outerHeaders(o: TunnelCase, h: HeaderOptions = {}): string {
  const [source, destination] = h.reverse === true ? [o.remote, o.local] : [o.local, o.remote];
  const [from, to] = h.reverse === true ? [PEER_MAC, FABRIC_MAC] : [FABRIC_MAC, PEER_MAC];
  const eth = `Ether(src="${from}",dst="${to}")`;
  const addresses = `src="${source}",dst="${destination}"`;
  const ip = o.remote.includes(":")
    ? `IPv6(${addresses},hlim=64,tc=${h.tos ?? 0})`
    : `IP(${addresses},ttl=64,id=0,flags="DF",tos=${h.tos ?? 0})`;
  const label = `MPLS(label=${h.id ?? LABEL},cos=${h.exp ?? 0},s=1,ttl=${h.labelTtl ?? 63})`;
  const udp = (port: number) => `UDP(sport=${h.port ?? 50000},dport=${h.destinationPort ?? port},chksum=0)`;
  if (o.encap === "vxlan") return `${eth}/${ip}/${udp(4789)}/VXLAN(vni=${h.id ?? VNI},flags="Instance")`;
  if (o.encap === "mpls-udp") return `${eth}/${ip}/${udp(6635)}/${label}`;
  return `${eth}/${ip}/GRE(proto=0x8847)/${label}`;
}

/** Ethernet header of what is routed in VXLAN, none in MPLS. */
export function routedEthernet(o: TunnelCase, routerMac = GATEWAY_MAC): string {
  return o.encap === "vxlan" ? `/Ether(src="${GATEWAY_MAC}",dst="${routerMac}")` : "";
}
