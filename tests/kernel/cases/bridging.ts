// SPDX-License-Identifier: Apache-2.0
/** Unicast frames on a segment, and the MACs that are learned from their senders. */

import {
  FDB_LEARNED,
  INTERFACE_BRIDGE_LEARN,
  INTERFACE_LEARN_MAC,
  TRAP_FLAG_MOVED,
} from "../../../sdk/layout/generated.ts";
import { tunnelCases, tunnelId } from "../pipeline_tunnels.ts";
import { A, B, D, DISCARD, LOCAL, MISSING, TO_BLUE } from "./node.ts";
import { dropped, out, type PacketCase, type Topic, trapped } from "./packet_case.ts";

const U4 = "IP(src=A4,dst=B4,ttl=64)/U";

const bridge: readonly PacketCase[] = [
  {
    name: "IPv4 to a neighbour's MAC stays as it is",
    packet: `BRIDGED/${U4}`,
    becomes: out(B, `BRIDGED/${U4}`),
  },
  {
    name: "IPv6 too",
    packet: "BRIDGED/IPv6(src=A6,dst=B6,hlim=64)/U",
    becomes: out(B, "BRIDGED/IPv6(src=A6,dst=B6,hlim=64)/U"),
  },
  {
    name: "with a TTL of 1",
    packet: "BRIDGED/IP(src=A4,dst=B4,ttl=1)/U",
    becomes: out(B, "BRIDGED/IP(src=A4,dst=B4,ttl=1)/U"),
  },
  {
    name: "link-local addresses",
    packet: 'BRIDGED/IPv6(src="fe80::1",dst="fe80::2",hlim=255)/U',
    becomes: out(B, 'BRIDGED/IPv6(src="fe80::1",dst="fe80::2",hlim=255)/U'),
  },
  {
    name: "a neighbour solicitation to one neighbour",
    packet: "BRIDGED/IPv6(src=A6,dst=B6,hlim=255)/ICMPv6ND_NS(tgt=B6)",
    becomes: out(B, "BRIDGED/IPv6(src=A6,dst=B6,hlim=255)/ICMPv6ND_NS(tgt=B6)"),
  },
  {
    name: "an advertisement to one neighbour",
    packet: "BRIDGED/IPv6(src=A6,dst=B6,hlim=255)/ICMPv6ND_NA(tgt=A6)",
    becomes: out(B, "BRIDGED/IPv6(src=A6,dst=B6,hlim=255)/ICMPv6ND_NA(tgt=A6)"),
  },
  {
    name: "an unknown Ethernet type is bridged",
    packet: 'Ether(src=MAC_A,dst=MAC_B,type=0x88b5)/(b"x"*46)',
    becomes: out(B, 'Ether(src=MAC_A,dst=MAC_B,type=0x88b5)/(b"x"*46)'),
  },
  {
    name: "LLC with a length for a type",
    packet: 'Ether(src=MAC_A,dst=MAC_B,type=46)/(b"\\x42\\x42\\x03"+b"x"*43)',
    becomes: out(B, 'Ether(src=MAC_A,dst=MAC_B,type=46)/(b"\\x42\\x42\\x03"+b"x"*43)'),
  },
  {
    name: "an unknown Ethernet type to the router",
    packet: 'Ether(src=MAC_A,dst=GW,type=0x88b5)/(b"x"*46)',
    becomes: dropped("unsupported-protocol"),
  },
  {
    name: "MPLS from a workload is no IP packet",
    packet: "SENT/MPLS(label=100,s=1,ttl=64)/IP(src=A4,dst=B4)/U",
    becomes: dropped("unsupported-protocol"),
  },
  {
    name: "an unknown MAC",
    packet: `Ether(src=MAC_A,dst=MAC_NOBODY)/${U4}`,
    becomes: dropped("unknown-unicast"),
  },
  {
    name: "a MAC of another VRF",
    packet: `Ether(src=MAC_A,dst=MAC_D)/${U4}`,
    becomes: dropped("unknown-unicast"),
  },
  {
    name: "a MAC whose entry discards",
    given: { fdb: [["02:00:00:00:0f:0f", DISCARD]] },
    packet: `Ether(src=MAC_A,dst=MAC_NOBODY)/${U4}`,
    becomes: dropped("discard"),
  },
  {
    name: "a MAC whose next hop is gone",
    given: { fdb: [["02:00:00:00:0f:0f", MISSING]] },
    packet: `Ether(src=MAC_A,dst=MAC_NOBODY)/${U4}`,
    becomes: dropped("no-nexthop"),
  },
  {
    name: "a MAC in another VRF by a vrf next hop",
    given: { fdb: [["02:00:00:00:05:01", TO_BLUE]] },
    packet: `Ether(src=MAC_A,dst=MAC_D)/${U4}`,
    becomes: out(D, `Ether(src=MAC_A,dst=MAC_D)/${U4}`),
  },
  {
    name: "a MAC that is the host's: the frame becomes one to the device",
    given: { fdb: [["02:00:00:00:0f:0f", LOCAL]] },
    packet: `Ether(src=MAC_A,dst=MAC_NOBODY)/${U4}`,
    becomes: { verdict: "host", packet: `Ether(src=MAC_A,dst=FABRIC_MAC)/${U4}` },
  },
  {
    name: "something else than IP to a MAC of the host's",
    given: { fdb: [["02:00:00:00:0f:0f", LOCAL]] },
    packet: 'Ether(src=MAC_A,dst=MAC_NOBODY,type=0x88b5)/(b"x"*46)',
    becomes: dropped("no-nexthop"),
  },
  {
    name: "a bridged packet that is too long is dropped without a word",
    given: { interfaces: { [B]: { mtu: 100 } } },
    packet: 'BRIDGED/IP(src=A4,dst=B4,flags="DF")/UDP(sport=1,dport=2)/(b"x"*73)',
    becomes: dropped("packet-too-big"),
  },
];

