// SPDX-License-Identifier: Apache-2.0
/** Out of tunnels of each kind, and by labels of each kind. */

import {
  INGRESS_TUNNEL,
  NEXTHOP_FLAG_POLICY,
  TRAP_FLAG_HOLD_OWNER,
  TRAP_FLAG_IPV6,
  TRAP_FLAG_LABEL,
} from "../../../sdk/layout/generated.ts";
import { outerHeaders, type TunnelCase, tunnelCases, tunnelId } from "../pipeline_tunnels.ts";
import { B, BRIDGED_LABEL, DISCARD, FABRIC, LOCAL, VRF_ETHERNET_LABEL, VRF_LABEL } from "./node.ts";
import { dropped, out, type PacketCase, type Topic, toHost, trapped } from "./packet_case.ts";

const V4 = (ttl: number, tos = 0xb8) => `IP(src=FAR4,dst=B4,ttl=${ttl},tos=${tos})/U`;
const V6 = (ttl: number, tc = 0xb8) => `IPv6(src=FAR6,dst=B6,hlim=${ttl},tc=${tc})/U`;
const BRIDGED = "Ether(src=MAC_FAR,dst=MAC_B)";

/** Frames between the gateways in VXLAN, none in MPLS. */
function gateways(o: TunnelCase): string {
  return o.encap === "vxlan" ? "/GATEWAYS" : "";
}

function outOfTunnel(o: TunnelCase): PacketCase[] {
  const outer = (h = {}) => outerHeaders(o, { reverse: true, labelTtl: 64, ...h });
  const bridged = o.encap === "vxlan" ? {} : { id: BRIDGED_LABEL };
  // A VNI leads to a VRF, and routing there costs a hop; a label leads to an interface.
  const left = o.encap === "vxlan" ? 63 : 64;
  const known = (v6: boolean): number => (o.encap === "vxlan" ? 0 : TRAP_FLAG_LABEL) | (v6 ? TRAP_FLAG_IPV6 : 0);
  return [
    {
      name: `IPv4, routed out of ${o.name}`,
      on: FABRIC,
      packet: `${outer()}${gateways(o)}/${V4(64)}`,
      becomes: out(B, `ROUTED/${V4(left)}`),
    },
    {
      name: `IPv6, routed out of ${o.name}`,
      on: FABRIC,
      packet: `${outer()}${gateways(o)}/${V6(64)}`,
      becomes: out(B, `ROUTED/${V6(left)}`),
    },
    {
      name: `IPv4, bridged out of ${o.name}`,
      on: FABRIC,
      packet: `${outer(bridged)}/${BRIDGED}/${V4(64)}`,
      becomes: out(B, `${BRIDGED}/${V4(64)}`),
    },
    {
      name: `IPv6, bridged out of ${o.name}`,
      on: FABRIC,
      packet: `${outer(bridged)}/${BRIDGED}/${V6(64)}`,
      becomes: out(B, `${BRIDGED}/${V6(64)}`),
    },
    {
      name: `an unknown id from a tunnel of ours: ${o.name}`,
      on: FABRIC,
      packet: `${outer({ id: 9999 })}${gateways(o)}/${V4(64)}`,
      becomes: dropped(o.encap === "vxlan" ? "unknown-vni" : "unknown-label"),
    },
    {
      name: `an unknown id from anybody else is the host's: ${o.name}`,
      given: { tunnels: { [tunnelId(o)]: { remote: o.remote.replace("2.2", "2.77").replace("::2", "::77") } } },
      on: FABRIC,
      packet: `${outer({ id: 9999 }).replace('src="192.0.2.2"', 'src="192.0.2.66"').replace('src="fd00:192::2"', 'src="fd00:192::66"')}${gateways(o)}/${V4(64)}`,
      becomes: toHost,
    },
    {
      name: `or dropped, if so configured: ${o.name}`,
      given: { config: { foreignTunnels: 1 } },
      on: FABRIC,
      packet: `${outer({ id: 9999 }).replace('src="192.0.2.2"', 'src="192.0.2.66"').replace('src="fd00:192::2"', 'src="fd00:192::66"')}${gateways(o)}/${V4(64)}`,
      becomes: dropped("unknown-tunnel"),
    },
    {
      name: `to another address of the host it is none of ours: ${o.name}`,
      on: FABRIC,
      packet: `${outer().replace('dst="192.0.2.1"', 'dst="192.0.2.9"').replace('dst="fd00:192::1"', 'dst="fd00:192::9"')}${gateways(o)}/${V4(64)}`,
      becomes: toHost,
    },
    {
      name: `to a workload with policy it asks for a decision: ${o.name}`,
      given: { interfaces: { [B]: { nexthopFlags: NEXTHOP_FLAG_POLICY } } },
      on: FABRIC,
      packet: `${outer()}${gateways(o)}/${V4(64)}`,
      becomes: trapped(
        "flow-miss",
        {
          flags: TRAP_FLAG_HOLD_OWNER | known(false),
          vrf: 1,
          nexthop: B,
          outInterface: B,
          generation: 1,
          ingress: (INGRESS_TUNNEL | tunnelId(o)) >>> 0,
          reverseNexthop: o.name === "vxlan over IPv4" ? tunnelId(o) : tunnelId(tunnelCases[0] ?? o),
        },
        { packet: `GATEWAYS/${V4(64)}` },
      ),
    },
  ];
}

