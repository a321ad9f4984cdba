// SPDX-License-Identifier: Apache-2.0
/** Being a good router: reverse path, fragments, segment size, and checksums of tunnels; on both hooks. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  INTERFACE_MSS_CLAMP,
  INTERFACE_POLICY,
  INTERFACE_RPF_LOOSE,
  INTERFACE_RPF_STRICT,
  InterfaceRoleValue,
  TRAP_FLAG_IPV6,
  TRAP_FLAG_PORTS,
} from "../../sdk/layout/generated.ts";
import { V4, V6 } from "./pipeline_frames.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { addLabelledRoute, addUnderlayAddress, addVni, setGroup, setTunnel } from "./pipeline_overlay.ts";
import {
  be16,
  checksumsAreRight,
  concat,
  finish,
  icmpError,
  ip,
  ipPacket,
  MAC_A,
  MAC_B,
  udp,
  udpSegment,
} from "./pipeline_packets.ts";
import { FABRIC_MAC, PEER_MAC } from "./pipeline_tunnels.ts";

const FABRIC = 3;
const UPLINK = 50;
const TUNNEL = 30;
const OTHER_TUNNEL = 31;
const PAIR = 40;
const FAR4 = { source: "10.97.0.1", destination: "10.97.9.2" };
const FAR6 = { source: "fd00:97::1", destination: "fd00:97:9::2" };
const TCP_SYN = 2;

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.configure({ trapRate: 0, holdTimeoutMs: 2000 });
  for (const name of ["routes4", "routes6", "fragments"])
    for (const { key } of pipeline.map(name).entries()) pipeline.map(name).delete(key.slice());
  interfaces(0);
  pipeline.setNexthop(UPLINK, "interface", { interface: FABRIC, mac: PEER_MAC, sourceMac: FABRIC_MAC });
  setTunnel(pipeline, TUNNEL, { encap: "vxlan", local: "192.0.2.1", remote: "192.0.2.2", underlay: UPLINK, mtu: 1450 });
  setTunnel(pipeline, OTHER_TUNNEL, { encap: "vxlan", local: "192.0.2.1", remote: "192.0.2.3", underlay: UPLINK });
  pipeline.receiveOn(1);
  pipeline.addRoute(1, "10.97.0.2/32", 2);
  pipeline.addRoute(1, "fd00:97::2/128", 2);
  addLabelledRoute(pipeline, 1, "10.97.9.0/24", TUNNEL, { vni: 77 });
  addLabelledRoute(pipeline, 1, "fd00:97:9::/48", TUNNEL, { vni: 77 });
  addVni(pipeline, 77, 1);
  addUnderlayAddress(pipeline, "192.0.2.1");
});

function interfaces(flags: number, fabricFlags = 0): void {
  pipeline.addInterface(1, { mac: MAC_A, flags });
  pipeline.addInterface(2, { mac: MAC_B, mtu: 1500 });
  pipeline.addInterface(FABRIC, { vrf: 99, role: InterfaceRoleValue.fabric, flags: fabricFlags });
}

/** A routed packet in VXLAN from `remote`; `check` is the outer UDP checksum: a number, or to be made right. */
function tunnelled(packet: Uint8Array, remote = "192.0.2.2", check: number | "right" = 0): Uint8Array {
  const frame = concat(
    [0, 0, 0x5e, 0, 1, 0],
    [0, 0, 0x5e, 0, 1, 0],
    packet[0] === 0x45 ? [8, 0] : [0x86, 0xdd],
    packet,
  );
  const vxlan = concat([8, 0, 0, 0, 0, 0, 77, 0], frame);
  const addresses = { source: remote, destination: "192.0.2.1", from: PEER_MAC, to: FABRIC_MAC };
  const segment = concat(be16(50000), be16(4789), be16(8 + vxlan.length), be16(check === "right" ? 0 : check), vxlan);
  return ip(17, check === "right" ? finish(segment, 6, 17, addresses) : segment, addresses);
}

