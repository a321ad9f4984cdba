// SPDX-License-Identifier: Apache-2.0
/** Interfaces with policy: misses, holds and decided flows; what follows a flow without being of it. */

import {
  FLOW_FLAG_SINGLE,
  INTERFACE_POLICY,
  NEXTHOP_FLAG_POLICY,
  TRAP_FLAG_BRIDGED,
  TRAP_FLAG_HOLD_OWNER,
  TRAP_FLAG_IPV6,
} from "../../../sdk/layout/generated.ts";
import { tunnelCases, tunnelId } from "../pipeline_tunnels.ts";
import { A, B, DOWN, FABRIC, LOCAL } from "./node.ts";
import { dropped, out, type PacketCase, type State, type Topic, trapped, tunnelled } from "./packet_case.ts";

/** What A sends is decided. */
const POLICY: State = { interfaces: { [A]: { flags: INTERFACE_POLICY } } };
const V4 = { source: "10.97.0.1", destination: "10.97.0.2" };
const V6 = { source: "fd00:97::1", destination: "fd00:97::2" };
const [vxlan] = tunnelCases;
const tunnel = vxlan === undefined ? 0 : tunnelId(vxlan);
const U4 = "IP(src=A4,dst=B4,ttl=64)/U";
const forward4 = out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63)/U");

const MISS = { flags: TRAP_FLAG_HOLD_OWNER, nexthop: B, reverseNexthop: A, outInterface: B, generation: 1 };
const MISS6 = { ...MISS, flags: TRAP_FLAG_HOLD_OWNER | TRAP_FLAG_IPV6 };
const times = (count: number, packet: string) => Array.from({ length: count }, () => ({ packet }));

const misses: readonly PacketCase[] = [
  {
    name: "the first packet of a flow asks for a decision",
    given: POLICY,
    packet: `SENT/${U4}`,
    becomes: trapped("flow-miss", MISS),
  },
  {
    name: "of IPv6",
    given: POLICY,
    packet: "SENT/IPv6(src=A6,dst=B6)/U",
    becomes: trapped("flow-miss", MISS6),
  },
  {
    name: "of TCP",
    given: POLICY,
    packet: 'SENT/IP(src=A4,dst=B4)/T("S")',
    becomes: trapped("flow-miss", MISS),
  },
  {
    name: "of SCTP",
    given: POLICY,
    packet: "SENT/IP(src=A4,dst=B4)/SCTP(sport=1,dport=2)/SCTPChunkInit()",
    becomes: trapped("flow-miss", MISS),
  },
  {
    name: "an echo",
    given: POLICY,
    packet: "SENT/IP(src=A4,dst=B4)/ICMP(id=77)",
    becomes: trapped("flow-miss", MISS),
  },
  {
    name: "a protocol without ports",
    given: POLICY,
    packet: "SENT/IP(src=A4,dst=B4,proto=99)/DATA",
    becomes: trapped("flow-miss", MISS),
  },
  {
    name: "a bridged packet, whose next hop the fdb knows",
    given: POLICY,
    packet: `BRIDGED/${U4}`,
    becomes: trapped("flow-miss", { ...MISS, flags: TRAP_FLAG_HOLD_OWNER | TRAP_FLAG_BRIDGED }),
  },
  {
    name: "a packet to an interface with policy from one without",
    given: { interfaces: { [B]: { nexthopFlags: NEXTHOP_FLAG_POLICY } } },
    packet: `SENT/${U4}`,
    becomes: trapped("flow-miss", MISS),
  },
  {
    name: "a packet for the host",
    given: POLICY,
    packet: 'SENT/IP(src=A4,dst="10.99.1.1")/U',
    becomes: trapped("flow-miss", { ...MISS, nexthop: LOCAL, outInterface: 0 }),
  },
  {
    name: "a packet into a tunnel",
    given: POLICY,
    packet: "SENT/IP(src=A4,dst=FAR4)/U",
    becomes: trapped("flow-miss", { ...MISS, nexthop: tunnel, outInterface: 0 }),
  },
  {
    name: "generations go on",
    given: { ...POLICY, before: times(1, "SENT/IP(src=A4,dst=B4)/UDP(sport=5,dport=6)") },
    packet: `SENT/${U4}`,
    becomes: trapped("flow-miss", { ...MISS, generation: 2 }),
  },
  {
    name: "and leave 0 out when they wrap",
    given: {
      ...POLICY,
      config: { generation: 0xffffffff },
      before: times(1, "SENT/IP(src=A4,dst=B4)/UDP(sport=5,dport=6)"),
    },
    packet: `SENT/${U4}`,
    becomes: trapped("flow-miss", { ...MISS, generation: 1 }),
  },
  {
    name: "the second packet of a held flow has the hold's generation, and is not its owner",
    given: { ...POLICY, before: times(1, `SENT/${U4}`) },
    packet: `SENT/${U4}`,
    becomes: trapped("flow-miss", { ...MISS, flags: 0 }),
  },
  {
    name: "the third too",
    given: { ...POLICY, before: times(2, `SENT/${U4}`) },
    packet: `SENT/${U4}`,
    becomes: trapped("flow-miss", { ...MISS, flags: 0 }),
  },
  {
    name: "the fourth is one too many",
    given: { ...POLICY, before: times(3, `SENT/${U4}`) },
    packet: `SENT/${U4}`,
    becomes: dropped("hold-limit"),
  },
  {
    name: "without a controller there is nobody to ask",
    given: { ...POLICY, controller: false },
    packet: `SENT/${U4}`,
    becomes: dropped("no-controller"),
  },
  {
    name: "unless new flows are to pass then",
    given: { ...POLICY, controller: false, config: { headlessForward: 1 } },
    packet: `SENT/${U4}`,
    becomes: forward4,
  },
  {
    name: "a packet that the slow path cannot take is not asked for",
    given: { ...POLICY, config: { trapBytes: 49 } },
    packet: `SENT/${U4}`,
    becomes: dropped("trap-too-big"),
  },
  {
    name: "without a route nothing is asked",
    given: POLICY,
    packet: 'SENT/IP(src=A4,dst="10.96.0.1")/U',
    becomes: trapped("no-route", {}, { drop: "no-route" }),
  },
  {
    name: "nor what is discarded anyway",
    given: POLICY,
    packet: 'SENT/IP(src=A4,dst="10.99.2.1")/U',
    becomes: dropped("discard"),
  },
  {
    name: "what is neither IP nor ARP does not get past policy",
    given: POLICY,
    packet: 'Ether(src=MAC_A,dst=MAC_B,type=0x88b5)/(b"x"*46)',
    becomes: dropped("unsupported-protocol"),
  },
  {
    name: "nor does it get to one with policy",
    given: { interfaces: { [B]: { nexthopFlags: NEXTHOP_FLAG_POLICY } } },
    packet: 'Ether(src=MAC_A,dst=MAC_B,type=0x88b5)/(b"x"*46)',
    becomes: dropped("unsupported-protocol"),
  },
  {
    name: "ARP to a neighbour neither: forged answers redirect",
    given: POLICY,
    packet: "BRIDGED/ARP(op=2,hwsrc=MAC_A,psrc=A4,hwdst=MAC_B,pdst=B4)",
    becomes: dropped("unsupported-protocol"),
  },
];

