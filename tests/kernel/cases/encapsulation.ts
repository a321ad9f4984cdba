// SPDX-License-Identifier: Apache-2.0
/** Into tunnels: VXLAN (RFC 7348), MPLS in UDP (RFC 7510) and in GRE (RFC 4023), over IPv4 and IPv6. */

import {
  NEXTHOP_FLAG_DOWN,
  NEXTHOP_FLAG_RESOLVE,
  TRAP_FLAG_BRIDGED,
  TRAP_FLAG_DIVIDE,
} from "../../../sdk/layout/generated.ts";
import { outerHeaders, routedEthernet, type TunnelCase, tunnelCases, tunnelId } from "../pipeline_tunnels.ts";
import { A, B, D, DISCARD, FABRIC, MISSING, TO_BLUE, TO_VRF1, tunnelNet, UPLINK } from "./node.ts";
import { dropped, out, type PacketCase, type State, type Topic, trapped, tunnelled } from "./packet_case.ts";

const V4 = (net: number, ttl: number) => `IP(src=A4,dst="10.97.${net}.2",ttl=${ttl},tos=0xba)/U`;
const V6 = (net: number, ttl: number) => `IPv6(src=A6,dst="fd00:97:${net}::2",hlim=${ttl},tc=0xba)/U`;

/** What goes into every kind of tunnel. */
function intoTunnel(o: TunnelCase): PacketCase[] {
  const id = tunnelId(o);
  const net = tunnelNet(o.name);
  const outer = (h = {}) => outerHeaders(o, { port: 0, ...h });
  const far: State = { fdb: [["02:00:00:00:09:01", id, o.label]] };
  const bridged = "Ether(src=MAC_A,dst=MAC_FAR)";
  return [
    {
      name: `IPv4, routed into ${o.name}`,
      packet: `SENT/${V4(net, 64)}`,
      becomes: tunnelled(FABRIC, `${outer({ tos: 0xba })}${routedEthernet(o)}/${V4(net, 63)}`),
    },
    {
      name: `IPv6, routed into ${o.name}`,
      packet: `SENT/${V6(net, 64)}`,
      becomes: tunnelled(FABRIC, `${outer({ tos: 0xba })}${routedEthernet(o)}/${V6(net, 63)}`),
    },
    {
      name: `IPv4, bridged into ${o.name}`,
      given: far,
      packet: `${bridged}/${V4(9, 64)}`,
      becomes: tunnelled(FABRIC, `${outer({ tos: 0xba, labelTtl: 64 })}/${bridged}/${V4(9, 64)}`),
    },
    {
      name: `ARP, bridged into ${o.name}`,
      given: far,
      packet: `${bridged}/ARP(hwsrc=MAC_A,psrc=A4,pdst=FAR4)`,
      becomes: tunnelled(FABRIC, `${outer({ labelTtl: 64 })}/${bridged}/ARP(hwsrc=MAC_A,psrc=A4,pdst=FAR4)`),
    },
    {
      name: `a label's TTL is the packet's after the hop: ${o.name}`,
      packet: `SENT/${V4(net, 2)}`,
      becomes: tunnelled(FABRIC, `${outer({ tos: 0xba, labelTtl: 1 })}${routedEthernet(o)}/${V4(net, 1)}`),
    },
    {
      name: `the label of the route must be of the tunnel's kind: ${o.name}`,
      given: { routes: [[`10.97.${net}.0/24`, id, o.encap === "vxlan" ? { label: 5 } : { vni: 5 }]] },
      packet: `SENT/${V4(net, 64)}`,
      becomes: dropped("no-nexthop"),
    },
  ];
}

const OUTER = (h = {}) => (tunnelCases[0] === undefined ? "" : outerHeaders(tunnelCases[0], { port: 0, ...h }));
const vxlan = tunnelCases[0] === undefined ? 0 : tunnelId(tunnelCases[0]);
const FAR = "IP(src=A4,dst=FAR4,ttl=64)/U";
const FAR_ROUTED = "GATEWAYS/IP(src=A4,dst=FAR4,ttl=63)/U";
const MPLS = tunnelCases.find((o) => o.encap === "mpls-udp");
const mpls = MPLS === undefined ? 0 : tunnelId(MPLS);
const MPLS_OUTER = (h = {}) => (MPLS === undefined ? "" : outerHeaders(MPLS, { port: 0, ...h }));

