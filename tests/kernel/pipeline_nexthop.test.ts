// SPDX-License-Identifier: Apache-2.0
/** Next hops that lead to others: vrf and ecmp, and what flows keep of them. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  HASH_DESTINATION,
  HASH_DESTINATION_PORT,
  HASH_PROTOCOL,
  HASH_SOURCE,
  HASH_SOURCE_PORT,
  INTERFACE_POLICY,
  MEMBER_DEAD,
  NEXTHOP_FLAG_DOWN,
  NEXTHOP_FLAG_POLICY,
} from "../../sdk/layout/generated.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { addLabelledRoute, setGroup, setTunnel, setVrfNexthop, vrfCounter } from "./pipeline_overlay.ts";
import { concat, ip, MAC_A, MAC_B, udp, udpSegment } from "./pipeline_packets.ts";
import { FABRIC_MAC, PEER_MAC } from "./pipeline_tunnels.ts";

const BLUE = 2;
const TO_BLUE = 20;
const PAIR = 21;
const LOOP = 22;
const UPLINK = 50;
const V4 = { source: "10.97.0.1", destination: "10.97.9.2" };
const V6 = { source: "fd00:97::1", destination: "fd00:97:9::2" };
const remotes = ["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"] as const;
const BUCKETS = 256;
/** Weights 1, 1, 2, 4. */
const shares = [32, 32, 64, 128] as const;

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.configure({ trapRate: 0, holdTimeoutMs: 2000 });
  pipeline.addInterface(1, { mac: MAC_A });
  pipeline.addInterface(2, { mac: MAC_B, vrf: BLUE });
  pipeline.addInterface(3, { vrf: 99, role: 2 });
  pipeline.setNexthop(UPLINK, "interface", { interface: 3, mac: PEER_MAC, sourceMac: FABRIC_MAC });
  setVrfNexthop(pipeline, TO_BLUE, BLUE);
  setVrfNexthop(pipeline, LOOP, 1);
  pipeline.receiveOn(1);
  pipeline.addRoute(1, "10.97.9.0/24", TO_BLUE);
  pipeline.addRoute(1, "fd00:97:9::/48", TO_BLUE);
  pipeline.addRoute(BLUE, "10.97.9.2/32", 2);
  pipeline.addRoute(BLUE, "fd00:97:9::2/128", 2);
  remotes.forEach((remote, index) => {
    setTunnel(pipeline, 30 + index, { encap: "vxlan", local: "192.0.2.1", remote, underlay: UPLINK });
  });
  members();
  addLabelledRoute(pipeline, 1, "10.98.0.0/16", PAIR, { vni: 5 });
});

/** Buckets by weight, interleaved as a resilient table is; those of `lost` go to the others in turn. */
function members(o: { lost?: number; dead?: number; hashFields?: number } = {}): void {
  const left = remotes.map((_, index) => index).filter((index) => index !== o.lost);
  const owners = shares.flatMap((share, index) => Array<number>(share).fill(index));
  const buckets = Array.from({ length: BUCKETS }, (_, at) => {
    const owner = owners[(at * 97) % BUCKETS] ?? 0;
    const index = owner === o.lost ? (left[at % left.length] ?? 0) : owner;
    return { nexthop: 30 + index, vni: 77 + index, flags: index === o.dead ? MEMBER_DEAD : 0 };
  });
  setGroup(pipeline, PAIR, "ecmp", 0, buckets, o.hashFields);
}

/** Index of the remote that a frame went to, and its VNI. */
function chosen(frame: Uint8Array): { member: number; vni: number } {
  return { member: (frame[33] ?? 0) - 2, vni: frame[48] ?? 0 };
}

function flowFrame(index: number): Uint8Array {
  return udp({
    source: `10.97.${(index >> 8) & 63}.${index & 255}`,
    destination: "10.98.0.1",
    sourcePort: 1024 + ((index * 7) & 8191),
  });
}

