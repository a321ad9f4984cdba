// SPDX-License-Identifier: Apache-2.0
/** Translated flows: A calls a service, whose packets become B's; A's own address or port may change on the way. */

import { INTERFACE_POLICY, TRAP_FLAG_DIVIDE, TRAP_FLAG_IPV6 } from "../../../sdk/layout/generated.ts";
import { tunnelCases, tunnelId } from "../pipeline_tunnels.ts";
import { A, B, DISCARD, DOWN, LOCAL, NARROW, UNRESOLVED } from "./node.ts";
import { dropped, out, type PacketCase, type State, type Topic, trapped, tunnelled } from "./packet_case.ts";

const [vxlan] = tunnelCases;
const tunnel = vxlan === undefined ? 0 : tunnelId(vxlan);
const label = vxlan?.label.vni === undefined ? 0 : 0x02000000 | vxlan.label.vni;

/** What A sends, and what B does, is decided. */
const POLICY: State = { interfaces: { [A]: { flags: INTERFACE_POLICY }, [B]: { flags: INTERFACE_POLICY } } };
const FROM_A: State = { interfaces: { [A]: { flags: INTERFACE_POLICY } } };
const ends = { ingress: A, nexthop: B, reverseNexthop: A, reverseIngress: B };

interface Family {
  readonly name: string;
  readonly version: 4 | 6;
  /** A's, B's, the service's, and the one that A's becomes. */
  readonly a: string;
  readonly b: string;
  readonly service: string;
  readonly pool: string;
  readonly icmp: number;
}

const families: readonly Family[] = [
  { name: "IPv4", version: 4, a: "10.97.0.1", b: "10.97.0.2", service: "10.96.0.10", pool: "192.0.2.77", icmp: 1 },
  {
    name: "IPv6",
    version: 6,
    a: "fd00:97::1",
    b: "fd00:97::2",
    service: "fd00:96::10",
    pool: "2001:db8::77",
    icmp: 58,
  },
];

/** Some lower layer with a TTL, in Python. */
function ip(version: 4 | 6, source: string, destination: string, ttl = 64, more = ""): string {
  const head =
    version === 4
      ? `IP(src="${source}",dst="${destination}",ttl=${ttl}`
      : `IPv6(src="${source}",dst="${destination}",hlim=${ttl}`;
  return `${head}${more === "" ? "" : `,${more}`})`;
}

