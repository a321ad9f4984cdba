// SPDX-License-Identifier: Apache-2.0
/** What arrives on the fabric: is it a tunnel of ours, who sends it, and what may come out. */

import {
  INGRESS_TUNNEL,
  INTERFACE_POLICY,
  INTERFACE_RPF_STRICT,
  NEXTHOP_FLAG_PEER,
  NEXTHOP_FLAG_POLICY,
  TRAP_FLAG_BRIDGED,
  TRAP_FLAG_HOLD_OWNER,
} from "../../../sdk/layout/generated.ts";
import { outerHeaders, tunnelCases, tunnelId } from "../pipeline_tunnels.ts";
import { B, FABRIC } from "./node.ts";
import { dropped, out, type PacketCase, type State, type Topic, toHost, trapped } from "./packet_case.ts";

const V4 = (ttl: number) => `IP(src=FAR4,dst=B4,ttl=${ttl},tos=0xb8)/U`;
const V6 = (ttl: number) => `IPv6(src=FAR6,dst=B6,hlim=${ttl},tc=0xb8)/U`;
const BRIDGED = "Ether(src=MAC_FAR,dst=MAC_B)";
const [vxlan] = tunnelCases;
if (vxlan === undefined) throw new Error("there is no tunnel");
const VXLAN = outerHeaders(vxlan, { reverse: true });
const BARE = 'Ether(src=PEER_MAC,dst=FABRIC_MAC)/IP(src="192.0.2.2",dst="192.0.2.1",id=0)';
const TUNNEL = tunnelId(vxlan);
const INGRESS = (INGRESS_TUNNEL | TUNNEL) >>> 0;

const STRICT: State = { interfaces: { [FABRIC]: { flags: INTERFACE_RPF_STRICT } } };

