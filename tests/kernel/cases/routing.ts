// SPDX-License-Identifier: Apache-2.0
/** Routing between two workloads of a VRF: RFC 1812 section 5, RFC 8200, RFC 1624. */

import { INTERFACE_DOWN, ROUTE_DEFAULT, TRAP_FLAG_DIVIDE } from "../../../sdk/layout/generated.ts";
import { B, DISCARD, LOCAL, MISSING, NARROW, RESOLVE, UNRESOLVED } from "./node.ts";
import { dropped, type Expected, out, type Packet, type PacketCase, type Topic, trapped } from "./packet_case.ts";

/** From A to B: new MACs and one hop less, the rest as it is. TTL in the text stands for it. */
function forwarded(name: string, packet: Packet, ttl = 64): PacketCase {
  const withTtl = (value: number) => packet.replaceAll("TTL", String(value));
  return { name, packet: `SENT/${withTtl(ttl)}`, becomes: out(B, `ROUTED/${withTtl(ttl - 1)}`) };
}

const ip4 = "IP(src=A4,dst=B4,ttl=TTL)";
const ip6 = "IPv6(src=A6,dst=B6,hlim=TTL)";

const upperLayers: readonly PacketCase[] = [
  forwarded("UDP over IPv4", `${ip4}/U`),
  forwarded("UDP over IPv6", `${ip6}/U`),
  forwarded("a TCP segment", `${ip4}/T("PA")/DATA`),
  forwarded("a TCP segment over IPv6", `${ip6}/T("PA")/DATA`),
  forwarded("a TCP SYN with options", `${ip4}/T("S",options=[("MSS",1460),("SAckOK",b""),("WScale",7)])`),
  forwarded("SCTP", `${ip4}/SCTP(sport=1000,dport=2000)/SCTPChunkInit()`),
  forwarded("UDP-Lite, whose ports are not known", "IP(src=A4,dst=B4,ttl=TTL,proto=136)/bytes(U)"),
  forwarded("an unknown protocol", `IP(src=A4,dst=B4,ttl=TTL,proto=99)/DATA`),
  forwarded("a packet of nothing but its header", "IP(src=A4,dst=B4,ttl=TTL,proto=99)"),
  forwarded("an IPv6 packet without payload", "IPv6(src=A6,dst=B6,hlim=TTL,nh=59)"),
  forwarded("an ICMP echo request", `${ip4}/ICMP(id=77,seq=1)/DATA`),
  forwarded("an ICMPv6 echo request", `${ip6}/ICMPv6EchoRequest(id=77,seq=1,data=DATA)`),
  forwarded("GRE between workloads", `${ip4}/GRE(proto=0x800)/IP(src="1.1.1.1",dst="2.2.2.2")/U`),
  forwarded("IP in IP between workloads", `${ip4}/IP(src="1.1.1.1",dst="2.2.2.2",ttl=5)/U`),
  forwarded("a workload's own VXLAN", `${ip4}/UDP(sport=1,dport=4789,chksum=0)/VXLAN(vni=77)/SENT/IP(src=A4,dst=B4)/U`),
];

const header4: readonly PacketCase[] = [
  forwarded("a TTL of 2", `${ip4}/U`, 2),
  forwarded("a TTL of 255", `${ip4}/U`, 255),
  forwarded("DSCP and ECN", `IP(src=A4,dst=B4,ttl=TTL,tos=0xbb)/U`),
  forwarded("don't fragment", `IP(src=A4,dst=B4,ttl=TTL,flags="DF",id=0x4321)/U`),
  forwarded("the reserved flag", `IP(src=A4,dst=B4,ttl=TTL,flags="evil")/U`),
  forwarded("a router alert option", `IP(src=A4,dst=B4,ttl=TTL,options=[IPOption_Router_Alert()])/U`),
  forwarded("a record route option", `IP(src=A4,dst=B4,ttl=TTL,options=[IPOption_RR(routers=["1.2.3.4"])])/U`),
  forwarded("a loose source route", `IP(src=A4,dst=B4,ttl=TTL,options=[IPOption_LSRR(routers=["1.2.3.4"])])/U`),
  forwarded("40 bytes of options", `IP(src=A4,dst=B4,ttl=TTL,options=[IPOption_NOP()]*40)/T("A")/DATA`),
  forwarded("a first fragment", `IP(src=A4,dst=B4,ttl=TTL,flags="MF",id=5)/bytes(U)`),
  forwarded("a later fragment", `IP(src=A4,dst=B4,ttl=TTL,flags="MF",frag=3,id=5,proto=17)/DATA`),
  forwarded("the last fragment", `IP(src=A4,dst=B4,ttl=TTL,frag=0x1fff,id=5,proto=17)/DATA`),
  {
    name: "padding behind the packet stays",
    packet: `SENT/IP(src=A4,dst=B4,ttl=64,proto=99)/Padding(b"\\x00"*26)`,
    becomes: out(B, `ROUTED/IP(src=A4,dst=B4,ttl=63,proto=99)/Padding(b"\\x00"*26)`),
  },
];

