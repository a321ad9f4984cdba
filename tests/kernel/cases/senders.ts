// SPDX-License-Identifier: Apache-2.0
/** Who may send what: source check of workloads, reverse-path check (RFC 3704); and segment sizes of TCP. */

import {
  INTERFACE_MSS_CLAMP,
  INTERFACE_RPF_LOOSE,
  INTERFACE_RPF_STRICT,
  INTERFACE_SOURCE_CHECK,
  ROUTE_DEFAULT,
} from "../../../sdk/layout/generated.ts";
import { tunnelCases, tunnelId } from "../pipeline_tunnels.ts";
import { A, B, DISCARD, FABRIC } from "./node.ts";
import {
  answered,
  dropped,
  type Expected,
  out,
  type PacketCase,
  type State,
  type Topic,
  trapped,
  tunnelled,
} from "./packet_case.ts";

const [vxlan] = tunnelCases;
const tunnel = vxlan === undefined ? 0 : tunnelId(vxlan);
const CHECKED: State = { interfaces: { [A]: { flags: INTERFACE_SOURCE_CHECK } } };

/** A packet from A to B whose addresses are of the case. */
function from(name: string, ethernet: string, source: string, becomes?: Expected): PacketCase {
  const packet = (eth: string, ttl: number) =>
    /:|6$/.test(source)
      ? `${eth}/IPv6(src=${source},dst=B6,hlim=${ttl})/U`
      : `${eth}/IP(src=${source},dst=B4,ttl=${ttl})/U`;
  return { name, given: CHECKED, packet: packet(ethernet, 64), becomes: becomes ?? out(B, packet("ROUTED", 63)) };
}

const sources: readonly PacketCase[] = [
  from("an own address and the own MAC", "SENT", "A4"),
  from("an own address of IPv6", "SENT", "A6"),
  from("a link-local address, which nobody routes to", "SENT", '"169.254.7.7"'),
  from("a link-local address of IPv6", "SENT", '"fe80::7"'),
  from("another's address", "SENT", "C4", dropped("source-mismatch")),
  from("another's address of IPv6", "SENT", "C6", dropped("source-mismatch")),
  from("the gateway's address", "SENT", "GW4", dropped("source-mismatch")),
  from("no address", "SENT", '"0.0.0.0"', dropped("source-mismatch")),
  from("another MAC", "Ether(src=MAC_C,dst=GW)", "A4", dropped("source-mismatch")),
  {
    name: "an ICMP error comes from its own source, whatever it quotes",
    given: CHECKED,
    packet: "SENT/IP(src=A4,dst=B4,ttl=64)/ICMP(type=3,code=3)/quoted(FROM_B/IP(src=B4,dst=C4)/U)",
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63)/ICMP(type=3,code=3)/quoted(FROM_B/IP(src=B4,dst=C4)/U)"),
  },
  {
    name: "an ICMP error from another's address",
    given: CHECKED,
    packet: "SENT/IP(src=C4,dst=B4,ttl=64)/ICMP(type=3,code=3)/quoted(FROM_B/IP(src=B4,dst=A4)/U)",
    becomes: dropped("source-mismatch"),
  },
  {
    name: "bridged ARP for the own address",
    given: CHECKED,
    packet: "BRIDGED/ARP(op=2,hwsrc=MAC_A,psrc=A4,hwdst=MAC_B,pdst=B4)",
    becomes: out(B, "BRIDGED/ARP(op=2,hwsrc=MAC_A,psrc=A4,hwdst=MAC_B,pdst=B4)"),
  },
  {
    name: "bridged ARP for another's address",
    given: CHECKED,
    packet: "BRIDGED/ARP(op=2,hwsrc=MAC_A,psrc=C4,hwdst=MAC_B,pdst=B4)",
    becomes: dropped("source-mismatch"),
  },
  {
    name: "bridged ARP with another's MAC in it",
    given: CHECKED,
    packet: "BRIDGED/ARP(op=2,hwsrc=MAC_C,psrc=A4,hwdst=MAC_B,pdst=B4)",
    becomes: dropped("source-mismatch"),
  },
  {
    name: "a frame of another protocol with the own MAC",
    given: CHECKED,
    packet: 'Ether(src=MAC_A,dst=MAC_B,type=0x88b5)/(b"x"*46)',
    becomes: out(B, 'Ether(src=MAC_A,dst=MAC_B,type=0x88b5)/(b"x"*46)'),
  },
  {
    name: "a frame of another protocol with another's MAC",
    given: CHECKED,
    packet: 'Ether(src=MAC_C,dst=MAC_B,type=0x88b5)/(b"x"*46)',
    becomes: dropped("source-mismatch"),
  },
  {
    name: "a broadcast from another's address",
    given: CHECKED,
    packet: 'Ether(src=MAC_A,dst=ALL)/IP(src=C4,dst="255.255.255.255")/U',
    becomes: dropped("source-mismatch"),
  },
  {
    name: "who asks for an address has none yet",
    given: CHECKED,
    packet: 'Ether(src=MAC_A,dst=ALL)/IP(src="0.0.0.0",dst="255.255.255.255")/UDP(sport=68,dport=67)/BOOTP()',
    becomes: trapped("dhcp"),
  },
  {
    name: "an MLD report before there is an address (RFC 3590)",
    given: CHECKED,
    packet:
      'Ether(src=MAC_A,dst="33:33:00:00:00:16")/IPv6(src="::",dst="ff02::16",hlim=1)/IPv6ExtHdrHopByHop(options=[RouterAlert()])/ICMPv6MLReport2()',
    becomes: trapped("igmp", { flags: 1 }),
  },
  {
    name: "an echo to the gateway from another's address is answered: it leads nowhere",
    given: CHECKED,
    packet: "SENT/IP(src=C4,dst=GW4)/ICMP(id=7)",
    becomes: answered("TO_A/IP(src=GW4,dst=C4)/ICMP(type=0,id=7)"),
  },
];

