// SPDX-License-Identifier: Apache-2.0
/** What the program answers itself: ARP (RFC 826, 5227), neighbour discovery (RFC 4861) and echoes to the gateway. */

import { INTERFACE_PROXY_ARP, ROUTE_DEFAULT } from "../../../sdk/layout/generated.ts";
import { A, B, DISCARD, FABRIC, HOST, MISSING } from "./node.ts";
import { answered, dropped, out, type PacketCase, type Topic, toHost, trapped } from "./packet_case.ts";

const PROXY = { interfaces: { [A]: { flags: INTERFACE_PROXY_ARP } } };

const arp: readonly PacketCase[] = [
  {
    name: "a request for the gateway",
    packet: "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=GW4)",
    becomes: answered("TO_A/ARP(op=2,hwsrc=GW,psrc=GW4,hwdst=MAC_A,pdst=A4)"),
  },
  {
    name: "a request to the gateway's MAC, as a kernel asks again",
    packet: "SENT/ARP(hwsrc=MAC_A,psrc=A4,pdst=GW4,hwdst=GW)",
    becomes: answered("TO_A/ARP(op=2,hwsrc=GW,psrc=GW4,hwdst=MAC_A,pdst=A4)"),
  },
  {
    name: "a probe for the gateway has no sender (RFC 5227)",
    packet: 'Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc="0.0.0.0",pdst=GW4)',
    becomes: answered('TO_A/ARP(op=2,hwsrc=GW,psrc=GW4,hwdst=MAC_A,pdst="0.0.0.0")'),
  },
  {
    name: "padding stays behind the answer",
    packet: 'Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=GW4)/Padding(b"\\x00"*18)',
    becomes: answered('TO_A/ARP(op=2,hwsrc=GW,psrc=GW4,hwdst=MAC_A,pdst=A4)/Padding(b"\\x00"*18)'),
  },
  {
    name: "the answer goes to who sent the frame, about whom ARP names",
    packet: "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_C,psrc=A4,pdst=GW4)",
    becomes: answered("TO_A/ARP(op=2,hwsrc=GW,psrc=GW4,hwdst=MAC_C,pdst=A4)"),
  },
  {
    name: "a request for a neighbour is nobody's without proxy",
    packet: "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=B4)",
    becomes: dropped("broadcast"),
  },
  {
    name: "with proxy the bridge's MAC is given where it has one (stitched)",
    given: PROXY,
    packet: "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=B4)",
    becomes: answered("Ether(src=MAC_B,dst=MAC_A)/ARP(op=2,hwsrc=MAC_B,psrc=B4,hwdst=MAC_A,pdst=A4)"),
  },
  {
    name: "else the gateway's: it is routed",
    given: { ...PROXY, routes: [["10.96.0.0/16", B]], nexthops: { [B]: { type: "interface", interface: B } } },
    packet: 'Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst="10.96.0.1")',
    becomes: answered('TO_A/ARP(op=2,hwsrc=GW,psrc="10.96.0.1",hwdst=MAC_A,pdst=A4)'),
  },
  {
    name: "with proxy for an address behind a tunnel",
    given: PROXY,
    packet: "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=FAR4)",
    becomes: answered("TO_A/ARP(op=2,hwsrc=GW,psrc=FAR4,hwdst=MAC_A,pdst=A4)"),
  },
  {
    name: "no proxy for the asker's own address: that is how a duplicate is looked for",
    given: PROXY,
    packet: 'Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc="0.0.0.0",pdst=A4)',
    becomes: dropped("broadcast"),
  },
  {
    name: "nor for what lies behind the asker",
    given: { ...PROXY, routes: [["10.96.1.0/24", A]] },
    packet: 'Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst="10.96.1.1")',
    becomes: dropped("broadcast"),
  },
  {
    name: "nor for what only a default route covers",
    given: { ...PROXY, routes: [["0.0.0.0/0", B, { flags: ROUTE_DEFAULT }]] },
    packet: 'Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst="10.96.1.1")',
    becomes: dropped("broadcast"),
  },
  {
    name: "nor for what is discarded, or leads nowhere",
    given: {
      ...PROXY,
      routes: [
        ["10.96.1.0/24", DISCARD],
        ["10.96.1.1/32", MISSING],
      ],
    },
    packet: 'Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst="10.96.1.1")',
    becomes: dropped("broadcast"),
  },
  {
    name: "an announcement is no question",
    given: PROXY,
    packet: "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=A4)",
    becomes: dropped("broadcast"),
  },
  {
    name: "a reply to the router is for the controller",
    packet: "SENT/ARP(op=2,hwsrc=MAC_A,psrc=A4,hwdst=GW,pdst=GW4)",
    becomes: trapped("arp"),
  },
  {
    name: "ARP for something else than IPv4 over Ethernet is nobody's",
    packet: "Ether(src=MAC_A,dst=ALL)/ARP(hwtype=6,hwsrc=MAC_A,psrc=A4,pdst=GW4)",
    becomes: dropped("broadcast"),
  },
  {
    name: "ARP that is cut short",
    packet: "cut(Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=GW4),41)",
    becomes: dropped("invalid-packet"),
  },
  {
    name: "a request to one neighbour is bridged",
    packet: "BRIDGED/ARP(hwsrc=MAC_A,psrc=A4,pdst=B4)",
    becomes: out(B, "BRIDGED/ARP(hwsrc=MAC_A,psrc=A4,pdst=B4)"),
  },
  {
    name: "a request on the fabric is the host's",
    on: FABRIC,
    packet: 'Ether(src=PEER_MAC,dst=ALL)/ARP(hwsrc=PEER_MAC,psrc="192.0.2.2",pdst="192.0.2.1")',
    becomes: toHost,
  },
  {
    name: "one on the host's own interface too",
    on: HOST,
    packet: "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=GW4)",
    becomes: toHost,
  },
];