function casesOf({ name, version, a, b, service, pool, icmp }: Family): readonly PacketCase[] {
  const asked = { ...ends, action: "nat", source: a, destination: service } as const;
  /** Destination and its port; source and its port; all of it. */
  const dnat = { ...asked, becomes: { destination: b, destinationPort: 8080 } };
  const both = { ...asked, becomes: { source: pool, sourcePort: 40000, destination: b, destinationPort: 8080 } };
  const layers: readonly (readonly [string, number, (source: number, destination: number) => string])[] = [
    ["UDP", 17, (s, d) => `UDP(sport=${s},dport=${d})/DATA`],
    ["UDP with an odd length", 17, (s, d) => `UDP(sport=${s},dport=${d})/b"abc"`],
    ["TCP", 6, (s, d) => `TCP(sport=${s},dport=${d},seq=1,ack=1,flags="A")/DATA`],
    ["a SYN", 6, (s, d) => `TCP(sport=${s},dport=${d},seq=1,flags="S",options=[("MSS",1460)])`],
    ["SCTP", 132, (s, d) => `SCTP(sport=${s},dport=${d},tag=7)/SCTPChunkData(data=b"x"*50)`],
  ];
  const echo = (id: number, reply = false) =>
    version === 4
      ? `ICMP(type=${reply ? 0 : 8},id=${id},seq=3)/DATA`
      : `ICMPv6Echo${reply ? "Reply" : "Request"}(id=${id},seq=3,data=DATA)`;
  const echoed = {
    ...asked,
    protocol: icmp,
    sourcePort: 77,
    destinationPort: 77,
    becomes: { source: pool, destination: b, sourcePort: 99, destinationPort: 99 },
  };
  const error = (kind: "port" | "big" | "time") =>
    version === 4
      ? { port: "ICMP(type=3,code=3)", big: "ICMP(type=3,code=4,nexthopmtu=1400)", time: "ICMP(type=11,code=0)" }[kind]
      : { port: "ICMPv6DestUnreach(code=4)", big: "ICMPv6PacketTooBig(mtu=1400)", time: "ICMPv6TimeExceeded()" }[kind];
  const router = version === 4 ? "10.97.0.77" : "fd00:97::77";
  const became = (segment: string) => ip(version, pool, b, 62) + `/${segment}`;
  const withoutSum = (s: number, d: number) => `UDP(sport=${s},dport=${d},chksum=0)/DATA`;
  const say = (text: string) => `${name}: ${text}`;

  return [
    ...layers.flatMap(([layer, protocol, segment]): PacketCase[] => [
      {
        name: say(`${layer} to a service`),
        given: { ...POLICY, flows: [{ ...dnat, protocol }] },
        packet: `SENT/${ip(version, a, service)}/${segment(1000, 2000)}`,
        becomes: out(B, `ROUTED/${ip(version, a, b, 63)}/${segment(1000, 8080)}`),
      },
      {
        name: say(`${layer} that answers comes from the service`),
        given: { ...POLICY, flows: [{ ...dnat, protocol }] },
        on: B,
        packet: `FROM_B/${ip(version, b, a)}/${segment(8080, 1000)}`,
        becomes: out(A, `TO_A/${ip(version, service, a, 63)}/${segment(2000, 1000)}`),
      },
      {
        name: say(`${layer} with another source too`),
        given: { ...POLICY, flows: [{ ...both, protocol }] },
        packet: `SENT/${ip(version, a, service)}/${segment(1000, 2000)}`,
        becomes: out(B, `ROUTED/${ip(version, pool, b, 63)}/${segment(40000, 8080)}`),
      },
      {
        name: say(`${layer} that answers that`),
        given: { ...POLICY, flows: [{ ...both, protocol }] },
        on: B,
        packet: `FROM_B/${ip(version, b, pool)}/${segment(8080, 40000)}`,
        becomes: out(A, `TO_A/${ip(version, service, a, 63)}/${segment(2000, 1000)}`),
      },
    ]),
    {
      name: say("an echo, with another identifier"),
      given: { ...POLICY, flows: [echoed] },
      packet: `SENT/${ip(version, a, service)}/${echo(77)}`,
      becomes: out(B, `ROUTED/${ip(version, pool, b, 63)}/${echo(99)}`),
    },
    {
      name: say("its reply"),
      given: { ...POLICY, flows: [echoed] },
      on: B,
      packet: `FROM_B/${ip(version, b, pool)}/${echo(99, true)}`,
      becomes: out(A, `TO_A/${ip(version, service, a, 63)}/${echo(77, true)}`),
    },
    {
      name: say("UDP without a checksum gets none"),
      given: { ...POLICY, flows: [both] },
      packet: `SENT/${ip(version, a, service)}/${withoutSum(1000, 2000)}`,
      becomes: out(B, `ROUTED/${ip(version, pool, b, 63)}/${withoutSum(40000, 8080)}`),
    },
    {
      name: say("a protocol without ports: the addresses"),
      given: {
        ...POLICY,
        flows: [
          { ...both, protocol: 99, sourcePort: 0, destinationPort: 0, becomes: { source: pool, destination: b } },
        ],
      },
      packet: `SENT/${ip(version, a, service, 64, version === 4 ? "proto=99" : "nh=99")}/DATA`,
      becomes: out(B, `ROUTED/${ip(version, pool, b, 63, version === 4 ? "proto=99" : "nh=99")}/DATA`),
    },
    ...(["UDP", "TCP"] as const).flatMap((layer): PacketCase[] => {
      const protocol = layer === "UDP" ? 17 : 6;
      const segment = (s: number, d: number) =>
        layer === "UDP" ? `UDP(sport=${s},dport=${d})/DATA` : `TCP(sport=${s},dport=${d},seq=1,ack=1,flags="A")/DATA`;
      const given: State = { ...POLICY, flows: [{ ...both, protocol }] };
      return [
        {
          name: say(`an error of B about ${layer} tells A of the packet that it sent`),
          given,
          on: B,
          packet: `FROM_B/${ip(version, b, pool)}/${error("port")}/quoted(SENT/${became(segment(40000, 8080))})`,
          becomes: out(
            A,
            `TO_A/${ip(version, service, a, 63)}/${error("port")}/quoted(SENT/${ip(version, a, service, 62)}/${segment(1000, 2000)})`,
          ),
        },
        {
          name: say(`with only the beginning of ${layer}`),
          given,
          on: B,
          packet: `FROM_B/${ip(version, b, pool)}/${error("big")}/quoted(SENT/${became(segment(40000, 8080))},${version === 4 ? 28 : 48})`,
          becomes: out(
            A,
            `TO_A/${ip(version, service, a, 63)}/${error("big")}/quoted(SENT/${ip(version, a, service, 62)}/${segment(1000, 2000)},${version === 4 ? 28 : 48})`,
          ),
        },
        {
          name: say(`an error of a router about ${layer} keeps the router's address`),
          given,
          on: B,
          packet: `FROM_B/${ip(version, router, pool)}/${error("time")}/quoted(SENT/${became(segment(40000, 8080))})`,
          becomes: out(
            A,
            `TO_A/${ip(version, router, a, 63)}/${error("time")}/quoted(SENT/${ip(version, a, service, 62)}/${segment(1000, 2000)})`,
          ),
        },
        {
          name: say(`an error of A about an answer by ${layer}`),
          given,
          packet: `SENT/${ip(version, a, service)}/${error("port")}/quoted(SENT/${ip(version, service, a, 62)}/${segment(2000, 1000)})`,
          becomes: out(
            B,
            `ROUTED/${ip(version, pool, b, 63)}/${error("port")}/quoted(SENT/${ip(version, b, pool, 62)}/${segment(8080, 40000)})`,
          ),
        },
      ];
    }),
    {
      name: say("an error about an echo"),
      given: { ...POLICY, flows: [echoed] },
      on: B,
      packet: `FROM_B/${ip(version, router, pool)}/${error("time")}/quoted(SENT/${became(echo(99))})`,
      becomes: out(
        A,
        `TO_A/${ip(version, router, a, 63)}/${error("time")}/quoted(SENT/${ip(version, a, service, 62)}/${echo(77)})`,
      ),
    },
    {
      name: say("what its sender meant for the same segment is routed, and keeps its TTL"),
      given: { ...POLICY, flows: [dnat] },
      packet: `BRIDGED/${ip(version, a, service)}/U`,
      becomes: out(B, `ROUTED/${ip(version, a, b)}/UDP(sport=1000,dport=8080)/DATA`),
    },
    {
      name: say("to another node, with the VNI of the decision"),
      given: {
        ...FROM_A,
        flows: [
          { ...dnat, nexthop: tunnel, label, becomes: { destination: version === 4 ? "10.97.9.2" : "fd00:97:9::2" } },
        ],
      },
      packet: `SENT/${ip(version, a, service)}/U`,
      becomes: tunnelled(
        4,
        `Ether(src=FABRIC_MAC,dst=PEER_MAC)/IP(src="192.0.2.1",dst="192.0.2.2",ttl=64,flags="DF",id=0)/UDP(sport=0,dport=4789,chksum=0)/VXLAN(flags=8,vni=${vxlan?.label.vni ?? 0})/GATEWAYS/${ip(version, a, version === 4 ? "10.97.9.2" : "fd00:97:9::2", 63)}/U`,
      ),
    },
    {
      name: say("to the host"),
      given: { ...FROM_A, flows: [{ ...dnat, nexthop: LOCAL }] },
      packet: `SENT/${ip(version, a, service)}/U`,
      becomes: {
        verdict: "host",
        packet: `Ether(src=MAC_A,dst=FABRIC_MAC)/${ip(version, a, b)}/UDP(sport=1000,dport=8080)/DATA`,
      },
    },
    {
      name: say("one hop too far: the sender gets his own packet back in the error"),
      given: { ...POLICY, flows: [dnat] },
      packet: `SENT/${ip(version, a, service, 1)}/U`,
      becomes: trapped(
        "ttl-expired",
        { nexthop: B, outInterface: B, ...(version === 6 ? { flags: TRAP_FLAG_IPV6 } : {}) },
        { drop: "ttl-expired" },
      ),
    },
    {
      name: say("too big for the way: the same"),
      given: { ...POLICY, flows: [{ ...dnat, nexthop: NARROW }] },
      packet: `SENT/${ip(version, a, service, 64, version === 4 ? 'flags="DF"' : "")}/UDP(sport=1000,dport=2000)/(b"x"*200)`,
      becomes: trapped(
        "packet-too-big",
        { nexthop: NARROW, outInterface: B, ...(version === 6 ? { flags: TRAP_FLAG_IPV6 } : {}) },
        { drop: "packet-too-big" },
      ),
    },
    ...(version === 6
      ? []
      : [
          {
            name: say("too big for the way, and to be fragmented: before it is translated"),
            given: { ...POLICY, flows: [{ ...dnat, nexthop: NARROW }] },
            packet: `SENT/${ip(version, a, service, 64)}/UDP(sport=1000,dport=2000)/(b"x"*200)`,
            becomes: trapped("packet-too-big", { nexthop: NARROW, outInterface: B, flags: TRAP_FLAG_DIVIDE }),
          },
        ]),
    {
      name: say("to a neighbour whose MAC is not known yet it waits as it is"),
      given: { ...POLICY, flows: [{ ...dnat, nexthop: UNRESOLVED }] },
      packet: `SENT/${ip(version, a, service)}/U`,
      becomes: trapped("resolve", {
        nexthop: UNRESOLVED,
        outInterface: B,
        ...(version === 6 ? { flags: TRAP_FLAG_IPV6 } : {}),
      }),
    },
    ...([DISCARD, LOCAL, undefined] as const).map(
      (nexthop): PacketCase => ({
        name: say(
          `an answer finds its flow without policy where its address ${nexthop === undefined ? "has no route" : `is routed to next hop ${nexthop}`}`,
        ),
        given: {
          ...FROM_A,
          flows: [both],
          routes: nexthop === undefined ? [] : [[`${pool}/${version === 4 ? 32 : 128}`, nexthop]],
        },
        on: B,
        packet: `FROM_B/${ip(version, b, pool)}/UDP(sport=8080,dport=40000)/DATA`,
        becomes: out(A, `TO_A/${ip(version, service, a, 63)}/UDP(sport=2000,dport=1000)/DATA`),
      }),
    ),
    {
      name: say("a next hop that is down: it goes where what it becomes is routed to"),
      given: {
        ...POLICY,
        flows: [{ ...dnat, nexthop: DOWN }],
        routes: [[`${service}/${version === 4 ? 32 : 128}`, LOCAL]],
      },
      packet: `SENT/${ip(version, a, service)}/U`,
      becomes: out(B, `ROUTED/${ip(version, a, b, 63)}/UDP(sport=1000,dport=8080)/DATA`),
    },
  ];
}