const arrivals: readonly PacketCase[] = [
  {
    name: "a VXLAN header without the flag I has no VNI",
    on: FABRIC,
    packet: `${VXLAN.replace('flags="Instance"', "flags=0")}/GATEWAYS/${V4(64)}`,
    becomes: dropped("unknown-vni"),
  },
  {
    name: "reserved flags and fields are ignored (RFC 7348 section 5)",
    on: FABRIC,
    packet: `${VXLAN.replace('flags="Instance"', "flags=0x4a,reserved1=0xabcdef,reserved2=0x7f")}/GATEWAYS/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(63)}`),
  },
  {
    name: "an outer UDP checksum that is right",
    on: FABRIC,
    packet: `${VXLAN.replace("chksum=0", "chksum=None")}/GATEWAYS/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(63)}`),
  },
  {
    name: "an outer UDP checksum that is wrong",
    on: FABRIC,
    packet: `${VXLAN.replace("chksum=0", "chksum=0x1234")}/GATEWAYS/${V4(64)}`,
    becomes: dropped("checksum"),
  },
  {
    name: "an outer header with IP options",
    on: FABRIC,
    packet: `${BARE.replace("id=0", "id=0,options=[IPOption_NOP()]*4")}/UDP(sport=50000,dport=4789,chksum=0)/VXLAN(vni=77,flags="Instance")/GATEWAYS/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(63)}`),
  },
  {
    name: "a fragment of a tunnel packet",
    on: FABRIC,
    packet: `${BARE.replace("id=0", 'id=5,flags="MF"')}/UDP(sport=50000,dport=4789,chksum=0)/VXLAN(vni=77,flags="Instance")/GATEWAYS/${V4(64)}`,
    becomes: dropped("fragment"),
  },
  {
    name: "a VLAN tag inside counts for nothing",
    on: FABRIC,
    packet: `${VXLAN}/${BRIDGED}/Dot1Q(vlan=30)/${V4(64)}`,
    becomes: out(B, `${BRIDGED}/${V4(64)}`),
  },
  {
    name: "two tags inside neither, of a routed packet",
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/Dot1AD(vlan=30)/Dot1Q(vlan=31)/${V6(64)}`,
    becomes: out(B, `ROUTED/${V6(63)}`),
  },
  {
    name: "nor of ARP",
    on: FABRIC,
    packet: `${VXLAN}/${BRIDGED}/Dot1Q(vlan=30)/ARP(op=2,hwsrc=MAC_FAR,psrc=FAR4,hwdst=MAC_B,pdst=B4)`,
    becomes: out(B, `${BRIDGED}/ARP(op=2,hwsrc=MAC_FAR,psrc=FAR4,hwdst=MAC_B,pdst=B4)`),
  },
  {
    name: "three tags inside are too many",
    on: FABRIC,
    packet: `${VXLAN}/${BRIDGED}/Dot1Q(vlan=30)/Dot1Q(vlan=31)/Dot1Q(vlan=32)/${V4(64)}`,
    becomes: dropped("unsupported-protocol"),
  },
  {
    name: "what the slow path gets of a tagged frame has no tag",
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/Dot1Q(vlan=30)/${V4(1)}`,
    becomes: trapped(
      "ttl-expired",
      { vrf: 1, nexthop: B, outInterface: B, ingress: INGRESS },
      { drop: "ttl-expired", packet: `GATEWAYS/${V4(1)}` },
    ),
  },
  {
    name: "a frame of a few bytes, which nobody has padded",
    on: FABRIC,
    packet: `${VXLAN}/Ether(src=MAC_FAR,dst=MAC_B,type=0x88b5)/b"four"`,
    becomes: out(B, 'Ether(src=MAC_FAR,dst=MAC_B,type=0x88b5)/b"four"'),
    only: { hook: "xdp", why: "the kernel keeps no skb on TC that is shorter than an IP header: it is padded" },
  },
  {
    name: "a frame of a few bytes, padded by the kernel",
    on: FABRIC,
    packet: `${VXLAN}/Ether(src=MAC_FAR,dst=MAC_B,type=0x88b5)/b"four"`,
    becomes: out(B, 'Ether(src=MAC_FAR,dst=MAC_B,type=0x88b5)/(b"four"+b"\\x00"*16)'),
    only: { hook: "tc", why: "XDP leaves it as it is" },
  },
  {
    name: "IP inside that ends within its header",
    on: FABRIC,
    packet: `${VXLAN}/cut(GATEWAYS/${V4(64)},33)`,
    becomes: dropped("invalid-packet"),
  },
  {
    name: "GRE with a key is none of ours",
    on: FABRIC,
    packet: `${BARE}/GRE(key_present=1,key=5,proto=0x8847)/MPLS(label=100,s=1,ttl=64)/${V4(64)}`,
    becomes: toHost,
  },
  {
    name: "GRE that carries IP is none of ours",
    on: FABRIC,
    packet: `${BARE}/GRE()/${V4(64)}`,
    becomes: toHost,
  },
  {
    name: "other UDP to the node is the host's",
    on: FABRIC,
    packet: `${BARE}/UDP(sport=50000,dport=53)/DATA`,
    becomes: toHost,
  },
  {
    name: "a frame to an unknown MAC",
    on: FABRIC,
    packet: `${VXLAN}/Ether(src=MAC_FAR,dst=MAC_NOBODY)/${V4(64)}`,
    becomes: dropped("unknown-unicast"),
  },
  {
    name: "a packet without a route in its VRF",
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/IP(src=FAR4,dst="10.96.0.1",ttl=64)/U`,
    becomes: trapped(
      "no-route",
      { vrf: 1, ingress: INGRESS },
      { drop: "no-route", packet: 'GATEWAYS/IP(src=FAR4,dst="10.96.0.1",ttl=64)/U' },
    ),
  },
  {
    name: "the last hop was in the tunnel",
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/${V4(1)}`,
    becomes: trapped(
      "ttl-expired",
      { vrf: 1, nexthop: B, outInterface: B, ingress: INGRESS },
      { drop: "ttl-expired", packet: `GATEWAYS/${V4(1)}` },
    ),
  },
  {
    name: "from a tunnel into a tunnel goes nothing",
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/IP(src="10.97.21.2",dst=FAR4,ttl=64)/U`,
    becomes: dropped("fabric-to-fabric"),
  },
  {
    name: "bridged neither",
    on: FABRIC,
    packet: `${VXLAN}/Ether(src=MAC_NOBODY,dst=MAC_FAR)/IP(src="10.97.21.2",dst=FAR4,ttl=64)/U`,
    becomes: dropped("fabric-to-fabric"),
  },
  {
    name: "a tunnel inside is the workload's business",
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/IP(src=FAR4,dst=B4,ttl=64)/UDP(sport=1,dport=4789,chksum=0)/VXLAN(vni=77,flags="Instance")/GATEWAYS/${V4(9)}`,
    becomes: out(
      B,
      `ROUTED/IP(src=FAR4,dst=B4,ttl=63)/UDP(sport=1,dport=4789,chksum=0)/VXLAN(vni=77,flags="Instance")/GATEWAYS/${V4(9)}`,
    ),
  },
  {
    name: "strict: the source's route leads into this tunnel",
    given: STRICT,
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(63)}`),
  },
  {
    name: "strict: into another",
    given: STRICT,
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/IP(src="10.97.21.2",dst=B4,ttl=64)/U`,
    becomes: dropped("rpf"),
  },
  {
    name: "strict: from a node that no tunnel leads to",
    given: STRICT,
    on: FABRIC,
    packet: `${VXLAN.replace('src="192.0.2.2"', 'src="192.0.2.66"')}/GATEWAYS/${V4(64)}`,
    becomes: dropped("rpf"),
  },
  {
    name: "else such a node may send",
    on: FABRIC,
    packet: `${VXLAN.replace('src="192.0.2.2"', 'src="192.0.2.66"')}/GATEWAYS/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(63)}`),
  },
  {
    name: "a flow that came by this tunnel",
    given: {
      interfaces: { [B]: { nexthopFlags: NEXTHOP_FLAG_POLICY } },
      flows: [
        {
          source: "10.97.9.2",
          destination: "10.97.0.2",
          ingress: INGRESS,
          reverseIngress: B,
          nexthop: B,
          reverseNexthop: TUNNEL,
        },
      ],
    },
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(63)}`),
  },
  {
    name: "a bridged frame to a workload with policy asks for a decision",
    given: { interfaces: { [B]: { nexthopFlags: NEXTHOP_FLAG_POLICY, flags: INTERFACE_POLICY } } },
    on: FABRIC,
    packet: `${VXLAN}/${BRIDGED}/${V4(64)}`,
    becomes: trapped(
      "flow-miss",
      {
        flags: TRAP_FLAG_HOLD_OWNER | TRAP_FLAG_BRIDGED,
        vrf: 1,
        nexthop: B,
        outInterface: B,
        generation: 1,
        ingress: INGRESS,
        reverseNexthop: TUNNEL,
      },
      { packet: `${BRIDGED}/${V4(64)}` },
    ),
  },
  {
    name: "TCP for a workload's namespace is left to TC, ready to be delivered",
    given: { interfaces: { [B]: { nexthopFlags: NEXTHOP_FLAG_PEER } } },
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/IP(src=FAR4,dst=B4,ttl=64)/T("A")/DATA`,
    becomes: { verdict: "companion", interface: B, packet: 'ROUTED/IP(src=FAR4,dst=B4,ttl=63)/T("A")/DATA' },
    only: { hook: "xdp", why: "on TC it is delivered at once" },
  },
  {
    name: "UDP for a workload's namespace is not",
    given: { interfaces: { [B]: { nexthopFlags: NEXTHOP_FLAG_PEER } } },
    on: FABRIC,
    packet: `${VXLAN}/GATEWAYS/${V4(64)}`,
    becomes: out(B, `ROUTED/${V4(63)}`),
  },
];

export const fabric: readonly Topic[] = [{ name: "tunnels: what arrives", cases: arrivals }];
