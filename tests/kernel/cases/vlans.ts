// SPDX-License-Identifier: Apache-2.0
/** VLAN tags, and interfaces that are a VLAN of a device (802.1Q, 802.1ad). */

import { B, C } from "./node.ts";
import { dropped, out, type PacketCase, type Topic, trapped } from "./packet_case.ts";

const U4 = "IP(src=A4,dst=B4,ttl=64)/U";

const vlans: readonly PacketCase[] = [
  {
    name: "a tag that is an interface's own, routed to one without",
    on: C,
    packet: "Ether(src=MAC_C,dst=GW)/Dot1Q(vlan=10)/IP(src=C4,dst=B4,ttl=64)/U",
    becomes: out(B, "ROUTED/IP(src=C4,dst=B4,ttl=63)/U"),
  },
  {
    name: "of IPv6",
    on: C,
    packet: "Ether(src=MAC_C,dst=GW)/Dot1Q(vlan=10)/IPv6(src=C6,dst=B6,hlim=64)/U",
    becomes: out(B, "ROUTED/IPv6(src=C6,dst=B6,hlim=63)/U"),
  },
  {
    name: "with a priority, which is no part of the VLAN's id",
    on: C,
    packet: "Ether(src=MAC_C,dst=GW)/Dot1Q(vlan=10,prio=5)/IP(src=C4,dst=B4,ttl=64)/U",
    becomes: out(B, "ROUTED/IP(src=C4,dst=B4,ttl=63)/U"),
  },
  {
    name: "two tags, of which the outer one counts (802.1ad)",
    on: C,
    packet: "Ether(src=MAC_C,dst=GW)/Dot1AD(vlan=10)/Dot1Q(vlan=20)/IP(src=C4,dst=B4,ttl=64)/U",
    becomes: out(B, "ROUTED/IP(src=C4,dst=B4,ttl=63)/U"),
  },
  {
    name: "three tags are too many",
    on: C,
    packet: "Ether(src=MAC_C,dst=GW)/Dot1Q(vlan=10)/Dot1Q(vlan=20)/Dot1Q(vlan=30)/IP(src=C4,dst=B4)/U",
    becomes: dropped("unsupported-protocol"),
  },
  {
    name: "a tag that is nobody's",
    packet: `SENT/Dot1Q(vlan=11)/${U4}`,
    becomes: dropped("unknown-interface", 0),
  },
  {
    name: "VLAN 0 is only a priority: the untagged interface's (802.1Q section 6.9)",
    packet: `SENT/Dot1Q(vlan=0,prio=3)/${U4}`,
    becomes: out(B, "ROUTED/IP(src=A4,dst=B4,ttl=63)/U"),
  },
  {
    name: "to an interface with a VLAN the packet gets its tag",
    packet: "SENT/IP(src=A4,dst=C4,ttl=64)/U",
    becomes: out(C, "Ether(src=GW,dst=MAC_C)/Dot1Q(vlan=10)/IP(src=A4,dst=C4,ttl=63)/U"),
  },
  {
    name: "from one VLAN to itself the tag stays",
    on: C,
    packet: "Ether(src=MAC_C,dst=GW)/Dot1Q(vlan=10)/IP(src=C4,dst=C4,ttl=64)/U",
    becomes: out(C, "Ether(src=GW,dst=MAC_C)/Dot1Q(vlan=10)/IP(src=C4,dst=C4,ttl=63)/U"),
    only: { hook: "xdp", why: "a test run has the tag in the frame, where the kernel would have taken it out" },
  },
  {
    name: "bridged from a VLAN to an interface without",
    on: C,
    packet: "Ether(src=MAC_C,dst=MAC_B)/Dot1Q(vlan=10)/IP(src=C4,dst=B4,ttl=64)/U",
    becomes: out(B, "Ether(src=MAC_C,dst=MAC_B)/IP(src=C4,dst=B4,ttl=64)/U"),
  },
  {
    name: "bridged to a VLAN",
    packet: "Ether(src=MAC_A,dst=MAC_C)/IP(src=A4,dst=C4,ttl=64)/U",
    becomes: out(C, "Ether(src=MAC_A,dst=MAC_C)/Dot1Q(vlan=10)/IP(src=A4,dst=C4,ttl=64)/U"),
  },
  {
    name: "ARP for the gateway is answered with the tag",
    on: C,
    packet: "Ether(src=MAC_C,dst=ALL)/Dot1Q(vlan=10)/ARP(hwsrc=MAC_C,psrc=C4,pdst=GW4)",
    becomes: {
      verdict: "answer",
      packet: "Ether(src=GW,dst=MAC_C)/Dot1Q(vlan=10)/ARP(op=2,hwsrc=GW,psrc=GW4,hwdst=MAC_C,pdst=C4)",
    },
    only: { hook: "xdp", why: "a test run has the tag in the frame, where the kernel would have taken it out" },
  },
  {
    name: "what the slow path gets of a tagged frame says where IP is",
    on: C,
    packet: "Ether(src=MAC_C,dst=GW)/Dot1Q(vlan=10)/IP(src=C4,dst=B4,ttl=1)/U",
    becomes: trapped("ttl-expired", { l3Offset: 18, nexthop: B, outInterface: B }, { drop: "ttl-expired" }),
  },
  {
    name: "a frame that ends within its tag",
    packet: "cut(SENT/Dot1Q(vlan=0),16)",
    becomes: dropped("invalid-packet"),
  },
];

export const vlanTags: readonly Topic[] = [{ name: "VLANs", cases: vlans }];