const dnat4 = {
  ...ends,
  action: "nat",
  source: "10.97.0.1",
  destination: "10.96.0.10",
  becomes: { destination: "10.97.0.2", destinationPort: 8080 },
} as const;
const FIRST = 'IP(src=A4,dst="10.96.0.10",ttl=64,flags="MF",id=7)/UDP(sport=1000,dport=2000,len=24,chksum=0x1234)/DATA';
const fragments: readonly PacketCase[] = [
  {
    name: "a first fragment: the checksum is that of the whole datagram",
    given: { ...POLICY, flows: [dnat4] },
    packet: `SENT/${FIRST}`,
    // 0x1234, less what the new address and port are more: RFC 1624.
    becomes: out(
      B,
      'ROUTED/IP(src=A4,dst=B4,ttl=63,flags="MF",id=7)/UDP(sport=1000,dport=8080,len=24,chksum=0xfa7a)/DATA',
    ),
  },
  {
    name: "a later fragment: the addresses",
    given: { ...POLICY, flows: [dnat4], before: [{ packet: `SENT/${FIRST}` }] },
    packet: 'SENT/IP(src=A4,dst="10.96.0.10",ttl=64,frag=2,id=7,proto=17)/DATA',
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63,frag=2,id=7,proto=17)/DATA"),
  },
  {
    name: "a first fragment of SCTP, whose checksum only the whole has",
    given: { ...POLICY, flows: [{ ...dnat4, protocol: 132 }] },
    packet: 'SENT/IP(src=A4,dst="10.96.0.10",ttl=64,flags="MF",id=7)/SCTP(sport=1000,dport=2000)/DATA',
    becomes: dropped("fragment"),
  },
];

const sums: readonly PacketCase[] = [
  {
    name: "a UDP checksum that becomes 0 is written as 0xffff",
    given: { ...POLICY, flows: [dnat4] },
    packet:
      'SENT/IP(src=A4,dst="10.96.0.10")/UDP(sport=1000,dport=2000,chksum=segment_change(2000,8080,"10.96.0.10",B4))/DATA',
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63)/UDP(sport=1000,dport=8080,chksum=0xffff)/DATA"),
  },
];

export const nat: readonly Topic[] = [
  ...families.map((family) => ({ name: `translated flows of ${family.name}`, cases: casesOf(family) })),
  { name: "fragments of translated flows", cases: fragments },
  { name: "checksums of translated flows", cases: sums },
];