const NS = "ICMPv6ND_NS(tgt=GW6)/ICMPv6NDOptSrcLLAddr(lladdr=MAC_A)";
const NA = (target: string, mac: string, flags: string) =>
  `ICMPv6ND_NA(tgt=${target},${flags})/ICMPv6NDOptDstLLAddr(lladdr=${mac})`;

const nd: readonly PacketCase[] = [
  {
    name: "a solicitation for the gateway",
    packet: `Ether(src=MAC_A,dst="33:33:ff:00:00:fe")/IPv6(src=A6,dst="ff02::1:ff00:fe",hlim=255)/${NS}`,
    becomes: answered(`TO_A/IPv6(src=GW6,dst=A6,hlim=255)/${NA("GW6", "GW", "R=1,S=1,O=1")}`),
  },
  {
    name: "one to the gateway itself, as a kernel asks again",
    packet: `SENT/IPv6(src=A6,dst=GW6,hlim=255)/${NS}`,
    becomes: answered(`TO_A/IPv6(src=GW6,dst=A6,hlim=255)/${NA("GW6", "GW", "R=1,S=1,O=1")}`),
  },
  {
    name: "one without the sender's MAC",
    packet: `SENT/IPv6(src=A6,dst=GW6,hlim=255)/ICMPv6ND_NS(tgt=GW6)`,
    becomes: answered(`TO_A/IPv6(src=GW6,dst=A6,hlim=255)/${NA("GW6", "GW", "R=1,S=1,O=1")}`),
  },
  {
    name: "one with further options",
    packet: `SENT/IPv6(src=A6,dst=GW6,hlim=255)/${NS}/ICMPv6NDOptUnknown(type=14,data=b"123456")`,
    becomes: answered(`TO_A/IPv6(src=GW6,dst=A6,hlim=255)/${NA("GW6", "GW", "R=1,S=1,O=1")}`),
  },
  {
    name: "duplicate address detection of the gateway's is answered to all (RFC 4861 section 7.2.4)",
    packet:
      'Ether(src=MAC_A,dst="33:33:ff:00:00:fe")/IPv6(src="::",dst="ff02::1:ff00:fe",hlim=255)/ICMPv6ND_NS(tgt=GW6)',
    becomes: answered(`TO_A/IPv6(src=GW6,dst="ff02::1",hlim=255)/${NA("GW6", "GW", "R=1,S=0,O=1")}`),
  },
  {
    name: "with proxy the bridge's MAC is given where it has one",
    given: PROXY,
    packet:
      'Ether(src=MAC_A,dst="33:33:ff:00:00:02")/IPv6(src=A6,dst="ff02::1:ff00:2",hlim=255)/ICMPv6ND_NS(tgt=B6)/ICMPv6NDOptSrcLLAddr(lladdr=MAC_A)',
    becomes: answered(`Ether(src=MAC_B,dst=MAC_A)/IPv6(src=B6,dst=A6,hlim=255)/${NA("B6", "MAC_B", "R=0,S=1,O=1")}`),
  },
  {
    name: "with proxy for what is behind a tunnel the gateway's",
    given: PROXY,
    packet:
      'Ether(src=MAC_A,dst="33:33:ff:00:00:02")/IPv6(src=A6,dst="ff02::1:ff00:2",hlim=255)/ICMPv6ND_NS(tgt=FAR6)/ICMPv6NDOptSrcLLAddr(lladdr=MAC_A)',
    becomes: answered(`TO_A/IPv6(src=FAR6,dst=A6,hlim=255)/${NA("FAR6", "GW", "R=0,S=1,O=1")}`),
  },
  {
    name: "not without proxy",
    packet: 'Ether(src=MAC_A,dst="33:33:ff:00:00:02")/IPv6(src=A6,dst="ff02::1:ff00:2",hlim=255)/ICMPv6ND_NS(tgt=B6)',
    becomes: dropped("broadcast"),
  },
  {
    name: "not for the asker's own address",
    given: PROXY,
    packet: 'Ether(src=MAC_A,dst="33:33:ff:00:00:01")/IPv6(src="::",dst="ff02::1:ff00:1",hlim=255)/ICMPv6ND_NS(tgt=A6)',
    becomes: dropped("broadcast"),
  },
  {
    name: "a hop limit of 254 has passed a router: not valid",
    packet: `SENT/IPv6(src=A6,dst=GW6,hlim=254)/${NS}`,
    becomes: dropped("invalid-packet"),
  },
  {
    name: "a code that is not 0 is not valid",
    packet: "SENT/IPv6(src=A6,dst=GW6,hlim=255)/ICMPv6ND_NS(code=1,tgt=GW6)",
    becomes: dropped("invalid-packet"),
  },
  {
    name: "a multicast target is not valid",
    packet: 'SENT/IPv6(src=A6,dst=GW6,hlim=255)/ICMPv6ND_NS(tgt="ff02::1")',
    becomes: dropped("invalid-packet"),
  },
  {
    name: "a solicitation that ends within its target",
    packet: "SENT/IPv6(src=A6,dst=GW6,hlim=255,nh=58)/bytes(IPv6(src=A6,dst=GW6)/ICMPv6ND_NS(tgt=GW6))[40:56]",
    becomes: dropped("invalid-packet"),
  },
  {
    name: "an advertisement to the router is for the controller",
    packet: `SENT/IPv6(src=A6,dst=GW6,hlim=255)/${NA("A6", "MAC_A", "R=0,S=1,O=1")}`,
    becomes: trapped("neighbour-discovery", { flags: 1 }),
  },
  {
    name: "a solicitation on the fabric is the host's",
    on: FABRIC,
    packet:
      'Ether(src=PEER_MAC,dst="33:33:ff:00:00:01")/IPv6(src="fd00:192::2",dst="ff02::1:ff00:1",hlim=255)/ICMPv6ND_NS(tgt="fd00:192::1")',
    becomes: toHost,
  },
];