const rules: readonly PacketCase[] = [
  ...[0, 1, 2, 3].map(
    (ecn): PacketCase => ({
      name: `DSCP 46 and ECN ${ecn} are copied to the outer header (RFC 6040 section 4.1, normal mode)`,
      packet: `SENT/IP(src=A4,dst=FAR4,ttl=64,tos=${0xb8 | ecn})/U`,
      becomes: tunnelled(
        FABRIC,
        `${OUTER({ tos: 0xb8 | ecn })}/GATEWAYS/IP(src=A4,dst=FAR4,ttl=63,tos=${0xb8 | ecn})/U`,
      ),
    }),
  ),
  {
    name: "the tunnel's router has a MAC of its own",
    given: { tunnels: { [vxlan]: { routerMac: "02:00:00:00:0a:0a" } } },
    packet: `SENT/${FAR}`,
    becomes: tunnelled(FABRIC, `${OUTER()}/Ether(src=GW,dst="02:00:00:00:0a:0a")/IP(src=A4,dst=FAR4,ttl=63)/U`),
  },
  {
    name: "the largest VNI",
    given: { routes: [["10.97.9.0/24", vxlan, { vni: 0xffffff }]] },
    packet: `SENT/${FAR}`,
    becomes: tunnelled(FABRIC, `${OUTER({ id: 0xffffff })}/${FAR_ROUTED}`),
  },
  {
    name: "VNI 0",
    given: { routes: [["10.97.9.0/24", vxlan, { vni: 0 }]] },
    packet: `SENT/${FAR}`,
    becomes: tunnelled(FABRIC, `${OUTER({ id: 0 }).replace("VXLAN(", "VXLAN(")}/${FAR_ROUTED}`),
  },
  {
    name: "the largest label",
    given: { routes: [["10.97.9.0/24", mpls, { label: 0xfffff }]] },
    packet: `SENT/${FAR}`,
    becomes: tunnelled(FABRIC, `${MPLS_OUTER({ id: 0xfffff })}/IP(src=A4,dst=FAR4,ttl=63)/U`),
  },
  {
    name: "a route without VNI or label leads nowhere",
    given: { routes: [["10.97.9.0/24", vxlan]] },
    packet: `SENT/${FAR}`,
    becomes: dropped("no-nexthop"),
  },
  {
    name: "don't fragment inside changes nothing outside",
    packet: 'SENT/IP(src=A4,dst=FAR4,ttl=64,flags="DF",id=7)/U',
    becomes: tunnelled(FABRIC, `${OUTER()}/GATEWAYS/IP(src=A4,dst=FAR4,ttl=63,flags="DF",id=7)/U`),
  },
  {
    name: "a fragment is carried as it is",
    packet: "SENT/IP(src=A4,dst=FAR4,ttl=64,frag=5,id=7,proto=17)/DATA",
    becomes: tunnelled(FABRIC, `${OUTER()}/GATEWAYS/IP(src=A4,dst=FAR4,ttl=63,frag=5,id=7,proto=17)/DATA`),
  },
  {
    name: "IP options too",
    packet: "SENT/IP(src=A4,dst=FAR4,ttl=64,options=[IPOption_NOP()]*4)/U",
    becomes: tunnelled(FABRIC, `${OUTER()}/GATEWAYS/IP(src=A4,dst=FAR4,ttl=63,options=[IPOption_NOP()]*4)/U`),
  },
  {
    name: "an unfinished TCP checksum is not ours",
    packet: 'SENT/IP(src=A4,dst=FAR4,ttl=64)/T("A",chksum=0x1234)',
    becomes: tunnelled(FABRIC, `${OUTER()}/GATEWAYS/IP(src=A4,dst=FAR4,ttl=63)/T("A",chksum=0x1234)`),
  },
  {
    name: "a workload's own tunnel goes into ours",
    packet:
      'SENT/IP(src=A4,dst=FAR4,ttl=64)/UDP(sport=1,dport=4789,chksum=0)/VXLAN(vni=5)/SENT/IP(src="1.1.1.1",dst="2.2.2.2")/U',
    becomes: tunnelled(
      FABRIC,
      `${OUTER()}/GATEWAYS/IP(src=A4,dst=FAR4,ttl=63)/UDP(sport=1,dport=4789,chksum=0)/VXLAN(vni=5)/SENT/IP(src="1.1.1.1",dst="2.2.2.2")/U`,
    ),
  },
  {
    name: "a sub-interface's VLAN tag stays behind",
    on: 3,
    packet: "Ether(src=MAC_C,dst=GW)/Dot1Q(vlan=10)/IP(src=C4,dst=FAR4,ttl=64)/U",
    becomes: tunnelled(FABRIC, `${OUTER()}/GATEWAYS/IP(src=C4,dst=FAR4,ttl=63)/U`),
  },
  {
    name: "bridged, two tags stay behind",
    on: 3,
    packet: "Ether(src=MAC_C,dst=MAC_FAR)/Dot1AD(vlan=10)/Dot1Q(vlan=20)/IP(src=C4,dst=FAR4,ttl=64)/U",
    becomes: tunnelled(FABRIC, `${OUTER({ labelTtl: 64 })}/Ether(src=MAC_C,dst=MAC_FAR)/IP(src=C4,dst=FAR4,ttl=64)/U`),
  },
  {
    name: "bridged, a tag stays behind, with nothing after it",
    on: 3,
    packet: "Ether(src=MAC_C,dst=MAC_FAR)/Dot1Q(vlan=10,type=0x88b5)",
    becomes: tunnelled(FABRIC, `${OUTER({ labelTtl: 64 })}/Ether(src=MAC_C,dst=MAC_FAR,type=0x88b5)`),
  },
  {
    name: "the last hop is not carried",
    packet: "SENT/IP(src=A4,dst=FAR4,ttl=1)/U",
    becomes: trapped("ttl-expired", { nexthop: vxlan }, { drop: "ttl-expired" }),
  },
  {
    name: "bridged with a TTL of 1 it is",
    packet: "Ether(src=MAC_A,dst=MAC_FAR)/IP(src=A4,dst=FAR4,ttl=1)/U",
    becomes: tunnelled(FABRIC, `${OUTER({ labelTtl: 64 })}/Ether(src=MAC_A,dst=MAC_FAR)/IP(src=A4,dst=FAR4,ttl=1)/U`),
  },
  {
    name: "100 bytes into a tunnel for 100",
    given: { tunnels: { [vxlan]: { mtu: 100 } } },
    packet: 'SENT/IP(src=A4,dst=FAR4,ttl=64,flags="DF")/UDP(sport=1,dport=2)/(b"x"*72)',
    becomes: tunnelled(
      FABRIC,
      `${OUTER()}/GATEWAYS/IP(src=A4,dst=FAR4,ttl=63,flags="DF")/UDP(sport=1,dport=2)/(b"x"*72)`,
    ),
  },
  {
    name: "101 bytes are reported",
    given: { tunnels: { [vxlan]: { mtu: 100 } } },
    packet: 'SENT/IP(src=A4,dst=FAR4,ttl=64,flags="DF")/UDP(sport=1,dport=2)/(b"x"*73)',
    becomes: trapped("packet-too-big", { nexthop: vxlan }, { drop: "packet-too-big" }),
  },
  {
    name: "and are fragmented by the slow path where they may be",
    given: { tunnels: { [vxlan]: { mtu: 100 } } },
    packet: 'SENT/IP(src=A4,dst=FAR4,ttl=64)/UDP(sport=1,dport=2)/(b"x"*73)',
    becomes: trapped("packet-too-big", { nexthop: vxlan, flags: TRAP_FLAG_DIVIDE }),
  },
  {
    name: "bridged too, as they would be reported",
    given: { tunnels: { [vxlan]: { mtu: 100 } } },
    packet: 'Ether(src=MAC_A,dst=MAC_FAR)/IP(src=A4,dst=FAR4,ttl=64)/UDP(sport=1,dport=2)/(b"x"*73)',
    becomes: trapped("packet-too-big", { nexthop: vxlan, flags: TRAP_FLAG_DIVIDE | TRAP_FLAG_BRIDGED }),
  },
  {
    name: "bridged into MPLS the Ethernet header counts: 100 bytes into a tunnel for 114",
    given: { tunnels: { [mpls]: { mtu: 114 } }, fdb: [["02:00:00:00:09:01", mpls, MPLS?.label ?? {}]] },
    packet: 'Ether(src=MAC_A,dst=MAC_FAR)/IP(src=A4,dst=FAR4,ttl=64,flags="DF")/UDP(sport=1,dport=2)/(b"x"*72)',
    becomes: tunnelled(
      FABRIC,
      `${MPLS_OUTER({ labelTtl: 64 })}/Ether(src=MAC_A,dst=MAC_FAR)/IP(src=A4,dst=FAR4,ttl=64,flags="DF")/UDP(sport=1,dport=2)/(b"x"*72)`,
    ),
  },
  {
    name: "and into one for 113 they do not fit",
    given: { tunnels: { [mpls]: { mtu: 113 } }, fdb: [["02:00:00:00:09:01", mpls, MPLS?.label ?? {}]] },
    packet: 'Ether(src=MAC_A,dst=MAC_FAR)/IP(src=A4,dst=FAR4,ttl=64,flags="DF")/UDP(sport=1,dport=2)/(b"x"*72)',
    becomes: trapped("packet-too-big", { nexthop: mpls, flags: TRAP_FLAG_BRIDGED }, { drop: "packet-too-big" }),
  },
  {
    name: "100 bytes that are not IP go into a tunnel for 100",
    given: { tunnels: { [vxlan]: { mtu: 100 } } },
    packet: 'Ether(src=MAC_A,dst=MAC_FAR,type=0x88b5)/(b"x"*100)',
    becomes: tunnelled(FABRIC, `${OUTER({ labelTtl: 64 })}/Ether(src=MAC_A,dst=MAC_FAR,type=0x88b5)/(b"x"*100)`),
  },
  {
    name: "101 bytes that are not IP are only dropped",
    given: { tunnels: { [vxlan]: { mtu: 100 } } },
    packet: 'Ether(src=MAC_A,dst=MAC_FAR,type=0x88b5)/(b"x"*101)',
    becomes: dropped("packet-too-big"),
  },
  {
    name: "without a neighbour on the way it is asked for, the packet as it came",
    given: { nexthops: { [UPLINK]: { type: "interface", interface: FABRIC, flags: NEXTHOP_FLAG_RESOLVE } } },
    packet: `SENT/${FAR}`,
    becomes: trapped("resolve", { nexthop: UPLINK, outInterface: FABRIC }),
  },
  {
    name: "an underlay that is down",
    given: { nexthops: { [UPLINK]: { type: "interface", interface: FABRIC, flags: NEXTHOP_FLAG_DOWN } } },
    packet: `SENT/${FAR}`,
    becomes: dropped("no-nexthop"),
  },
  {
    name: "no underlay",
    given: { tunnels: { [vxlan]: { underlay: 0 } } },
    packet: `SENT/${FAR}`,
    becomes: dropped("no-nexthop"),
  },
  {
    name: "a tunnel within a tunnel is no underlay",
    given: { tunnels: { [vxlan]: { underlay: mpls } } },
    packet: `SENT/${FAR}`,
    becomes: dropped("no-nexthop"),
  },
  {
    name: "an underlay of two uplinks of which one is down",
    given: {
      nexthops: { 51: { type: "interface", interface: FABRIC, flags: NEXTHOP_FLAG_DOWN } },
      groups: {
        60: { type: "ecmp", members: [{ nexthop: 51 }, { nexthop: 51 }, { nexthop: 51 }, { nexthop: UPLINK }] },
      },
      tunnels: { [vxlan]: { underlay: 60 } },
    },
    packet: `SENT/${FAR}`,
    becomes: tunnelled(FABRIC, `${OUTER()}/${FAR_ROUTED}`),
  },
  {
    name: "from the fabric a packet does not go back there",
    given: { routes: [["10.97.9.0/24", vxlan, { vni: 77, vrf: 9 }]] },
    on: FABRIC,
    packet: "Ether(src=PEER_MAC,dst=FABRIC_MAC)/IP(src=A4,dst=FAR4,ttl=64)/U",
    becomes: dropped("fabric-to-fabric"),
  },
];

