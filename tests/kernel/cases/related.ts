// SPDX-License-Identifier: Apache-2.0
/** What follows a flow without having its ports: ICMP errors (RFC 792, RFC 4443) and later fragments. */

import { FLOW_FLAG_SINGLE, INTERFACE_POLICY } from "../../../sdk/layout/generated.ts";
import { A, B } from "./node.ts";
import { dropped, out, type PacketCase, type State, type Topic, trapped } from "./packet_case.ts";

/** What A sends is decided. */
const POLICY: State = { interfaces: { [A]: { flags: INTERFACE_POLICY } } };
const U4 = "IP(src=A4,dst=B4,ttl=64)/U";
const ends = { ingress: A, nexthop: B, reverseNexthop: A, reverseIngress: B };
const flow = { ...ends, source: "10.97.0.1", destination: "10.97.0.2" };
const flow6 = { ...ends, source: "fd00:97::1", destination: "fd00:97::2" };

const ERROR = "IP(src=B4,dst=A4,ttl=64)/ICMP(type=3,code=3)";
const TO_A_ERROR = "IP(src=B4,dst=A4,ttl=63)/ICMP(type=3,code=3)";
/** B has policy, A has asked it. */
const ASKED: State = { interfaces: { [B]: { flags: INTERFACE_POLICY } }, flows: [flow] };

const errors: readonly PacketCase[] = [
  {
    name: "port unreachable, about a flow that was allowed",
    given: ASKED,
    on: B,
    packet: `FROM_B/${ERROR}/quoted(SENT/${U4})`,
    becomes: out(A, `TO_A/${TO_A_ERROR}/quoted(SENT/${U4})`),
  },
  {
    name: "with the least that RFC 792 asks for: header and 8 bytes",
    given: ASKED,
    on: B,
    packet: `FROM_B/${ERROR}/quoted(SENT/${U4},28)`,
    becomes: out(A, `TO_A/${TO_A_ERROR}/quoted(SENT/${U4},28)`),
  },
  {
    name: "with less it says of no flow",
    given: ASKED,
    on: B,
    packet: `FROM_B/${ERROR}/quoted(SENT/${U4},27)`,
    becomes: dropped("policy-deny"),
  },
  ...(
    [
      ["fragmentation needed", "type=3,code=4,nexthopmtu=1400"],
      ["time exceeded", "type=11,code=0"],
      ["parameter problem", "type=12,code=0"],
      ["source quench", "type=4,code=0"],
      ["redirect", "type=5,code=1"],
    ] as const
  ).map(
    ([name, type]): PacketCase => ({
      name: `${name} follows the flow too`,
      given: ASKED,
      on: B,
      packet: `FROM_B/IP(src=B4,dst=A4,ttl=64)/ICMP(${type})/quoted(SENT/${U4})`,
      becomes: out(A, `TO_A/IP(src=B4,dst=A4,ttl=63)/ICMP(${type})/quoted(SENT/${U4})`),
    }),
  ),
  {
    name: "from a router on the way, which is no end of the flow",
    given: ASKED,
    on: B,
    packet: `FROM_B/IP(src="10.97.0.77",dst=A4,ttl=64)/ICMP(type=11)/quoted(SENT/${U4})`,
    becomes: out(A, `TO_A/IP(src="10.97.0.77",dst=A4,ttl=63)/ICMP(type=11)/quoted(SENT/${U4})`),
  },
  {
    name: "about a packet with IP options",
    given: ASKED,
    on: B,
    packet: `FROM_B/${ERROR}/quoted(SENT/IP(src=A4,dst=B4,options=[IPOption_NOP()]*8)/U)`,
    becomes: out(A, `TO_A/${TO_A_ERROR}/quoted(SENT/IP(src=A4,dst=B4,options=[IPOption_NOP()]*8)/U)`),
  },
  {
    name: "about an echo",
    given: { ...ASKED, flows: [{ ...flow, protocol: 1, sourcePort: 77, destinationPort: 77 }] },
    on: B,
    packet: `FROM_B/${ERROR}/quoted(SENT/IP(src=A4,dst=B4)/ICMP(id=77))`,
    becomes: out(A, `TO_A/${TO_A_ERROR}/quoted(SENT/IP(src=A4,dst=B4)/ICMP(id=77))`),
  },
  {
    name: "of IPv6: packet too big",
    given: { ...ASKED, flows: [flow6] },
    on: B,
    packet: "FROM_B/IPv6(src=B6,dst=A6,hlim=64)/ICMPv6PacketTooBig(mtu=1280)/quoted(SENT/IPv6(src=A6,dst=B6)/U)",
    becomes: out(A, "TO_A/IPv6(src=B6,dst=A6,hlim=63)/ICMPv6PacketTooBig(mtu=1280)/quoted(SENT/IPv6(src=A6,dst=B6)/U)"),
  },
  {
    name: "of IPv6 about a packet with extension headers",
    given: { ...ASKED, flows: [flow6] },
    on: B,
    packet:
      "FROM_B/IPv6(src=B6,dst=A6,hlim=64)/ICMPv6DestUnreach(code=4)/quoted(SENT/IPv6(src=A6,dst=B6)/IPv6ExtHdrDestOpt()/U)",
    becomes: out(
      A,
      "TO_A/IPv6(src=B6,dst=A6,hlim=63)/ICMPv6DestUnreach(code=4)/quoted(SENT/IPv6(src=A6,dst=B6)/IPv6ExtHdrDestOpt()/U)",
    ),
  },
  {
    name: "about a flow that is not there",
    given: { ...ASKED, flows: [] },
    on: B,
    packet: `FROM_B/${ERROR}/quoted(SENT/${U4})`,
    becomes: dropped("policy-deny"),
  },
  {
    name: "about a packet that its receiver has not sent",
    given: ASKED,
    on: B,
    packet: `FROM_B/${ERROR}/quoted(SENT/IP(src=C4,dst=B4)/U)`,
    becomes: dropped("policy-deny"),
  },
  {
    name: "about a later fragment, which has no ports",
    given: ASKED,
    on: B,
    packet: `FROM_B/${ERROR}/quoted(SENT/IP(src=A4,dst=B4,frag=2,proto=17)/U)`,
    becomes: dropped("policy-deny"),
  },
  {
    name: "that quotes nothing",
    given: ASKED,
    on: B,
    packet: `FROM_B/${ERROR}`,
    becomes: dropped("policy-deny"),
  },
  {
    name: "without policy an error is routed like all others",
    on: B,
    packet: `FROM_B/${ERROR}`,
    becomes: out(A, `TO_A/${TO_A_ERROR}`),
  },
];