const flow = { ...V4, ingress: A, nexthop: B, reverseNexthop: A, reverseIngress: B };
const flow6 = { ...flow, ...V6 };

const hits: readonly PacketCase[] = [
  {
    name: "a flow that was allowed",
    given: { ...POLICY, flows: [flow] },
    packet: `SENT/${U4}`,
    becomes: forward4,
  },
  {
    name: "of IPv6",
    given: { ...POLICY, flows: [flow6] },
    packet: "SENT/IPv6(src=A6,dst=B6,hlim=64)/U",
    becomes: out(B, "ROUTED/IPv6(src=A6,dst=B6,hlim=63)/U"),
  },
  {
    name: "its answers",
    given: { interfaces: { [B]: { flags: INTERFACE_POLICY } }, flows: [flow] },
    on: B,
    packet: "FROM_B/IP(src=B4,dst=A4,ttl=64)/UDP(sport=2000,dport=1000)/DATA",
    becomes: out(A, "TO_A/IP(src=B4,dst=A4,ttl=63)/UDP(sport=2000,dport=1000)/DATA"),
  },
  {
    name: "without a controller as well",
    given: { ...POLICY, flows: [flow], controller: false },
    packet: `SENT/${U4}`,
    becomes: forward4,
  },
  {
    name: "the next hop is the flow's, not the route's",
    given: { ...POLICY, flows: [flow], routes: [["10.97.0.2/32", DOWN]] },
    packet: `SENT/${U4}`,
    becomes: forward4,
  },
  {
    name: "bridged, as it is",
    given: { ...POLICY, flows: [flow] },
    packet: `BRIDGED/${U4}`,
    becomes: out(B, `BRIDGED/${U4}`),
  },
  {
    name: "an echo, by its identifier",
    given: { ...POLICY, flows: [{ ...flow, protocol: 1, sourcePort: 77, destinationPort: 77 }] },
    packet: "SENT/IP(src=A4,dst=B4,ttl=64)/ICMP(id=77,seq=5)",
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63)/ICMP(id=77,seq=5)"),
  },
  {
    name: "an echo with another identifier is another flow",
    given: { ...POLICY, flows: [{ ...flow, protocol: 1, sourcePort: 77, destinationPort: 77 }] },
    packet: "SENT/IP(src=A4,dst=B4)/ICMP(id=78,seq=5)",
    becomes: trapped("flow-miss", { ...MISS, generation: 2 }),
  },
  {
    name: "a timestamp request, by type and code",
    given: { ...POLICY, flows: [{ ...flow, protocol: 1, sourcePort: 14 << 8, destinationPort: 13 << 8 }] },
    packet: "SENT/IP(src=A4,dst=B4,ttl=64)/ICMP(type=13,id=9,seq=5)",
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63)/ICMP(type=13,id=9,seq=5)"),
  },
  {
    name: "a flow that was denied",
    given: { ...POLICY, flows: [{ ...flow, action: "drop", flags: FLOW_FLAG_SINGLE }] },
    packet: `SENT/${U4}`,
    becomes: dropped("policy-deny"),
  },
  {
    name: "a denied flow needs no route",
    given: { ...POLICY, flows: [{ ...flow, destination: "10.96.0.1", action: "drop", flags: FLOW_FLAG_SINGLE }] },
    packet: 'SENT/IP(src=A4,dst="10.96.0.1")/U',
    becomes: dropped("policy-deny"),
  },
  {
    name: "an allowed flow's last hop is still the last",
    given: { ...POLICY, flows: [flow] },
    packet: "SENT/IP(src=A4,dst=B4,ttl=1)/U",
    becomes: trapped("ttl-expired", { nexthop: B, outInterface: B }, { drop: "ttl-expired" }),
  },
  {
    name: "from another interface it is a new decision, of the same generation",
    given: { ...POLICY, flows: [{ ...flow, ingress: B, reverseIngress: A }] },
    packet: `SENT/${U4}`,
    becomes: trapped("flow-miss", { ...MISS, flags: 0 }),
  },
  {
    name: "other ports are another flow",
    given: { ...POLICY, flows: [flow] },
    packet: "SENT/IP(src=A4,dst=B4)/UDP(sport=1001,dport=2000)",
    becomes: trapped("flow-miss", { ...MISS, generation: 2 }),
  },
  {
    name: "another VRF is another flow",
    given: { ...POLICY, flows: [{ ...flow, vrf: 7 }] },
    packet: `SENT/${U4}`,
    becomes: trapped("flow-miss", { ...MISS, generation: 2 }),
  },
  {
    name: "where its next hop is down the route's takes over",
    given: { ...POLICY, flows: [{ ...flow, nexthop: DOWN }] },
    packet: `SENT/${U4}`,
    becomes: forward4,
  },
  {
    name: "a flow into a tunnel keeps its label",
    given: { ...POLICY, flows: [{ ...flow, destination: "10.97.9.2", nexthop: tunnel, label: 0x02000000 | 88 }] },
    packet: "SENT/IP(src=A4,dst=FAR4,ttl=64)/U",
    becomes: tunnelled(
      FABRIC,
      'Ether(src=FABRIC_MAC,dst=PEER_MAC)/IP(src="192.0.2.1",dst="192.0.2.2",ttl=64,id=0,flags="DF")/UDP(sport=0,dport=4789,chksum=0)/VXLAN(vni=88,flags="Instance")/GATEWAYS/IP(src=A4,dst=FAR4,ttl=63)/U',
    ),
  },
  {
    name: "a SYN on the ports of a connection that was reset begins it anew",
    given: {
      ...POLICY,
      flows: [{ ...flow, protocol: 6 }],
      before: [{ packet: 'SENT/IP(src=A4,dst=B4)/T("S")' }, { packet: 'SENT/IP(src=A4,dst=B4)/T("R")' }],
    },
    packet: 'SENT/IP(src=A4,dst=B4,ttl=64)/T("S")',
    becomes: out(B, 'ROUTED/IP(src=A4,dst=B4,ttl=63)/T("S")'),
  },
  {
    name: "but not from the side that was only to answer",
    given: {
      interfaces: { [A]: { flags: INTERFACE_POLICY }, [B]: { flags: INTERFACE_POLICY } },
      flows: [{ ...flow, protocol: 6 }],
      before: [{ packet: 'SENT/IP(src=A4,dst=B4)/T("R")', on: A }],
    },
    on: B,
    packet: "FROM_B/IP(src=B4,dst=A4)/TCP(sport=2000,dport=1000,flags='S')",
    becomes: trapped("flow-miss", { ...MISS, flags: 0, nexthop: A, reverseNexthop: B, outInterface: A }),
  },
];

export const policy: readonly Topic[] = [
  { name: "policy: flows that are not decided", cases: misses },
  { name: "policy: flows that are", cases: hits },
];