/** In front of and behind every wrap of the incremental sum; a header's sum is never 0xffff when written. */
const sums4: readonly PacketCase[] = [0x0000, 0x0001, 0x00ff, 0x0100, 0xfe00, 0xfefe, 0xfeff, 0xff00, 0xfffe].map(
  (sum) => {
    const after = sum + 0x100 >= 0xffff ? (sum + 0x101) & 0xffff : sum + 0x100;
    return {
      name: `a header checksum of 0x${sum.toString(16).padStart(4, "0")} becomes 0x${after.toString(16).padStart(4, "0")}`,
      packet: `checksum_is(${sum},SENT/IP(src=A4,dst=B4,ttl=64)/U)`,
      becomes: out(B, `checksum_is(${after},ROUTED/IP(src=A4,dst=B4,ttl=63)/U)`),
    };
  },
);

const sumsOfSegments: readonly PacketCase[] = [
  forwarded("a UDP checksum of 0, which is none", `IP(src=A4,dst=B4,ttl=TTL)/UDP(sport=1000,dport=2000,chksum=0)/DATA`),
  forwarded("a UDP checksum of 0xffff", `IP(src=A4,dst=B4,ttl=TTL)/UDP(sport=1000,dport=2000,chksum=0xffff)/DATA`),
  forwarded("a wrong UDP checksum is the receiver's business", `${ip4}/UDP(sport=1000,dport=2000,chksum=0x1234)/DATA`),
  forwarded("a wrong TCP checksum too", `${ip4}/T("A",chksum=0x1234)/DATA`),
  {
    name: "the header checksum 0xffff, which sums up like 0, is taken",
    packet: `cut(checksum_is(0,SENT/IP(src=A4,dst=B4,ttl=64)/U),24)+b"\\xff\\xff"+bytes(checksum_is(0,SENT/IP(src=A4,dst=B4,ttl=64)/U))[26:]`,
    becomes: out(B, `checksum_is(0x100,ROUTED/IP(src=A4,dst=B4,ttl=63)/U)`),
  },
  {
    name: "a wrong header checksum",
    packet: `SENT/IP(src=A4,dst=B4,chksum=0x1234)/U`,
    becomes: dropped("checksum"),
  },
  {
    name: "a header checksum that forgets the options",
    packet: `SENT/IP(src=A4,dst=B4,options=[IPOption_NOP()]*4,chksum=0x9999)/U`,
    becomes: dropped("checksum"),
  },
];

const header6: readonly PacketCase[] = [
  forwarded("a hop limit of 2", `${ip6}/U`, 2),
  forwarded("a hop limit of 255", `${ip6}/U`, 255),
  forwarded("traffic class and flow label", `IPv6(src=A6,dst=B6,hlim=TTL,tc=0xbb,fl=0xabcde)/U`),
  forwarded("hop-by-hop options", `${ip6}/IPv6ExtHdrHopByHop(options=[RouterAlert()])/U`),
  forwarded("destination options", `${ip6}/IPv6ExtHdrDestOpt(options=[PadN(optdata=b"1234")])/U`),
  forwarded("a routing header", `${ip6}/IPv6ExtHdrRouting(segleft=0,addresses=[C6])/U`),
  forwarded("an atomic fragment", `${ip6}/IPv6ExtHdrFragment(id=9)/U`),
  forwarded("a first fragment of IPv6", `${ip6}/IPv6ExtHdrFragment(id=9,m=1)/U`),
  forwarded("a later fragment of IPv6", `${ip6}/IPv6ExtHdrFragment(id=9,offset=2,nh=17)/DATA`),
  forwarded(
    "all extension headers in the order of RFC 8200",
    `${ip6}/IPv6ExtHdrHopByHop()/IPv6ExtHdrDestOpt()/IPv6ExtHdrRouting(segleft=0)/IPv6ExtHdrFragment(id=9)/IPv6ExtHdrDestOpt()/U`,
  ),
  {
    name: "eight extension headers are the most; with nine nobody sees what it is",
    packet:
      "SENT/IPv6(src=A6,dst=B6)/IPv6ExtHdrDestOpt()/IPv6ExtHdrDestOpt()/IPv6ExtHdrDestOpt()/IPv6ExtHdrDestOpt()/IPv6ExtHdrDestOpt()/IPv6ExtHdrDestOpt()/IPv6ExtHdrDestOpt()/IPv6ExtHdrDestOpt()/IPv6ExtHdrDestOpt()/U",
    becomes: dropped("invalid-packet"),
  },
];

