// SPDX-License-Identifier: Apache-2.0
/** The words of the packet cases, in Python: addresses, headers that come up again and again, and sums. */

import { GATEWAY_MAC } from "../pipeline_packets.ts";
import { FABRIC_MAC, PEER_MAC } from "../pipeline_tunnels.ts";

/** Workloads at home here (A, B, C in VRF 1, D in VRF 2) and one on another node; 4 and 6: their addresses. */
export const WORDS = `
MAC_A, MAC_B, MAC_C, MAC_D = ("02:00:00:00:%02x:01" % n for n in (1, 2, 3, 5))
MAC_FAR, MAC_NOBODY, ALL = "02:00:00:00:09:01", "02:00:00:00:0f:0f", "ff:ff:ff:ff:ff:ff"
GW, FABRIC_MAC, PEER_MAC = "${GATEWAY_MAC}", "${FABRIC_MAC}", "${PEER_MAC}"
A4, B4, C4, D4, FAR4, GW4 = "10.97.0.1", "10.97.0.2", "10.97.0.3", "10.98.0.5", "10.97.9.2", "10.97.0.254"
A6, B6, C6, D6, FAR6, GW6 = "fd00:97::1", "fd00:97::2", "fd00:97::3", "fd00:98::5", "fd00:97:9::2", "fd00:97::fe"

DATA = b"abcdefgh"
U = UDP(sport=1000, dport=2000) / DATA

SENT = Ether(src=MAC_A, dst=GW)       # by A, to be routed
ROUTED = Ether(src=GW, dst=MAC_B)     # to B, by the router
BRIDGED = Ether(src=MAC_A, dst=MAC_B) # from A to B on one segment
FROM_B = Ether(src=MAC_B, dst=GW)
TO_A = Ether(src=GW, dst=MAC_A)
GATEWAYS = Ether(src=GW, dst=GW)      # inside of a tunnel, routed

def T(flags, **fields):
    return TCP(sport=1000, dport=2000, seq=1, ack=1, flags=flags, **fields)

def checksum_is(wanted, packet):
    "The packet with the identification that makes its IPv4 header checksum the wanted one."
    packet[IP].id = 0
    without = int.from_bytes(bytes(packet[IP])[10:12], "big")
    packet[IP].id = (without - wanted) % 0xffff
    assert int.from_bytes(bytes(packet[IP])[10:12], "big") == wanted
    return packet

def segment_checksum_is(wanted, layer, field, packet):
    "The packet with the value of a 16-bit field of TCP, UDP or ICMP that makes that layer's checksum the wanted one."
    setattr(packet[layer], field, 0)
    name = "cksum" if layer in (ICMPv6EchoRequest, ICMPv6EchoReply) else "chksum"
    without = getattr(Ether(bytes(packet))[layer], name)
    setattr(packet[layer], field, (without - wanted) % 0xffff)
    assert getattr(Ether(bytes(packet))[layer], name) == wanted
    return packet

def segment_change(port, new_port, address, new_address):
    "The checksum that becomes 0 when an IPv4 destination and its port change (RFC 1624)."
    words = lambda text: [int.from_bytes(inet_aton(text)[i:i + 2], "big") for i in (0, 2)]
    return (sum([new_port, *words(new_address)]) - sum([port, *words(address)])) % 0xffff

def cut(packet, length):
    return bytes(packet)[:length]

def quoted(packet, length=None):
    "What an ICMP error quotes: the packet from its IP header on."
    return bytes(packet.payload)[:length]
`;