const FAR96 = (ttl: number) => `IP(src=A4,dst="10.96.0.2",ttl=${ttl})/U`;

const indirect: readonly PacketCase[] = [
  {
    name: "a vrf next hop looks up again there, and costs one hop in all",
    given: { routes: [["10.98.0.0/16", TO_BLUE]] },
    packet: "SENT/IP(src=A4,dst=D4,ttl=64)/U",
    becomes: out(D, "Ether(src=GW,dst=MAC_D)/IP(src=A4,dst=D4,ttl=63)/U"),
  },
  {
    name: "of IPv6 too",
    given: { routes: [["fd00:98::/64", TO_BLUE]] },
    packet: "SENT/IPv6(src=A6,dst=D6,hlim=64)/U",
    becomes: out(D, "Ether(src=GW,dst=MAC_D)/IPv6(src=A6,dst=D6,hlim=63)/U"),
  },
  {
    name: "without a route there",
    packet: 'SENT/IP(src=A4,dst="10.99.8.1")/U',
    becomes: trapped("no-route", { nexthop: TO_BLUE }, { drop: "no-route" }),
  },
  {
    name: "there and back again is a loop",
    given: {
      routes: [
        ["10.96.0.0/16", TO_BLUE],
        ["10.96.0.0/16", TO_VRF1, { vrf: 2 }],
      ],
    },
    packet: `SENT/${FAR96(64)}`,
    becomes: dropped("loop"),
  },
  {
    name: "an ecmp of one",
    given: { groups: { 60: { type: "ecmp", members: [{ nexthop: B }] } }, routes: [["10.96.0.0/16", 60]] },
    packet: `SENT/${FAR96(64)}`,
    becomes: out(B, `ROUTED/${FAR96(63)}`),
  },
  {
    name: "an ecmp avoids a member that is dead",
    given: {
      groups: { 60: { type: "ecmp", members: [{ nexthop: A, flags: 0x80 }, { nexthop: B }] } },
      routes: [["10.96.0.0/16", 60]],
    },
    packet: `SENT/${FAR96(64)}`,
    becomes: out(B, `ROUTED/${FAR96(63)}`),
  },
  {
    name: "an ecmp whose members are all gone",
    given: {
      groups: { 60: { type: "ecmp", members: [{ nexthop: MISSING }, { nexthop: B, flags: 0x80 }] } },
      routes: [["10.96.0.0/16", 60]],
    },
    packet: `SENT/${FAR96(64)}`,
    becomes: dropped("no-nexthop"),
  },
  {
    name: "a member that discards",
    given: { groups: { 60: { type: "ecmp", members: [{ nexthop: DISCARD }] } }, routes: [["10.96.0.0/16", 60]] },
    packet: `SENT/${FAR96(64)}`,
    becomes: dropped("discard"),
  },
  {
    name: "members have VNIs of their own, instead of the route's",
    given: {
      groups: { 60: { type: "ecmp", members: [{ nexthop: vxlan, vni: 4711 }] } },
      routes: [["10.96.0.0/16", 60, { vni: 5 }]],
    },
    packet: `SENT/${FAR96(64)}`,
    becomes: tunnelled(FABRIC, `${OUTER({ id: 4711 })}/GATEWAYS/${FAR96(63)}`),
  },
  {
    name: "a member without one takes the route's",
    given: {
      groups: { 60: { type: "ecmp", members: [{ nexthop: vxlan }] } },
      routes: [["10.96.0.0/16", 60, { vni: 5 }]],
    },
    packet: `SENT/${FAR96(64)}`,
    becomes: tunnelled(FABRIC, `${OUTER({ id: 5 })}/GATEWAYS/${FAR96(63)}`),
  },
  {
    name: "an ecmp in another VRF",
    given: {
      groups: { 60: { type: "ecmp", members: [{ nexthop: vxlan, vni: 4711 }] } },
      routes: [
        ["10.96.0.0/16", TO_BLUE],
        ["10.96.0.0/16", 60, { vrf: 2 }],
      ],
    },
    packet: `SENT/${FAR96(64)}`,
    becomes: tunnelled(FABRIC, `${OUTER({ id: 4711 })}/GATEWAYS/${FAR96(63)}`),
  },
  {
    name: "a bridged frame by an ecmp (a host with two links)",
    given: {
      groups: { 60: { type: "ecmp", members: [{ nexthop: vxlan, vni: 4711 }] } },
      fdb: [["02:00:00:00:09:01", 60]],
    },
    packet: `Ether(src=MAC_A,dst=MAC_FAR)/${FAR}`,
    becomes: tunnelled(FABRIC, `${OUTER({ id: 4711 })}/Ether(src=MAC_A,dst=MAC_FAR)/${FAR}`),
  },
];

export const encapsulation: readonly Topic[] = [
  { name: "tunnels: what goes in", cases: tunnelCases.flatMap(intoTunnel) },
  { name: "tunnels: rules of the outer header", cases: rules },
  { name: "next hops that lead to others", cases: indirect },
];