const echoes: readonly PacketCase[] = [
  {
    name: "an echo to the gateway",
    packet: "SENT/IP(src=A4,dst=GW4,ttl=64)/ICMP(id=77,seq=1)/DATA",
    becomes: answered("TO_A/IP(src=GW4,dst=A4,ttl=64)/ICMP(type=0,id=77,seq=1)/DATA"),
  },
  {
    name: "of IPv6",
    packet: "SENT/IPv6(src=A6,dst=GW6,hlim=64)/ICMPv6EchoRequest(id=77,seq=1,data=DATA)",
    becomes: answered("TO_A/IPv6(src=GW6,dst=A6,hlim=64)/ICMPv6EchoReply(id=77,seq=1,data=DATA)"),
  },
  ...[0x0000, 0x07ff, 0xf7fe, 0xf7ff, 0xf800, 0xfffe].map((sum): PacketCase => {
    const after = sum + 0x800 >= 0xffff ? (sum + 0x801) & 0xffff : sum + 0x800;
    return {
      name: `an ICMP checksum of 0x${sum.toString(16).padStart(4, "0")} becomes 0x${after.toString(16).padStart(4, "0")}`,
      packet: `segment_checksum_is(${sum},ICMP,"id",SENT/IP(src=A4,dst=GW4,ttl=64)/ICMP(seq=1)/DATA)`,
      becomes: answered(
        `segment_checksum_is(${after},ICMP,"id",TO_A/IP(src=GW4,dst=A4,ttl=64)/ICMP(type=0,seq=1)/DATA)`,
      ),
    };
  }),
  {
    name: "with IP options they stay as they came",
    packet: "SENT/IP(src=A4,dst=GW4,ttl=64,options=[IPOption_NOP()]*4)/ICMP(id=77,seq=1)",
    becomes: answered("TO_A/IP(src=GW4,dst=A4,ttl=64,options=[IPOption_NOP()]*4)/ICMP(type=0,id=77,seq=1)"),
  },
  {
    name: "a TTL of 1 is enough where a packet ends",
    packet: "SENT/IP(src=A4,dst=GW4,ttl=1)/ICMP(id=77,seq=1)",
    becomes: answered("TO_A/IP(src=GW4,dst=A4,ttl=1)/ICMP(type=0,id=77,seq=1)"),
  },
  {
    name: "the first fragment of a long echo",
    packet: 'SENT/IP(src=A4,dst=GW4,ttl=64,flags="MF",id=9)/ICMP(id=77,seq=1,chksum=0x1234)/DATA',
    becomes: answered('TO_A/IP(src=GW4,dst=A4,ttl=64,flags="MF",id=9)/ICMP(type=0,id=77,seq=1,chksum=0x1a34)/DATA'),
  },
  {
    name: "a later fragment of it goes back too",
    packet: "SENT/IP(src=A4,dst=GW4,ttl=64,frag=2,id=9,proto=1)/DATA",
    becomes: answered("TO_A/IP(src=GW4,dst=A4,ttl=64,frag=2,id=9,proto=1)/DATA"),
  },
  {
    name: "to a neighbour it is routed",
    packet: "SENT/IP(src=A4,dst=B4,ttl=64)/ICMP(id=77,seq=1)",
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63)/ICMP(id=77,seq=1)"),
  },
  {
    name: "to the gateway by a group frame nobody answers",
    packet: "Ether(src=MAC_A,dst=ALL)/IP(src=A4,dst=GW4)/ICMP(id=77,seq=1)",
    becomes: dropped("broadcast"),
  },
  {
    name: "anything else to the gateway has no route",
    packet: "SENT/IP(src=A4,dst=GW4)/U",
    becomes: trapped("no-route", {}, { drop: "no-route" }),
  },
];

export const answers: readonly Topic[] = [
  { name: "answers: ARP", cases: arp },
  { name: "answers: neighbour discovery", cases: nd },
  { name: "answers: echo", cases: echoes },
];