describe.each(hooks)("on the %s hook", (hook) => {
  test.each([
    ["IPv4", V4, 22],
    ["IPv6", V6, 21],
  ] as const)("a vrf next hop looks %s up again there, and costs one hop in all", (_name, addresses, ttl) => {
    const out = pipeline.run(hook, udp(addresses));
    expect(out.verdict).toBe("out");
    expect(out.data[ttl]).toBe(63);
    expect(pipeline.counter(2, "txPackets")).toBe(1);
  });

  test("a translation is counted for the VRF that it leaves", () => {
    const before = vrfCounter(pipeline, 1, "vrf");
    pipeline.run(hook, udp(V4));
    expect(vrfCounter(pipeline, 1, "vrf") - before).toBe(1);
  });

  test("no route in the other VRF is a counted drop", () => {
    const out = pipeline.run(hook, udp({ ...V4, destination: "10.97.9.77" }));
    expect(out.verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "no-route": 1 });
  });

  test("a circle of vrf next hops is a counted drop", () => {
    pipeline.addRoute(1, "10.99.0.0/16", LOOP);
    expect(pipeline.run(hook, udp({ ...V4, destination: "10.99.0.1" })).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ loop: 1 });
  });

  test("a packet with a TTL of 1 does not get through another VRF", () => {
    expect(pipeline.run(hook, udp({ ...V4, ttl: 1 })).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "ttl-expired": 1 });
  });

  test("policy of the interface in the other VRF is asked, and the flow's answer comes in there", () => {
    pipeline.addInterface(2, { mac: MAC_B, vrf: BLUE, nexthopFlags: NEXTHOP_FLAG_POLICY, flags: INTERFACE_POLICY });
    pipeline.controllerStarts();
    const trap = trapOf(pipeline.run(hook, udp(V4)));
    expect(trap).toMatchObject({ reason: "flow-miss", vrf: 1, nexthop: 2, outInterface: 2, reverseNexthop: 1 });
    const { result } = pipeline.decide(V4, {
      generation: trap?.generation ?? 0,
      ingress: 1,
      reverseIngress: 2,
      nexthop: 2,
      reverseNexthop: 1,
    });
    expect(result).toBe("ok");
    expect(pipeline.run(hook, udp(V4)).verdict).toBe("out");
    pipeline.receiveOn(2);
    const back = { source: V4.destination, destination: V4.source, sourcePort: 2000, destinationPort: 1000 };
    const out = pipeline.run(hook, udp({ ...back, from: MAC_B }));
    expect(out.verdict).toBe("out");
    expect(out.data.subarray(0, 6)).toEqual(Uint8Array.from([2, 0, 0, 0, 1, 1]));
    expect(pipeline.flow({ ...back, vrf: BLUE })?.packets).toBe(1);
  });

  test("the shares of an ecmp follow the weights, with each member's own VNI", () => {
    const counts = [0, 0, 0, 0];
    const flows = 4000;
    for (let index = 0; index < flows; index++) {
      const { member, vni } = chosen(pipeline.run(hook, flowFrame(index)).data);
      expect(vni).toBe(77 + member);
      counts[member] = (counts[member] ?? 0) + 1;
    }
    shares.forEach((share, index) => {
      const wanted = (flows * share) / BUCKETS;
      expect(Math.abs((counts[index] ?? 0) - wanted)).toBeLessThan(5 * Math.sqrt(wanted));
    });
  });

  test("the loss of a member moves its own flows only, before and after its buckets are given away", () => {
    const flows = Array.from({ length: 400 }, (_, index) => flowFrame(index));
    const choose = () => flows.map((frame) => chosen(pipeline.run(hook, frame).data).member);
    const before = choose();
    const others = (after: readonly number[]) => {
      after.forEach((member, index) => {
        if (before[index] === 2) expect(member).not.toBe(2);
        else expect(member).toBe(before[index] ?? -1);
      });
    };
    setTunnel(pipeline, 32, {
      encap: "vxlan",
      local: "192.0.2.1",
      remote: remotes[2],
      underlay: UPLINK,
      flags: NEXTHOP_FLAG_DOWN,
    });
    others(choose());
    members({ lost: 2 });
    others(choose());
    members({ dead: 2 });
    others(choose());
    expect(pipeline.drops(1)).toEqual({});
  });

  const all = HASH_SOURCE | HASH_DESTINATION | HASH_PROTOCOL | HASH_SOURCE_PORT | HASH_DESTINATION_PORT;

  test.each([
    ["addresses", HASH_SOURCE | HASH_DESTINATION],
    ["the source address", HASH_SOURCE],
    ["the destination address", HASH_DESTINATION],
    ["the source port", HASH_SOURCE_PORT],
    ["the destination port", HASH_DESTINATION_PORT],
    ["the protocol and the ports", HASH_PROTOCOL | HASH_SOURCE_PORT | HASH_DESTINATION_PORT],
    ["all but the destination port", all & ~HASH_DESTINATION_PORT],
    ["all fields", all],
  ])("%s alone decide where only these are chosen", (_name, hashFields) => {
    members({ hashFields });
    const base = { source: "10.97.0.1", destination: "10.98.0.1", sourcePort: 1024, destinationPort: 80 };
    const varied: [number, (n: number) => typeof base][] = [
      [HASH_SOURCE, (n) => ({ ...base, source: `10.97.1.${n}` })],
      [HASH_DESTINATION, (n) => ({ ...base, destination: `10.98.1.${n}` })],
      [HASH_SOURCE_PORT, (n) => ({ ...base, sourcePort: 2000 + n })],
      [HASH_DESTINATION_PORT, (n) => ({ ...base, destinationPort: 3000 + n })],
    ];
    for (const [field, of] of varied) {
      const ways = Array.from({ length: 64 }, (_, n) => chosen(pipeline.run(hook, udp(of(n))).data).member);
      if ((hashFields & field) === 0) expect(new Set(ways).size).toBe(1);
      else expect(new Set(ways).size).toBeGreaterThan(2);
    }
  });

  test("a next hop that is still to be found is asked of the slow path, and a drop without one", () => {
    pipeline.setNexthop(LOOP, "resolve", {});
    pipeline.addRoute(1, "10.99.0.0/16", LOOP);
    const frame = udp({ ...V4, destination: "10.99.0.1" });
    const before = vrfCounter(pipeline, 1, "resolve");
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "no-controller": 1 });
    pipeline.controllerStarts();
    expect(trapOf(pipeline.run(hook, frame))).toMatchObject({ reason: "resolve", nexthop: LOOP, vrf: 1 });
    expect(vrfCounter(pipeline, 1, "resolve") - before).toBe(2);
  });

  test("all fragments of a datagram take one way", () => {
    const of = (fragment: number, sourcePort: number) =>
      chosen(pipeline.run(hook, udp({ source: "10.97.0.1", destination: "10.98.0.1", sourcePort, fragment })).data)
        .member;
    for (let port = 1024; port < 1040; port++) expect(of(0x2000, port)).toBe(of(0x0010, port + 5000));
  });

  test("so do those of IPv6, with extension headers behind the fragment header", () => {
    const addresses = { source: "fd00:97::1", destination: "fd00:98::1" };
    pipeline.addRoute(1, "fd00:98::/32", PAIR);
    const header = (offset: number, more: number) => [60, 0, 0, offset | more, 0, 0, 0, 9];
    const ways = new Set<number>();
    for (let n = 1; n <= 32; n++) {
      const of = { ...addresses, source: `fd00:97::${n}`, firstExtension: 44 };
      const options = concat(header(0, 1), [17, 0, 1, 4, 0, 0, 0, 0]);
      const first = chosen(pipeline.run(hook, ip(17, udpSegment(of), { ...of, options })).data);
      const later = ip(60, new Uint8Array(16), { ...of, options: Uint8Array.from(header(24, 0)) });
      expect(chosen(pipeline.run(hook, later).data)).toEqual(first);
      ways.add(first.member);
    }
    expect(ways.size).toBeGreaterThan(1);
  });

  test("an ecmp without a member that lives is a counted drop", () => {
    setGroup(pipeline, PAIR, "ecmp", 0, [{ nexthop: 30, flags: MEMBER_DEAD }]);
    expect(pipeline.run(hook, flowFrame(1)).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "no-nexthop": 1 });
  });

  describe("a flow through an ecmp", () => {
    const flow = { source: "10.97.0.1", destination: "10.98.0.1" };
    const frame = udp(flow);

    beforeEach(() => {
      pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY });
      pipeline.controllerStarts();
    });

    function allow(): number {
      const trap = trapOf(pipeline.run(hook, frame));
      expect(trap?.nexthop).toBeGreaterThanOrEqual(30);
      const { result } = pipeline.decide(flow, {
        generation: trap?.generation ?? 0,
        ingress: 1,
        reverseIngress: 0,
        nexthop: trap?.nexthop ?? 0,
        reverseNexthop: trap?.reverseNexthop ?? 0,
      });
      expect(result).toBe("ok");
      return (trap?.nexthop ?? 0) - 30;
    }

    test("keeps its member and label when the buckets change", () => {
      const member = allow();
      const expected = { member, vni: 77 + member };
      expect(chosen(pipeline.run(hook, frame).data)).toEqual(expected);
      setGroup(pipeline, PAIR, "ecmp", 0, [{ nexthop: 30 + ((member + 1) % 4), vni: 1 }]);
      expect(chosen(pipeline.run(hook, frame).data)).toEqual(expected);
    });

    test("expects its answer from the member's tunnel", () => {
      const member = allow();
      const back = { source: flow.destination, destination: flow.source, sourcePort: 2000, destinationPort: 1000 };
      expect(pipeline.flow(back)?.ingress).toBe((0x80000000 | (30 + member)) >>> 0);
    });

    test("takes another member when its own dies, without a new decision", () => {
      const member = allow();
      setTunnel(pipeline, 30 + member, {
        encap: "vxlan",
        local: "192.0.2.1",
        remote: remotes[member] ?? "",
        underlay: UPLINK,
        flags: NEXTHOP_FLAG_DOWN,
      });
      const out = pipeline.run(hook, frame);
      expect(trapOf(out)).toBeUndefined();
      expect(out.verdict).toBe("out");
      expect(chosen(out.data).member).not.toBe(member);
    });
  });
});