const FIRST = 'IP(src=A4,dst=B4,ttl=64,flags="MF",id=7)/UDP(sport=1000,dport=2000,len=24,chksum=0)/DATA';
const LATER = "IP(src=A4,dst=B4,ttl=64,frag=2,id=7,proto=17)/DATA";
const LATER_OUT = "ROUTED/IP(src=A4,dst=B4,ttl=63,frag=2,id=7,proto=17)/DATA";

const fragments: readonly PacketCase[] = [
  {
    name: "the first one has the ports",
    given: { ...POLICY, flows: [flow] },
    packet: `SENT/${FIRST}`,
    becomes: out(B, `ROUTED/${FIRST.replace("ttl=64", "ttl=63")}`),
  },
  {
    name: "a later one takes them from it",
    given: { ...POLICY, flows: [flow], before: [{ packet: `SENT/${FIRST}` }] },
    packet: `SENT/${LATER}`,
    becomes: out(B, LATER_OUT),
  },
  {
    name: "of IPv6 too",
    given: {
      ...POLICY,
      flows: [flow6],
      before: [{ packet: "SENT/IPv6(src=A6,dst=B6)/IPv6ExtHdrFragment(id=7,m=1)/U" }],
    },
    packet: "SENT/IPv6(src=A6,dst=B6,hlim=64)/IPv6ExtHdrFragment(id=7,offset=2,nh=17)/DATA",
    becomes: out(B, "ROUTED/IPv6(src=A6,dst=B6,hlim=63)/IPv6ExtHdrFragment(id=7,offset=2,nh=17)/DATA"),
  },
  {
    name: "overlapping ones are the receiver's business",
    given: { ...POLICY, flows: [flow], before: [{ packet: `SENT/${FIRST}` }, { packet: `SENT/${LATER}` }] },
    packet: "SENT/IP(src=A4,dst=B4,ttl=64,frag=1,id=7,proto=17)/(DATA*3)",
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63,frag=1,id=7,proto=17)/(DATA*3)"),
  },
  {
    name: "one whose first has not come waits in the slow path",
    given: { ...POLICY, flows: [flow] },
    packet: `SENT/${LATER}`,
    becomes: trapped("fragment", { nexthop: B, outInterface: B }),
  },
  {
    name: "of another datagram too",
    given: { ...POLICY, flows: [flow], before: [{ packet: `SENT/${FIRST}` }] },
    packet: "SENT/IP(src=A4,dst=B4,ttl=64,frag=2,id=8,proto=17)/DATA",
    becomes: trapped("fragment", { nexthop: B, outInterface: B }),
  },
  {
    name: "without a controller there is nowhere to wait",
    given: { ...POLICY, controller: false, flows: [flow] },
    packet: `SENT/${LATER}`,
    becomes: dropped("fragment"),
  },
  {
    name: "a later fragment of a flow that was denied",
    given: {
      ...POLICY,
      flows: [{ ...flow, action: "drop", flags: FLOW_FLAG_SINGLE }],
      before: [{ packet: `SENT/${FIRST}` }],
    },
    packet: `SENT/${LATER}`,
    becomes: dropped("policy-deny"),
  },
];

export const related: readonly Topic[] = [
  { name: "related packets: ICMP errors", cases: errors },
  { name: "related packets: fragments", cases: fragments },
];