const mplsUdp4 = tunnelCases.find((o) => o.name === "mpls-udp over IPv4");
const mplsUdp6 = tunnelCases.find((o) => o.name === "mpls-udp over IPv6");
const mplsGre4 = tunnelCases.find((o) => o.name === "mpls-gre over IPv4");
const outer = (o: TunnelCase | undefined, h = {}) =>
  o === undefined ? "" : outerHeaders(o, { reverse: true, labelTtl: 64, ...h });
const MPLS = outer(mplsUdp4);
const ingress = (o: TunnelCase | undefined) => (INGRESS_TUNNEL | (o === undefined ? 0 : tunnelId(o))) >>> 0;

const labels: readonly PacketCase[] = [
  {
    name: "a label that leads into a VRF costs a hop",
    on: FABRIC,
    packet: `${outer(mplsUdp4, { id: VRF_LABEL })}/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(63)}`),
  },
  {
    name: "IPv6 by a label that leads into a VRF",
    on: FABRIC,
    packet: `${outer(mplsUdp6, { id: VRF_LABEL })}/${V6(64)}`,
    becomes: out(B, `ROUTED/${V6(63)}`),
  },
  {
    name: "frames by a label that leads into a VRF are bridged there",
    on: FABRIC,
    packet: `${outer(mplsUdp4, { id: VRF_ETHERNET_LABEL })}/${BRIDGED}/${V4(64)}`,
    becomes: out(B, `${BRIDGED}/${V4(64)}`),
  },
  {
    name: "or routed, if they are for the gateway",
    on: FABRIC,
    packet: `${outer(mplsUdp4, { id: VRF_ETHERNET_LABEL })}/GATEWAYS/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(63)}`),
  },
  {
    name: "a control word in front of a frame (RFC 4448) goes",
    on: FABRIC,
    packet: `${outer(mplsUdp4, { id: BRIDGED_LABEL })}/Raw(b"\\x00"*4+bytes(${BRIDGED}/${V4(64)}))`,
    becomes: out(B, `${BRIDGED}/${V4(64)}`),
  },
  {
    name: "the port that was used before 6635",
    on: FABRIC,
    packet: `${outer(mplsUdp4, { destinationPort: 51234 })}/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(64)}`),
  },
  {
    name: "a label that is not the bottom of the stack",
    on: FABRIC,
    packet: `${MPLS.replace("s=1", "s=0")}/MPLS(label=7,s=1,ttl=9)/${V4(64)}`,
    becomes: dropped("unknown-label"),
  },
  {
    name: "a label whose TTL is 1 has expired (RFC 3032 section 2.4.2)",
    on: FABRIC,
    packet: `${outer(mplsUdp4, { labelTtl: 1 })}/${V4(64)}`,
    becomes: trapped(
      "ttl-expired",
      { flags: TRAP_FLAG_LABEL, vrf: 1, nexthop: B, ingress: ingress(mplsUdp4) },
      { drop: "ttl-expired", packet: `GATEWAYS/${V4(64)}` },
    ),
  },
  {
    name: "a label whose TTL is 2 has not",
    on: FABRIC,
    packet: `${outer(mplsUdp4, { labelTtl: 2 })}/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(64)}`),
  },
  {
    name: "a label that discards",
    given: { labels: { 200: { nexthop: DISCARD } } },
    on: FABRIC,
    packet: `${outer(mplsUdp4, { id: 200 })}/${V4(64)}`,
    becomes: dropped("discard"),
  },
  {
    name: "a label for the host",
    given: { labels: { 200: { nexthop: LOCAL } } },
    on: FABRIC,
    packet: `${outer(mplsUdp4, { id: 200 })}/${V4(64)}`,
    becomes: { verdict: "host", packet: `Ether(src=GW,dst=FABRIC_MAC)/${V4(64)}` },
  },
  {
    name: "a label by an ecmp",
    given: { groups: { 60: { type: "ecmp", members: [{ nexthop: B }] } }, labels: { 200: { nexthop: 60 } } },
    on: FABRIC,
    packet: `${outer(mplsUdp4, { id: 200 })}/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(64)}`),
  },
  {
    name: "neither IPv4 nor IPv6 behind a label",
    on: FABRIC,
    packet: `${MPLS}/Raw(b"\\x50"+b"x"*40)`,
    becomes: dropped("unsupported-protocol"),
  },
  {
    name: "ARP in a frame by a label",
    on: FABRIC,
    packet: `${outer(mplsGre4, { id: BRIDGED_LABEL })}/${BRIDGED}/ARP(op=2,hwsrc=MAC_FAR,psrc=FAR4,hwdst=MAC_B,pdst=B4)`,
    becomes: out(B, `${BRIDGED}/ARP(op=2,hwsrc=MAC_FAR,psrc=FAR4,hwdst=MAC_B,pdst=B4)`),
  },
];

export const decapsulation: readonly Topic[] = [
  { name: "tunnels: what comes out", cases: tunnelCases.flatMap(outOfTunnel) },
  { name: "tunnels: labels", cases: labels },
];