const lastHops: readonly PacketCase[] = [
  {
    name: "a TTL of 1 is reported and dropped",
    packet: "SENT/IP(src=A4,dst=B4,ttl=1)/U",
    becomes: trapped("ttl-expired", { nexthop: B, outInterface: B }, { drop: "ttl-expired" }),
  },
  {
    name: "a TTL of 0 too",
    packet: "SENT/IP(src=A4,dst=B4,ttl=0)/U",
    becomes: trapped("ttl-expired", { nexthop: B, outInterface: B }, { drop: "ttl-expired" }),
  },
  {
    name: "a hop limit of 1 too",
    packet: "SENT/IPv6(src=A6,dst=B6,hlim=1)/U",
    becomes: trapped("ttl-expired", { flags: 1, nexthop: B, outInterface: B }, { drop: "ttl-expired" }),
  },
  {
    name: "without a controller only dropped",
    given: { controller: false },
    packet: "SENT/IP(src=A4,dst=B4,ttl=1)/U",
    becomes: dropped("ttl-expired"),
  },
  {
    name: "a TTL of 1 is enough for the host",
    packet: 'SENT/IP(src=A4,dst="10.99.1.1",ttl=1)/U',
    becomes: { verdict: "host", packet: 'Ether(src=MAC_A,dst=FABRIC_MAC)/IP(src=A4,dst="10.99.1.1",ttl=1)/U' },
  },
  {
    name: "an expired packet without a route has no route",
    packet: 'SENT/IP(src=A4,dst="10.96.0.1",ttl=1)/U',
    becomes: trapped("no-route", {}, { drop: "no-route" }),
  },
];

/** A route's next hop, by the net that leads to it (node.ts), in IPv4 and IPv6. */
function toNexthop(name: string, net: number, becomes: (v6: boolean) => Expected): PacketCase[] {
  return [
    { name, packet: `SENT/IP(src=A4,dst="10.99.${net}.1",ttl=64)/U`, becomes: becomes(false) },
    { name: `${name}, IPv6`, packet: `SENT/IPv6(src=A6,dst="fd00:99:${net}::1",hlim=64)/U`, becomes: becomes(true) },
  ];
}

