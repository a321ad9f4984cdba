// SPDX-License-Identifier: Apache-2.0
/** Frames that `weir trace` builds, byte for byte beside scapy's. */
import { expect, test } from "bun:test";
import { buildFrame, type PacketFields } from "../../sdk/dataplane/trace/frame.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";

const ETHER = `Ether(src="02:00:00:00:01:01",dst="00:00:5e:00:01:00")`;
const V4 = `IP(src="10.97.0.1",dst="10.97.0.2",id=0,flags="DF"`;
const V6 = `IPv6(src="fd00:97::1",dst="fd00:97::2"`;
const v4 = { dst: "10.97.0.2" };
const v6 = { dst: "fd00:97::2" };
const zeros = (count: number) => `Raw(b"\\0" * ${count})`;

const cases: Record<string, readonly [PacketFields, string]> = {
  "an echo request": [v4, `${ETHER}/${V4})/ICMP(id=1,seq=1)`],
  "an ICMPv6 echo request": [v6, `${ETHER}/${V6})/ICMPv6EchoRequest(id=1,seq=1)`],
  "UDP with a payload of odd length": [
    { ...v4, proto: "udp", sport: 1000, dport: 53, size: 61 },
    `${ETHER}/${V4})/UDP(sport=1000,dport=53)/${zeros(19)}`,
  ],
  "UDP over IPv6": [
    { ...v6, proto: "udp", sport: 1, dport: 65535, dscp: 46, ttl: 3 },
    `${ETHER}/${V6},tc=0xb8,hlim=3)/UDP(sport=1,dport=65535)`,
  ],
  "a TCP SYN": [
    { ...v4, proto: "tcp", sport: 2000, dport: 80, ttl: 255, dscp: 8 },
    `${ETHER}/${V4},ttl=255,tos=0x20)/TCP(sport=2000,dport=80,flags="S",window=65535)`,
  ],
  "a TCP answer over IPv6": [
    { ...v6, proto: 6, sport: 80, dport: 2000, flags: ["syn", "ack"] },
    `${ETHER}/${V6})/TCP(sport=80,dport=2000,flags="SA",window=65535)`,
  ],
  "a tagged frame of 1000 bytes": [
    { ...v4, proto: "udp", sport: 1, dport: 2, vlan: 4094, size: 1000 },
    `${ETHER}/Dot1Q(vlan=4094)/${V4})/UDP(sport=1,dport=2)/${zeros(954)}`,
  ],
  "a protocol without ports": [{ ...v4, proto: 99, size: 50 }, `${ETHER}/${V4},proto=99)/${zeros(16)}`],
};

test(
  "are what scapy builds from the same fields",
  () => {
    const wanted = scapyPackets(Object.fromEntries(Object.entries(cases).map(([name, [, text]]) => [name, text])));
    for (const [name, [fields]] of Object.entries(cases)) {
      const built = buildFrame(fields, {
        sourceMac: "02:00:00:00:01:01",
        destinationMac: "00:00:5e:00:01:00",
        source4: "10.97.0.1",
        source6: "fd00:97::1",
      });
      expect([name, built.toHex()]).toEqual([name, wanted[name]?.toHex() ?? "nothing"]);
    }
  },
  SCAPY_TIMEOUT_MS,
);
