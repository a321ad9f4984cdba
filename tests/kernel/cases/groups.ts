// SPDX-License-Identifier: Apache-2.0
/** Broadcast and multicast: who is told, and who gets copies. */

import { tunnelCases, tunnelId } from "../pipeline_tunnels.ts";
import { A, B, C, FABRIC, MISSING } from "./node.ts";
import { type Copy, copies, dropped, type PacketCase, type Topic, toHost, trapped } from "./packet_case.ts";

const FLOOD = 60;
const EVERYBODY = "ff:ff:ff:ff:ff:ff";
const U4 = "IP(src=A4,dst=B4,ttl=64)/U";

const single: readonly PacketCase[] = [
  {
    name: "a broadcast without members",
    packet: "Ether(src=MAC_A,dst=ALL)/IP(src=A4,dst='255.255.255.255')/U",
    becomes: dropped("broadcast"),
  },
  {
    name: "a multicast without members",
    packet: 'Ether(src=MAC_A,dst="01:00:5e:01:02:03")/IP(src=A4,dst="239.1.2.3")/U',
    becomes: dropped("broadcast"),
  },
  {
    name: "a group frame of another protocol",
    packet: 'Ether(src=MAC_A,dst="01:80:c2:00:00:00",type=0x88b5)/(b"x"*46)',
    becomes: dropped("broadcast"),
  },
  {
    name: "a DHCP request is for the controller",
    packet:
      'Ether(src=MAC_A,dst=ALL)/IP(src="0.0.0.0",dst="255.255.255.255")/UDP(sport=68,dport=67)/BOOTP(chaddr=b"12")/DHCP(options=[("message-type","discover"),"end"])',
    becomes: trapped("dhcp"),
  },
  {
    name: "a DHCPv6 request too",
    packet:
      'Ether(src=MAC_A,dst="33:33:00:01:00:02")/IPv6(src="fe80::1",dst="ff02::1:2")/UDP(sport=546,dport=547)/DHCP6_Solicit()',
    becomes: trapped("dhcp", { flags: 1 }),
  },
  {
    name: "DHCP without a controller",
    given: { controller: false },
    packet: 'Ether(src=MAC_A,dst=ALL)/IP(src="0.0.0.0",dst="255.255.255.255")/UDP(sport=68,dport=67)/BOOTP()',
    becomes: dropped("no-controller"),
  },
  {
    name: "a DHCP answer from a workload is a broadcast like others",
    packet: 'Ether(src=MAC_A,dst=ALL)/IP(src=A4,dst="255.255.255.255")/UDP(sport=67,dport=68)/BOOTP(op=2)',
    becomes: dropped("broadcast"),
  },
  {
    name: "an IGMP report (RFC 2236)",
    packet:
      'Ether(src=MAC_A,dst="01:00:5e:01:02:03")/IP(src=A4,dst="239.1.2.3",ttl=1,options=[IPOption_Router_Alert()])/IGMP(type=0x16,gaddr="239.1.2.3")',
    becomes: trapped("igmp"),
  },
  {
    name: "an MLDv2 report behind its hop-by-hop header (RFC 3810)",
    packet:
      'Ether(src=MAC_A,dst="33:33:00:00:00:16")/IPv6(src="fe80::1",dst="ff02::16",hlim=1)/IPv6ExtHdrHopByHop(options=[RouterAlert()])/ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(dst="ff02::99")])',
    becomes: trapped("igmp", { flags: 1 }),
  },
  {
    name: "an MLD report of the first version (RFC 2710)",
    packet:
      'Ether(src=MAC_A,dst="33:33:00:00:00:99")/IPv6(src="fe80::1",dst="ff02::99",hlim=1)/ICMPv6MLReport(mladdr="ff02::99")',
    becomes: trapped("igmp", { flags: 1 }),
  },
  {
    name: "a router solicitation is a group frame like others",
    packet: 'Ether(src=MAC_A,dst="33:33:00:00:00:02")/IPv6(src="fe80::1",dst="ff02::2",hlim=255)/ICMPv6ND_RS()',
    becomes: dropped("broadcast"),
  },
  {
    name: "a broadcast on the fabric is the host's",
    on: FABRIC,
    packet: 'Ether(src=PEER_MAC,dst=ALL)/IP(src="192.0.2.2",dst="192.0.2.255")/U',
    becomes: toHost,
  },
];

const [vxlan] = tunnelCases;
const tunnel = vxlan === undefined ? 0 : tunnelId(vxlan);
const broadcast = 'Ether(src=MAC_A,dst=ALL)/IP(src=A4,dst="255.255.255.255",ttl=64)/U';
const OUTER =
  'Ether(src=FABRIC_MAC,dst=PEER_MAC)/IP(src="192.0.2.1",dst="192.0.2.2",ttl=64,id=0,flags="DF")/UDP(sport=0,dport=4789,chksum=0)/VXLAN(vni=77,flags="Instance")';