const nexthops: readonly PacketCase[] = [
  ...toNexthop("local is the host, with the device's MAC and the TTL as it was", 1, (v6) => ({
    verdict: "host",
    packet: v6
      ? 'Ether(src=MAC_A,dst=FABRIC_MAC)/IPv6(src=A6,dst="fd00:99:1::1",hlim=64)/U'
      : 'Ether(src=MAC_A,dst=FABRIC_MAC)/IP(src=A4,dst="10.99.1.1",ttl=64)/U',
  })),
  ...toNexthop("discard", 2, () => dropped("discard")),
  ...toNexthop("resolve asks the slow path", 3, (v6) =>
    trapped("resolve", { flags: v6 ? 1 : 0, nexthop: RESOLVE, outInterface: B }),
  ),
  ...toNexthop("an interface whose MAC is not known asks for it", 4, (v6) =>
    trapped("resolve", { flags: v6 ? 1 : 0, nexthop: UNRESOLVED, outInterface: B }),
  ),
  ...toNexthop("one that is down", 5, () => dropped("no-nexthop")),
  ...toNexthop("one that is gone", 7, () => dropped("no-nexthop")),
  {
    name: "to resolve without a controller",
    given: { controller: false },
    packet: 'SENT/IP(src=A4,dst="10.99.3.1")/U',
    becomes: dropped("no-controller"),
  },
  {
    name: "no route",
    packet: 'SENT/IP(src=A4,dst="10.96.0.1")/U',
    becomes: trapped("no-route", {}, { drop: "no-route" }),
  },
  {
    name: "no route, IPv6",
    packet: 'SENT/IPv6(src=A6,dst="fd00:96::1")/U',
    becomes: trapped("no-route", { flags: 1 }, { drop: "no-route" }),
  },
  {
    name: "no route and no controller",
    given: { controller: false },
    packet: 'SENT/IP(src=A4,dst="10.96.0.1")/U',
    becomes: dropped("no-route"),
  },
  {
    name: "the longest prefix wins, whatever the order",
    given: {
      routes: [
        ["10.96.1.7/32", B],
        ["10.96.1.0/24", DISCARD],
        ["10.96.0.0/16", LOCAL],
        ["0.0.0.0/0", MISSING, { flags: ROUTE_DEFAULT }],
      ],
    },
    packet: 'SENT/IP(src=A4,dst="10.96.1.7",ttl=64)/U',
    becomes: out(B, 'ROUTED/IP(src=A4,dst="10.96.1.7",ttl=63)/U'),
  },
  {
    name: "the next shorter prefix takes the neighbour",
    given: {
      routes: [
        ["10.96.1.7/32", B],
        ["10.96.1.0/24", DISCARD],
        ["10.96.0.0/16", LOCAL],
      ],
    },
    packet: 'SENT/IP(src=A4,dst="10.96.1.8")/U',
    becomes: dropped("discard"),
  },
  {
    name: "a default route takes the rest",
    given: { routes: [["0.0.0.0/0", B, { flags: ROUTE_DEFAULT }]] },
    packet: 'SENT/IP(src=A4,dst="8.8.8.8",ttl=64)/U',
    becomes: out(B, 'ROUTED/IP(src=A4,dst="8.8.8.8",ttl=63)/U'),
  },
  {
    name: "a default route of IPv6 too",
    given: { routes: [["::/0", B, { flags: ROUTE_DEFAULT }]] },
    packet: 'SENT/IPv6(src=A6,dst="2001:db8::1",hlim=64)/U',
    becomes: out(B, 'ROUTED/IPv6(src=A6,dst="2001:db8::1",hlim=63)/U'),
  },
  {
    name: "but not what is of link scope (RFC 3927)",
    given: { routes: [["0.0.0.0/0", B, { flags: ROUTE_DEFAULT }]] },
    packet: 'SENT/IP(src=A4,dst="169.254.1.1")/U',
    becomes: trapped("no-route", {}, { drop: "no-route" }),
  },
  {
    name: "nor fe80::/10 (RFC 4291)",
    given: { routes: [["::/0", B, { flags: ROUTE_DEFAULT }]] },
    packet: 'SENT/IPv6(src=A6,dst="fe80::1")/U',
    becomes: trapped("no-route", { flags: 1 }, { drop: "no-route" }),
  },
  {
    name: "a multicast address is not routed",
    given: { routes: [["224.0.0.0/4", B]] },
    packet: 'SENT/IP(src=A4,dst="239.1.2.3")/U',
    becomes: dropped("broadcast"),
  },
  {
    name: "nor the broadcast address",
    packet: 'SENT/IP(src=A4,dst="255.255.255.255")/U',
    becomes: dropped("broadcast"),
  },
  {
    name: "nor ff00::/8",
    packet: 'SENT/IPv6(src=A6,dst="ff0e::1")/U',
    becomes: dropped("broadcast"),
  },
  {
    name: "a packet may go back out of the interface that it came from",
    packet: "SENT/IP(src=A4,dst=A4,ttl=64)/U",
    becomes: out(1, "TO_A/IP(src=A4,dst=A4,ttl=63)/U"),
  },
  {
    name: "the device's own MAC is the router's too",
    packet: "Ether(src=MAC_A,dst=FABRIC_MAC)/IP(src=A4,dst=B4,ttl=64)/U",
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63)/U"),
  },
  {
    name: "another VRF's route is not found",
    packet: "SENT/IP(src=A4,dst=D4)/U",
    becomes: trapped("no-route", {}, { drop: "no-route" }),
  },
  {
    name: "the interface of a next hop is down",
    given: { interfaces: { [B]: { flags: INTERFACE_DOWN, nexthopFlags: 8 } } },
    packet: "SENT/IP(src=A4,dst=B4)/U",
    becomes: dropped("no-nexthop"),
  },
];