const LOOSE: State = { interfaces: { [A]: { flags: INTERFACE_RPF_LOOSE } } };
const STRICT: State = { interfaces: { [A]: { flags: INTERFACE_RPF_STRICT } } };

const paths: readonly PacketCase[] = [
  {
    name: "loose: there is a route to the source",
    given: LOOSE,
    packet: "SENT/IP(src=C4,dst=B4,ttl=64)/U",
    becomes: out(B, "ROUTED/IP(src=C4,dst=B4,ttl=63)/U"),
  },
  {
    name: "loose: there is none",
    given: LOOSE,
    packet: 'SENT/IP(src="10.96.0.1",dst=B4)/U',
    becomes: dropped("rpf"),
  },
  {
    name: "loose: it discards",
    given: { ...LOOSE, routes: [["10.96.0.0/16", DISCARD]] },
    packet: 'SENT/IP(src="10.96.0.1",dst=B4)/U',
    becomes: dropped("rpf"),
  },
  {
    name: "strict: it leads back",
    given: STRICT,
    packet: "SENT/IP(src=A4,dst=B4,ttl=64)/U",
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63)/U"),
  },
  {
    name: "strict: it leads elsewhere",
    given: STRICT,
    packet: "SENT/IP(src=C4,dst=B4)/U",
    becomes: dropped("rpf"),
  },
  {
    name: "strict: IPv6",
    given: STRICT,
    packet: "SENT/IPv6(src=C6,dst=B6)/U",
    becomes: dropped("rpf"),
  },
  {
    name: "strict: an ecmp leads back by one of its members",
    given: {
      ...STRICT,
      groups: { 60: { type: "ecmp", members: [{ nexthop: B }, { nexthop: A }] } },
      routes: [["10.96.0.0/16", 60]],
    },
    packet: 'SENT/IP(src="10.96.0.1",dst=B4,ttl=64)/U',
    becomes: out(B, 'ROUTED/IP(src="10.96.0.1",dst=B4,ttl=63)/U'),
  },
  {
    name: "strict: a default route leads back",
    given: { ...STRICT, routes: [["0.0.0.0/0", A, { flags: ROUTE_DEFAULT }]] },
    packet: 'SENT/IP(src="8.8.8.8",dst=B4,ttl=64)/U',
    becomes: out(B, 'ROUTED/IP(src="8.8.8.8",dst=B4,ttl=63)/U'),
  },
  {
    name: "strict: bridged packets have no way back to check",
    given: STRICT,
    packet: "BRIDGED/IP(src=C4,dst=B4,ttl=64)/U",
    becomes: out(B, "BRIDGED/IP(src=C4,dst=B4,ttl=64)/U"),
  },
];

const CLAMPED: State = {
  interfaces: { [A]: { flags: INTERFACE_MSS_CLAMP } },
  tunnels: { [tunnel]: { mtu: 1450 } },
};
const OUTER =
  'Ether(src=FABRIC_MAC,dst=PEER_MAC)/IP(src="192.0.2.1",dst="192.0.2.2",ttl=64,id=0,flags="DF")/UDP(sport=0,dport=4789,chksum=0)/VXLAN(vni=77,flags="Instance")/GATEWAYS';

