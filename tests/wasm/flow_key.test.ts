// SPDX-License-Identifier: Apache-2.0
/** Policy judges a flow that is there by its key, as it would judge the packet that began it. */
import { describe, expect, test } from "bun:test";
import { encodeFlowKey } from "../../sdk/dataplane/flows/codec.ts";
import { instantiate } from "./module.ts";
import { icmp, packet, tcp, udp } from "./packets.ts";

const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
const wasm = instantiate(memory);
const bytes = new Uint8Array(memory.buffer);
const AT = 65536;

/** All that policy looks at. */
function seen() {
  wasm.addresses(1024);
  return {
    family: wasm.family(),
    protocol: wasm.protocol(),
    source: [...bytes.slice(1024, 1040)],
    destination: [...bytes.slice(1040, 1056)],
    sourcePort: wasm.sourcePort(),
    destinationPort: wasm.destinationPort(),
    hasPorts: wasm.hasPorts() !== 0,
    icmp: wasm.icmp() >>> 0,
  };
}

const V4 = { source: "10.0.0.1", destination: "192.0.2.7" };
const V6 = { source: "fd00::1", destination: "2001:db8::7" };

const PACKETS: Readonly<Record<string, Uint8Array>> = {
  "TCP over IPv4": packet({ ...V4, protocol: 6, payload: tcp(40000, 80) }),
  "TCP over IPv6": packet({ ...V6, protocol: 6, payload: tcp(40000, 80) }),
  "UDP from and to the same port": packet({ ...V4, protocol: 17, payload: udp(53, 53) }),
  "SCTP over IPv6": packet({ ...V6, protocol: 132, payload: udp(9, 10, [0, 0, 0, 0]) }),
  "an echo": packet({ ...V4, protocol: 1, payload: icmp(8, 0, [0x12, 0x34, 0, 1]) }),
  "an echo over IPv6": packet({ ...V6, protocol: 58, payload: icmp(128, 0, [0, 9, 0, 1]) }),
  "a timestamp request": packet({ ...V4, protocol: 1, payload: icmp(13, 0) }),
  "a message that nothing answers": packet({ ...V6, protocol: 58, payload: icmp(200, 3) }),
  GRE: packet({ ...V4, protocol: 47, payload: [0, 0, 8, 0, 0, 0, 0, 0] }),
  "ICMPv6 over IPv4": packet({ ...V4, protocol: 58, payload: icmp(128, 0) }),
};

describe("the key of a flow says of it what its first packet does:", () => {
  for (const [name, frame] of Object.entries(PACKETS)) {
    test(name, () => {
      bytes.set(frame, AT);
      expect(wasm.parse(AT, frame.length, 14)).toBe(1);
      const parsed = seen();
      const key = encodeFlowKey({
        family: parsed.family as 4 | 6,
        vrf: 1,
        protocol: parsed.protocol,
        source: new Uint8Array(parsed.source),
        destination: new Uint8Array(parsed.destination),
        sourcePort: parsed.sourcePort,
        destinationPort: parsed.destinationPort,
      });
      wasm.parse(AT, 0, 0);
      bytes.set(key, AT);
      wasm.parseKey(parsed.family, AT);
      expect(seen()).toEqual(parsed);
    });
  }
});