const limits: readonly PacketCase[] = [
  {
    name: "an error that the slow path may not be asked for again is dropped as what it is",
    given: { trapsSpent: true },
    packet: 'SENT/IP(src=A4,dst="10.96.0.1")/U',
    becomes: dropped("no-route"),
  },
  {
    name: "a packet to resolve beyond the limit is dropped for it",
    given: { trapsSpent: true },
    packet: 'SENT/IP(src=A4,dst="10.99.3.1")/U',
    becomes: dropped("trap-limit"),
  },
  {
    name: "a packet that the slow path cannot take is not for it",
    given: { config: { trapBytes: 49 } },
    packet: 'SENT/IP(src=A4,dst="10.99.3.1")/U',
    becomes: dropped("trap-too-big"),
  },
  {
    name: "one that it can just take is",
    given: { config: { trapBytes: 50 } },
    packet: 'SENT/IP(src=A4,dst="10.99.3.1")/U',
    becomes: trapped("resolve", { nexthop: RESOLVE, outInterface: B }),
  },
];

/** Of the outgoing next hop, layer 3 bytes; NARROW takes 100. */
const sizes: readonly PacketCase[] = [
  {
    name: "100 bytes fit into 100",
    packet: 'SENT/IP(src=A4,dst="10.99.6.1",ttl=64,flags="DF")/UDP(sport=1000,dport=2000)/(b"x"*72)',
    becomes: out(B, 'ROUTED/IP(src=A4,dst="10.99.6.1",ttl=63,flags="DF")/UDP(sport=1000,dport=2000)/(b"x"*72)'),
  },
  {
    name: "101 do not, and are reported where they may not be fragmented",
    packet: 'SENT/IP(src=A4,dst="10.99.6.1",flags="DF")/UDP(sport=1000,dport=2000)/(b"x"*73)',
    becomes: trapped("packet-too-big", { nexthop: NARROW, outInterface: B }, { drop: "packet-too-big" }),
  },
  {
    name: "else they are fragmented by the slow path",
    packet: 'SENT/IP(src=A4,dst="10.99.6.1")/UDP(sport=1000,dport=2000)/(b"x"*73)',
    becomes: trapped("packet-too-big", { nexthop: NARROW, outInterface: B, flags: TRAP_FLAG_DIVIDE }),
  },
  {
    name: "IPv6 of 100 bytes fits",
    packet: 'SENT/IPv6(src=A6,dst="fd00:99:6::1",hlim=64)/UDP(sport=1000,dport=2000)/(b"x"*52)',
    becomes: out(B, 'ROUTED/IPv6(src=A6,dst="fd00:99:6::1",hlim=63)/UDP(sport=1000,dport=2000)/(b"x"*52)'),
  },
  {
    name: "IPv6 of 101 is always reported",
    packet: 'SENT/IPv6(src=A6,dst="fd00:99:6::1")/UDP(sport=1000,dport=2000)/(b"x"*53)',
    becomes: trapped("packet-too-big", { flags: 1, nexthop: NARROW, outInterface: B }, { drop: "packet-too-big" }),
  },
  {
    name: "padding does not count",
    packet:
      'SENT/IP(src=A4,dst="10.99.6.1",ttl=64,flags="DF")/UDP(sport=1000,dport=2000)/(b"x"*72)/Padding(b"\\x00"*20)',
    becomes: out(
      B,
      'ROUTED/IP(src=A4,dst="10.99.6.1",ttl=63,flags="DF")/UDP(sport=1000,dport=2000)/(b"x"*72)/Padding(b"\\x00"*20)',
    ),
  },
];

export const routing: readonly Topic[] = [
  { name: "routing: what is carried", cases: upperLayers },
  { name: "routing: the IPv4 header", cases: header4 },
  { name: "routing: checksums", cases: [...sums4, ...sumsOfSegments] },
  { name: "routing: the IPv6 header", cases: header6 },
  { name: "routing: the last hop", cases: lastHops },
  { name: "routing: next hops", cases: nexthops },
  { name: "routing: the slow path's limits", cases: limits },
  { name: "routing: sizes", cases: sizes },
];