const IN =
  'Ether(src=PEER_MAC,dst=FABRIC_MAC)/IP(src="192.0.2.2",dst="192.0.2.1",ttl=64,id=0,flags="DF")/UDP(sport=50000,dport=4789,chksum=0)/VXLAN(vni=77,flags="Instance")';
const given = {
  groups: {
    [FLOOD]: {
      type: "flood",
      members: [{ nexthop: A }, { nexthop: B }, { nexthop: C }, { nexthop: tunnel, vni: 77 }],
    },
  },
  fdb: [[EVERYBODY, FLOOD]],
} as const;
const to = (id: number, packet: string): Copy => ({ interface: id, packet });

const floods: readonly PacketCase[] = [
  {
    name: "a broadcast reaches all members but its sender",
    given,
    packet: broadcast,
    becomes: copies(to(B, broadcast), to(C, broadcast), { ...to(FABRIC, `${OUTER}/${broadcast}`), entropy: true }),
  },
  {
    name: "so does a question that nobody here answers",
    given,
    packet: "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=B4)",
    becomes: copies(
      to(B, "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=B4)"),
      to(C, "Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=B4)"),
      { ...to(FABRIC, `${OUTER}/Ether(src=MAC_A,dst=ALL)/ARP(hwsrc=MAC_A,psrc=A4,pdst=B4)`), entropy: true },
    ),
  },
  {
    name: "and a frame of another protocol",
    given,
    packet: 'Ether(src=MAC_A,dst="01:80:c2:00:00:00",type=0x88b5)/(b"x"*46)',
    becomes: copies(
      to(B, 'Ether(src=MAC_A,dst="01:80:c2:00:00:00",type=0x88b5)/(b"x"*46)'),
      to(C, 'Ether(src=MAC_A,dst="01:80:c2:00:00:00",type=0x88b5)/(b"x"*46)'),
      { ...to(FABRIC, `${OUTER}/Ether(src=MAC_A,dst="01:80:c2:00:00:00",type=0x88b5)/(b"x"*46)`), entropy: true },
    ),
  },
  {
    name: "a broadcast out of a tunnel reaches the workloads, and no other node",
    given,
    on: FABRIC,
    packet: `${IN}/Ether(src=MAC_FAR,dst=ALL)/IP(src=FAR4,dst="255.255.255.255")/U`,
    becomes: copies(
      ...[A, B, C].map((id) => to(id, 'Ether(src=MAC_FAR,dst=ALL)/IP(src=FAR4,dst="255.255.255.255")/U')),
    ),
  },
  {
    name: "a group of its own goes before the broadcast's",
    given: {
      ...given,
      groups: { ...given.groups, 61: { type: "flood", members: [{ nexthop: C }] } },
      fdb: [
        [EVERYBODY, FLOOD],
        ["01:00:5e:01:02:03", 61],
      ],
    },
    packet: 'Ether(src=MAC_A,dst="01:00:5e:01:02:03")/IP(src=A4,dst="239.1.2.3")/U',
    becomes: copies(to(C, 'Ether(src=MAC_A,dst="01:00:5e:01:02:03")/IP(src=A4,dst="239.1.2.3")/U')),
  },
  {
    name: "unknown unicast where the VRF says so",
    given: { ...given, floodUnknown: true },
    packet: `Ether(src=MAC_A,dst=MAC_NOBODY)/${U4}`,
    becomes: copies(to(B, `Ether(src=MAC_A,dst=MAC_NOBODY)/${U4}`), to(C, `Ether(src=MAC_A,dst=MAC_NOBODY)/${U4}`), {
      ...to(FABRIC, `${OUTER}/Ether(src=MAC_A,dst=MAC_NOBODY)/${U4}`),
      entropy: true,
    }),
  },
  {
    name: "a member that is gone is counted, the others get theirs",
    given: {
      groups: { [FLOOD]: { type: "flood", members: [{ nexthop: MISSING }, { nexthop: B }] } },
      fdb: [[EVERYBODY, FLOOD]],
    },
    packet: broadcast,
    becomes: { verdict: "copies", copies: [to(B, broadcast)], drops: { "no-nexthop": 1 } },
  },
  {
    name: "a member that the frame does not fit is counted",
    given: {
      ...given,
      groups: { [FLOOD]: { type: "flood", members: [{ nexthop: B }, { nexthop: C }] } },
      interfaces: { [C]: { mtu: 40 } },
    },
    packet: `Ether(src=MAC_A,dst=ALL)/IP(src=A4,dst="255.255.255.255")/UDP(sport=1,dport=2)/(b"x"*20)`,
    becomes: {
      verdict: "copies",
      copies: [to(B, `Ether(src=MAC_A,dst=ALL)/IP(src=A4,dst="255.255.255.255")/UDP(sport=1,dport=2)/(b"x"*20)`)],
      drops: { "packet-too-big": 1 },
    },
  },
];

export const groups: readonly Topic[] = [
  { name: "groups: frames for one or nobody", cases: single },
  { name: "groups: floods", cases: floods },
];