const VXLAN = tunnelCases[0] === undefined ? 0 : tunnelId(tunnelCases[0]);

const learning: readonly PacketCase[] = [
  {
    name: "a new source MAC is told, and kept",
    given: { interfaces: { [A]: { flags: INTERFACE_BRIDGE_LEARN } } },
    packet: `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}`,
    becomes: trapped("mac-learn"),
  },
  {
    name: "the next frame from it passes",
    given: {
      interfaces: { [A]: { flags: INTERFACE_BRIDGE_LEARN } },
      before: [{ packet: `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}` }],
    },
    packet: `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}`,
    becomes: out(B, `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}`),
  },
  {
    name: "an answer to it finds the way",
    given: {
      interfaces: { [A]: { flags: INTERFACE_BRIDGE_LEARN } },
      before: [{ packet: `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}`, on: A }],
    },
    on: B,
    packet: "Ether(src=MAC_B,dst=MAC_NOBODY)/IP(src=B4,dst=A4,ttl=64)/U",
    becomes: out(A, "Ether(src=MAC_B,dst=MAC_NOBODY)/IP(src=B4,dst=A4,ttl=64)/U"),
  },
  {
    name: "a MAC that has moved is told",
    given: {
      interfaces: { [A]: { flags: INTERFACE_BRIDGE_LEARN } },
      fdb: [["02:00:00:00:0f:0f", B, { flags: FDB_LEARNED }]],
    },
    packet: `Ether(src=MAC_NOBODY,dst=MAC_C)/${U4}`,
    becomes: trapped("mac-learn", { flags: TRAP_FLAG_MOVED }),
  },
  {
    name: "an entry that was given is not taken over",
    given: { interfaces: { [A]: { flags: INTERFACE_BRIDGE_LEARN } }, fdb: [["02:00:00:00:0f:0f", B]] },
    packet: `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}`,
    becomes: out(B, `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}`),
  },
  {
    name: "that its MAC came from another node is told",
    given: { interfaces: { [A]: { flags: INTERFACE_BRIDGE_LEARN } }, fdb: [["02:00:00:00:0f:0f", VXLAN, { vni: 77 }]] },
    packet: `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}`,
    becomes: trapped("mac-learn", { flags: TRAP_FLAG_MOVED }),
  },
  {
    name: "once, and the entry stays",
    given: {
      interfaces: { [A]: { flags: INTERFACE_BRIDGE_LEARN } },
      fdb: [["02:00:00:00:0f:0f", VXLAN, { vni: 77 }]],
      before: [{ packet: `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}` }],
    },
    packet: `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}`,
    becomes: out(B, `Ether(src=MAC_NOBODY,dst=MAC_B)/${U4}`),
  },
  {
    name: "a group address is no source to learn",
    given: { interfaces: { [A]: { flags: INTERFACE_BRIDGE_LEARN } } },
    packet: `Ether(src="03:00:00:00:00:01",dst=MAC_B)/${U4}`,
    becomes: out(B, `Ether(src="03:00:00:00:00:01",dst=MAC_B)/${U4}`),
  },
  {
    name: "an interface that learns its workload's MAC can then be reached",
    given: {
      interfaces: { [A]: { flags: INTERFACE_LEARN_MAC, mac: "00:00:00:00:00:00", nexthopFlags: 4 } },
      before: [{ packet: `Ether(src="02:00:00:00:aa:aa",dst=GW)/${U4}`, on: A }],
    },
    on: B,
    packet: "FROM_B/IP(src=B4,dst=A4,ttl=64)/U",
    becomes: out(A, 'Ether(src=GW,dst="02:00:00:00:aa:aa")/IP(src=B4,dst=A4,ttl=63)/U'),
  },
];

export const bridging: readonly Topic[] = [
  { name: "bridging: unicast", cases: bridge },
  { name: "bridging: learning", cases: learning },
];