/** A SYN into the tunnel, which takes 1450 bytes: options as sent and as they come out. */
function clamped(name: string, sent: string, got: string, o: { v6?: boolean; flags?: string } = {}): PacketCase {
  const packet = (ttl: number, options: string) =>
    `${o.v6 === true ? `IPv6(src=A6,dst=FAR6,hlim=${ttl})` : `IP(src=A4,dst=FAR4,ttl=${ttl})`}/T("${o.flags ?? "S"}",options=[${options}])`;
  return {
    name,
    given: CLAMPED,
    packet: `SENT/${packet(64, sent)}`,
    becomes: tunnelled(FABRIC, `${OUTER}/${packet(63, got)}`),
  };
}

const segments: readonly PacketCase[] = [
  clamped("a SYN offers what fits into the tunnel", '("MSS",1460)', '("MSS",1410)'),
  clamped("over IPv6 20 bytes less", '("MSS",1440)', '("MSS",1390)', { v6: true }),
  clamped("a SYN that answers too", '("MSS",1460)', '("MSS",1410)', { flags: "SA" }),
  clamped(
    "behind other options",
    '("SAckOK",b""),("WScale",7),("MSS",1460)',
    '("SAckOK",b""),("WScale",7),("MSS",1410)',
  ),
  clamped("at an odd offset", '("NOP",None),("MSS",1460)', '("NOP",None),("MSS",1410)'),
  clamped("a smaller one stays", '("MSS",536)', '("MSS",536)'),
  clamped("one that just fits stays", '("MSS",1410)', '("MSS",1410)'),
  clamped("behind the end of options there is none", '("EOL",None),("MSS",1460)', '("EOL",None),("MSS",1460)'),
  clamped("an option without length ends the search", '(254,b"1234"),("MSS",1460)', '(254,b"1234"),("MSS",1410)'),
  clamped("a segment that is no SYN is left alone", '("MSS",1460)', '("MSS",1460)', { flags: "A" }),
  ...[0x0000, 0x0031, 0x0032, 0xffce, 0xfffe].map((sum): PacketCase => {
    // The value falls by 50, so that the sum grows by as much; 0xffff is written as 0.
    const after = (sum + 50) % 0xffff;
    const syn = (wanted: number, mss: number, ethernet: string, ttl: number) =>
      `segment_checksum_is(${wanted},TCP,"window",${ethernet}/IP(src=A4,dst=FAR4,ttl=${ttl})/T("S",options=[("MSS",${mss})]))`;
    return {
      name: `a TCP checksum of 0x${sum.toString(16).padStart(4, "0")} becomes 0x${after.toString(16).padStart(4, "0")}`,
      given: CLAMPED,
      packet: syn(sum, 1460, "SENT", 64),
      becomes: tunnelled(FABRIC, `${OUTER.replace("/GATEWAYS", "")}/${syn(after, 1410, "GATEWAYS", 63)}`),
    };
  }),
  {
    name: "an interface that does not ask for it leaves a SYN alone",
    given: { tunnels: { [tunnel]: { mtu: 1450 } } },
    packet: 'SENT/IP(src=A4,dst=FAR4,ttl=64)/T("S",options=[("MSS",1460)])',
    becomes: tunnelled(FABRIC, `${OUTER}/IP(src=A4,dst=FAR4,ttl=63)/T("S",options=[("MSS",1460)])`),
  },
  {
    name: "what comes out of a tunnel is lowered for the answers' sake",
    given: { interfaces: { [B]: { flags: INTERFACE_MSS_CLAMP } }, tunnels: { [tunnel]: { mtu: 1450 } } },
    on: FABRIC,
    packet:
      'Ether(src=PEER_MAC,dst=FABRIC_MAC)/IP(src="192.0.2.2",dst="192.0.2.1",id=0)/UDP(sport=50000,dport=4789,chksum=0)/VXLAN(vni=77,flags="Instance")/GATEWAYS/IP(src=FAR4,dst=B4,ttl=64)/T("S",options=[("MSS",1460)])',
    becomes: out(B, 'ROUTED/IP(src=FAR4,dst=B4,ttl=63)/T("S",options=[("MSS",1410)])'),
  },
];

export const senders: readonly Topic[] = [
  { name: "senders: source check", cases: sources },
  { name: "senders: reverse path", cases: paths },
  { name: "senders: TCP segment size", cases: segments },
];