/** A SYN whose options are given. */
function syn(o: { source: string; destination: string }, options: readonly number[]): Uint8Array {
  const head = concat(be16(1000), be16(2000), [0, 0, 0, 1, 0, 0, 0, 0]);
  const rest = [((20 + options.length) / 4) << 4, TCP_SYN, 2, 0, 0, 0, 0, 0, ...options];
  return ip(6, finish(concat(head, rest), 16, 6, o), o);
}

/** The MSS that a TCP header offers, wherever it stands in the options. */
function mssOf(segment: Uint8Array): number {
  for (let at = 20; at < segment.length; at++)
    if (segment[at] === 2 && segment[at + 1] === 4) return ((segment[at + 2] ?? 0) << 8) | (segment[at + 3] ?? 0);
  return 0;
}

describe.each(hooks)("on the %s hook", (hook) => {
  describe("the reverse path", () => {
    test.each([
      ["IPv4", V4, "10.97.0.1/32", "0.0.0.0/0"],
      ["IPv6", V6, "fd00:97::1/128", "::/0"],
    ] as const)("of %s: loose wants a route, strict one that leads back", (_name, addresses, own, all) => {
      const verdict = () => pipeline.run(hook, udp(addresses)).verdict;
      interfaces(INTERFACE_RPF_LOOSE);
      expect(verdict()).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ rpf: 1 });
      pipeline.addRoute(1, all, 2, 4);
      expect(verdict()).toBe("out");
      interfaces(INTERFACE_RPF_STRICT);
      expect(verdict()).toBe("drop");
      pipeline.addRoute(1, own, 1);
      expect(verdict()).toBe("out");
      pipeline.setNexthop(9, "discard");
      pipeline.addRoute(1, own, 9);
      expect(verdict()).toBe("drop");
    });

    test("of an ICMP error is that of its own source", () => {
      interfaces(INTERFACE_RPF_STRICT);
      pipeline.addRoute(1, "10.97.0.1/32", 1);
      const quoted = ipPacket(17, udpSegment(V4), { source: V4.destination, destination: "10.98.0.1" });
      expect(pipeline.run(hook, icmpError(3, 3, quoted, V4)).verdict).toBe("out");
    });

    test("leads into the same tunnel, one of an ecmp's too", () => {
      interfaces(0, INTERFACE_RPF_STRICT);
      pipeline.receiveOn(FABRIC);
      const packet = ipPacket(17, udpSegment({ source: "10.97.9.2", destination: "10.97.0.2" }), {
        source: "10.97.9.2",
        destination: "10.97.0.2",
      });
      const verdict = (remote: string) => pipeline.run(hook, tunnelled(packet, remote)).verdict;
      expect(verdict("192.0.2.2")).toBe("out");
      expect(verdict("192.0.2.3")).toBe("drop");
      expect(verdict("192.0.2.77")).toBe("drop");
      expect(pipeline.drops(FABRIC)).toEqual({ rpf: 2 });
      setGroup(
        pipeline,
        PAIR,
        "ecmp",
        0,
        [TUNNEL, OTHER_TUNNEL, TUNNEL, OTHER_TUNNEL].map((nexthop) => ({ nexthop, vni: 77 })),
      );
      pipeline.addRoute(1, "10.97.9.0/24", PAIR);
      expect(verdict("192.0.2.2")).toBe("out");
      expect(verdict("192.0.2.3")).toBe("out");
    });
  });

  describe("fragments where policy is on", () => {
    const later = (o: { source: string; destination: string }) =>
      ip(17, new Uint8Array(16), { ...o, fragment: 0x0002 });
    const first = udp({ ...V4, fragment: 0x2000 });
    const fragment6 = (offset: number, more: number) => Uint8Array.of(17, 0, offset >> 8, offset | more, 0, 0, 0, 7);

    beforeEach(() => {
      interfaces(INTERFACE_POLICY);
      pipeline.controllerStarts();
    });

    function allow(addresses: { source: string; destination: string }): void {
      expect(pipeline.decide(addresses, { nexthop: 2, reverseNexthop: 1 }).result).toBe("ok");
    }

    test("take the ports of the first one", () => {
      allow(V4);
      expect(pipeline.run(hook, first).verdict).toBe("out");
      const out = pipeline.run(hook, later(V4));
      expect(trapOf(out)).toBeUndefined();
      expect(out.verdict).toBe("out");
      expect(pipeline.flow(V4)?.packets).toBe(2);
    });

    test("of IPv6 too", () => {
      allow(V6);
      const options = { firstExtension: 44, ...V6 };
      const out = pipeline.run(hook, ip(17, udpSegment(V6), { ...options, options: fragment6(0, 1) }));
      expect(trapOf(out)).toBeUndefined();
      const next = pipeline.run(hook, ip(17, new Uint8Array(16), { ...options, options: fragment6(16, 0) }));
      expect(trapOf(next)).toBeUndefined();
      expect(next.verdict).toBe("out");
      expect(pipeline.flow(V6)?.packets).toBe(2);
    });

    test("of IPv6 with extension headers behind the fragment header take its protocol too", () => {
      allow(V6);
      // The fragment header names the destination options, in all fragments alike.
      const of = (offset: number, more: number) => Uint8Array.of(60, 0, offset >> 8, offset | more, 0, 0, 0, 9);
      const options = concat(of(0, 1), [17, 0, 1, 4, 0, 0, 0, 0]);
      const begun = ip(17, udpSegment(V6), { ...V6, firstExtension: 44, options });
      const rest = ip(60, new Uint8Array(16), { ...V6, firstExtension: 44, options: of(24, 0) });
      expect(trapOf(pipeline.run(hook, rest))).toMatchObject({ reason: "fragment", flags: TRAP_FLAG_IPV6 });
      const trap = trapOf(pipeline.run(hook, begun));
      expect(trap).toMatchObject({ reason: "fragment", flags: TRAP_FLAG_PORTS | TRAP_FLAG_IPV6 });
      expect(pipeline.run(hook, begun).verdict).toBe("out");
      const out = pipeline.run(hook, rest);
      expect(trapOf(out)).toBeUndefined();
      expect(out.verdict).toBe("out");
      expect(pipeline.flow(V6)?.packets).toBe(2);
    });

    test("whose first one has not come wait in the slow path, and are dropped without one", () => {
      allow(V4);
      expect(trapOf(pipeline.run(hook, later(V4)))?.reason).toBe("fragment");
      pipeline.controllerStops();
      expect(pipeline.run(hook, later(V4)).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ fragment: 1 });
    });

    test("that wait have the first one sent after them, and later ones know its ports", () => {
      allow(V4);
      expect(trapOf(pipeline.run(hook, later(V4)))?.flags).toBe(0);
      const trap = trapOf(pipeline.run(hook, first));
      expect(trap).toMatchObject({ reason: "fragment", flags: TRAP_FLAG_PORTS, packet: first });
      // Once: its copies, and what comes later, go on by themselves.
      expect(trapOf(pipeline.run(hook, first))).toBeUndefined();
      expect(pipeline.run(hook, later(V4)).verdict).toBe("out");
      expect(pipeline.flow(V4)?.packets).toBe(2);
    });

    test("make no new flow: the first one, for which they wait, does", () => {
      expect(trapOf(pipeline.run(hook, later(V4)))?.reason).toBe("fragment");
      expect(trapOf(pipeline.run(hook, first))?.reason).toBe("flow-miss");
      pipeline.forget(V4);
      expect(pipeline.run(hook, later(V4)).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ fragment: 1 });
    });

    test("of a flow that is being decided are all handed on, more than other packets would be", () => {
      expect(trapOf(pipeline.run(hook, first))).toMatchObject({ reason: "flow-miss" });
      for (let i = 0; i < 8; i++)
        expect(trapOf(pipeline.run(hook, later(V4)))).toMatchObject({ reason: "flow-miss", flags: 0 });
      const others = Array.from({ length: 4 }, () => trapOf(pipeline.run(hook, udp(V4)))?.reason);
      expect(others).toEqual(["flow-miss", "flow-miss", undefined, undefined]);
      expect(pipeline.drops(1)).toEqual({ "hold-limit": 2 });
    });

    test("of another datagram, or another protocol, do not", () => {
      allow(V4);
      pipeline.run(hook, first);
      expect(trapOf(pipeline.run(hook, later({ ...V4, source: "10.97.0.3" })))?.reason).toBe("fragment");
      expect(trapOf(pipeline.run(hook, ip(6, new Uint8Array(16), { ...V4, fragment: 2 })))?.reason).toBe("fragment");
    });
  });

  describe("the segment size of a SYN", () => {
    const options = [
      ["alone", [2, 4, 0x05, 0xb4]],
      ["behind others", [1, 1, 4, 2, 3, 3, 7, 1, 2, 4, 0x05, 0xb4]],
      ["at an odd offset", [1, 2, 4, 0x05, 0xb4, 1, 1, 1]],
    ] as const;

    test.each(options)("%s is lowered to what the tunnel takes", (_name, list) => {
      interfaces(INTERFACE_MSS_CLAMP);
      for (const [addresses, mss] of [
        [FAR4, 1410],
        [FAR6, 1390],
      ] as const) {
        const out = pipeline.run(hook, syn(addresses, list));
        expect(out.verdict).toBe("out");
        const inner = out.data.subarray(50);
        expect(mssOf(inner.subarray(inner[12] === 0x86 ? 54 : 34))).toBe(mss);
        expect(checksumsAreRight(inner)).toBe(true);
      }
    });

    test("is left where it is smaller, where none is offered, and where it is not to be touched", () => {
      interfaces(INTERFACE_MSS_CLAMP);
      const tcpOf = (frame: Uint8Array) => frame.subarray(84);
      const small = syn(FAR4, [2, 4, 2, 0x18]);
      expect(tcpOf(pipeline.run(hook, small).data)).toEqual(small.subarray(34));
      for (const list of [[], [1, 1, 1, 0], [2, 2, 1, 1], [3, 0, 1, 1], [8, 40, 0, 0]]) {
        const frame = syn(FAR4, list);
        expect(tcpOf(pipeline.run(hook, frame).data)).toEqual(frame.subarray(34));
      }
      interfaces(0);
      const large = syn(FAR4, [2, 4, 0x05, 0xb4]);
      expect(tcpOf(pipeline.run(hook, large).data)).toEqual(large.subarray(34));
    });

    test("that comes out of a tunnel is lowered too: the answers go into it", () => {
      interfaces(0);
      pipeline.addInterface(2, { mac: MAC_B, mtu: 1500, flags: INTERFACE_MSS_CLAMP });
      pipeline.receiveOn(FABRIC);
      const frame = syn({ source: "10.97.9.2", destination: "10.97.0.2" }, [2, 4, 0x05, 0xb4]);
      const out = pipeline.run(hook, tunnelled(frame.subarray(14)));
      expect(out.verdict).toBe("out");
      expect(mssOf(out.data.subarray(34))).toBe(1410);
      expect(checksumsAreRight(out.data)).toBe(true);
    });
  });

  describe("the UDP checksum of a tunnel", () => {
    const addresses = { source: "10.97.9.2", destination: "10.97.0.2" };
    const packet = (bytes: number) =>
      ipPacket(17, udpSegment({ ...addresses, payload: new Uint8Array(bytes).fill(0xa5) }), addresses);

    beforeEach(() => pipeline.receiveOn(FABRIC));

    test.each([0, 1, 2, 13, 14, 63, 64, 700, 1400])("with %d bytes inside is verified", (bytes) => {
      expect(pipeline.run(hook, tunnelled(packet(bytes), "192.0.2.2", "right")).verdict).toBe("out");
      expect(pipeline.run(hook, tunnelled(packet(bytes), "192.0.2.2", 0x1234)).verdict).toBe("drop");
      expect(pipeline.drops(FABRIC)).toEqual({ checksum: 1 });
    });

    test("over a packet whose own checksum is still to be finished is believed", () => {
      const inner = packet(64);
      const pseudo = concat([10, 97, 9, 2, 10, 97, 0, 2, 0, 17], be16(72));
      let sum = 0;
      for (let at = 0; at < pseudo.length; at += 2) sum += ((pseudo[at] ?? 0) << 8) | (pseudo[at + 1] ?? 0);
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
      inner.set(be16(sum), 26);
      expect(pipeline.run(hook, tunnelled(inner, "192.0.2.2", 0x1234)).verdict).toBe("out");
    });
  });
});
