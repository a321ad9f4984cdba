// SPDX-License-Identifier: Apache-2.0
/** Flows on both hooks: misses, holds, hits, and what follows a flow. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  FLOW_FLAG_SINGLE,
  FlowActionValue,
  FlowStateValue,
  INTERFACE_POLICY,
  NEXTHOP_FLAG_POLICY,
  ROUTE_DEFAULT,
  TRAP_FLAG_BRIDGED,
  TRAP_FLAG_HOLD_OWNER,
  TRAP_FLAG_IPV6,
} from "../../sdk/layout/generated.ts";
import { V4, V6 } from "./pipeline_frames.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { echo, icmpError, ip, ipPacket, MAC_A, MAC_B, udp, udpSegment } from "./pipeline_packets.ts";

/** The other direction, as sent by the workload of interface 2. */
const back = ({ source, destination }: typeof V4) => ({ source: destination, destination: source, from: MAC_B });
const families = [
  ["IPv4", V4, 4],
  ["IPv6", V6, 6],
] as const;

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.controllerStarts();
  pipeline.configure({ headlessForward: 0, holdTimeoutMs: 2000 });
  pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY, nexthopFlags: NEXTHOP_FLAG_POLICY });
  pipeline.addInterface(2, { mac: MAC_B, flags: INTERFACE_POLICY, nexthopFlags: NEXTHOP_FLAG_POLICY });
  pipeline.addInterface(3, { mac: "02:00:00:00:03:01" });
  pipeline.receiveOn(1);
  for (const [, { source, destination }, family] of families) {
    const bits = family === 4 ? 32 : 128;
    pipeline.addRoute(1, `${source}/${bits}`, 1);
    pipeline.addRoute(1, `${destination}/${bits}`, 2);
  }
  pipeline.addBridgeEntry(1, MAC_B, 2);
});

describe.each(hooks)("on the %s hook", (hook) => {
  describe.each(families)("%s", (_family, addresses, family) => {
    test("the first packet of a flow makes a hold entry and goes to the slow path with all that it needs", () => {
      const generation = pipeline.nextGeneration;
      const frame = udp(addresses);
      const trap = trapOf(pipeline.run(hook, frame));
      expect(trap).toEqual({
        reason: "flow-miss",
        flags: TRAP_FLAG_HOLD_OWNER | (family === 6 ? TRAP_FLAG_IPV6 : 0),
        forwardingClass: 0,
        l3Offset: 14,
        interface: 1,
        outInterface: 2,
        vrf: 1,
        nexthop: 2,
        reverseNexthop: 1,
        ingress: 1,
        generation,
        packet: frame,
      });
      expect(pipeline.flow(addresses)).toMatchObject({
        action: FlowActionValue.hold,
        generation,
        ingress: 1,
        trapped: 1,
        packets: 0,
      });
      expect(pipeline.drops(1)).toEqual({});
    });

    test("two more packets of a held flow go there, the others are dropped", () => {
      const traps = Array.from({ length: 5 }, () => trapOf(pipeline.run(hook, udp(addresses))));
      expect(traps.map((trap) => trap?.reason)).toEqual(["flow-miss", "flow-miss", "flow-miss", undefined, undefined]);
      expect(traps.map((trap) => (trap?.flags ?? 0) & TRAP_FLAG_HOLD_OWNER)).toEqual([
        TRAP_FLAG_HOLD_OWNER,
        0,
        0,
        0,
        0,
      ]);
      expect(traps[1]).toMatchObject({
        generation: traps[0]?.generation,
        nexthop: 2,
        reverseNexthop: 1,
        outInterface: 2,
      });
      expect(pipeline.drops(1)).toEqual({ "hold-limit": 2 });
    });

    test("a hold that nobody decided in time is taken over with a new generation", () => {
      const first = trapOf(pipeline.run(hook, udp(addresses)));
      for (let i = 0; i < 3; i++) pipeline.run(hook, udp(addresses));
      pipeline.makeOlder(addresses, 3);
      const next = trapOf(pipeline.run(hook, udp(addresses)));
      expect(next?.generation).toBeGreaterThan(first?.generation ?? 0);
      expect((next?.flags ?? 0) & TRAP_FLAG_HOLD_OWNER).toBe(TRAP_FLAG_HOLD_OWNER);
      expect(pipeline.drops(1)).toEqual({ "hold-limit": 1, "hold-timeout": 1 });
      expect(pipeline.decide(addresses, { generation: first?.generation ?? 0 }).result).toBe("stale");
    });

    test("a decided flow is followed both ways without the slow path, and counted", () => {
      const generation = trapOf(pipeline.run(hook, udp(addresses)))?.generation ?? 0;
      expect(pipeline.decide(addresses, { generation }).result).toBe("ok");
      pipeline.controllerStops();
      // The entry holds the next hop: no route is needed any more.
      for (let i = 0; i < 2; i++) expect(pipeline.run(hook, udp(addresses)).verdict).toBe("out");
      pipeline.receiveOn(2);
      const answer = udp({ ...back(addresses), sourcePort: 2000, destinationPort: 1000 });
      expect(pipeline.run(hook, answer).verdict).toBe("out");
      const size = udp(addresses).length - 14;
      expect(pipeline.flow(addresses)).toMatchObject({ action: FlowActionValue.forward, packets: 2, bytes: 2 * size });
      expect(pipeline.counter(1, "flowHits")).toBe(2);
      expect(pipeline.counter(2, "flowHits")).toBe(1);
      expect(pipeline.drops(1)).toEqual({});
      // Answered: established, both entries.
      expect(pipeline.flow(addresses)?.state).toBe(FlowStateValue.established);
    });

    test("a denied flow is dropped for its reason without the slow path", () => {
      const generation = trapOf(pipeline.run(hook, udp(addresses)))?.generation ?? 0;
      pipeline.decide(addresses, { generation, action: "drop", flags: FLOW_FLAG_SINGLE });
      expect(pipeline.run(hook, udp(addresses)).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "policy-deny": 1 });
      expect(pipeline.flow(addresses)?.packets).toBe(1);
    });

    test("a packet that is too long for the slow path is a counted drop, and a shorter one is decided", () => {
      pipeline.configure({ trapBytes: 120 });
      const long = echo({ ...addresses, identifier: 5, data: 100 });
      const tuple = { ...addresses, protocol: family === 4 ? 1 : 58, sourcePort: 5, destinationPort: 5 };
      expect(pipeline.run(hook, long).verdict).toBe("drop");
      expect(pipeline.flow(tuple)).toBeUndefined();
      expect(pipeline.drops(1)).toEqual({ "trap-too-big": 1 });
      // It is lost for another reason already, and only not told to its sender.
      expect(pipeline.run(hook, echo({ ...addresses, identifier: 5, data: 100, ttl: 1 })).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "trap-too-big": 1, "ttl-expired": 1 });
      expect(trapOf(pipeline.run(hook, echo({ ...addresses, identifier: 5 })))?.reason).toBe("flow-miss");
      pipeline.configure({ trapBytes: 0 });
    });

    test("a packet of the same flow from another interface is decided again, and is no hit", () => {
      const generation = trapOf(pipeline.run(hook, udp(addresses)))?.generation ?? 0;
      const decided = pipeline.decide(addresses, { generation }).generation;
      pipeline.addInterface(4, { mac: MAC_A, flags: INTERFACE_POLICY });
      pipeline.receiveOn(4);
      const traps = Array.from({ length: 4 }, () => trapOf(pipeline.run(hook, udp(addresses))));
      expect(traps.map((trap) => trap?.reason)).toEqual(["flow-miss", "flow-miss", "flow-miss", undefined]);
      expect(traps[0]).toMatchObject({ generation: decided, interface: 4 });
      expect((traps[0]?.flags ?? 0) & TRAP_FLAG_HOLD_OWNER).toBe(0);
      expect(pipeline.flow(addresses)).toMatchObject({ ingress: 1, packets: 0, generation: decided });
      expect(pipeline.drops(4)).toEqual({ "hold-limit": 1 });
      expect(pipeline.decide(addresses, { generation: decided, ingress: 4 }).result).toBe("ok");
      expect(pipeline.run(hook, udp(addresses)).verdict).toBe("out");
    });

    test("an ICMP error follows the flow that it quotes; others are not let through", () => {
      const generation = trapOf(pipeline.run(hook, udp(addresses)))?.generation ?? 0;
      pipeline.decide(addresses, { generation });
      pipeline.receiveOn(2);
      const type = family === 4 ? 3 : 1;
      const error = (quoted: Parameters<typeof udp>[0], to = back(addresses)) =>
        icmpError(type, family === 4 ? 3 : 4, ipPacket(17, udpSegment(quoted), quoted), to);
      expect(pipeline.run(hook, error(addresses)).verdict).toBe("out");
      const entry = { ...back(addresses), sourcePort: 2000, destinationPort: 1000 };
      expect(pipeline.flow(entry)?.packets).toBe(1);
      // Another port; a packet that the receiver cannot have sent; nothing quoted.
      expect(pipeline.run(hook, error({ ...addresses, destinationPort: 9 })).verdict).toBe("drop");
      expect(pipeline.run(hook, error({ ...addresses, source: addresses.destination })).verdict).toBe("drop");
      expect(pipeline.run(hook, icmpError(type, 0, new Uint8Array(0), back(addresses))).verdict).toBe("drop");
      expect(pipeline.drops(2)).toEqual({ "policy-deny": 3 });
    });

    test("an ICMP echo is a flow by its identifier", () => {
      const frame = echo({ ...addresses, identifier: 0x1234 });
      const trap = trapOf(pipeline.run(hook, frame));
      const tuple = { ...addresses, protocol: family === 4 ? 1 : 58, sourcePort: 0x1234, destinationPort: 0x1234 };
      expect(pipeline.flow(tuple)?.generation).toBe(trap?.generation);
      pipeline.decide(tuple, { generation: trap?.generation ?? 0 });
      pipeline.receiveOn(2);
      const reply = echo({ ...back(addresses), identifier: 0x1234, type: family === 4 ? 0 : 129 });
      expect(pipeline.run(hook, reply).verdict).toBe("out");
    });

    test("other ICMP is a flow by type and code, and answered in the reverse one", () => {
      const protocol = family === 4 ? 1 : 58;
      const [request, reply, other] = family === 4 ? [13, 14, 17] : [139, 140, 160];
      const message = (type: number, o = addresses) => echo({ ...o, identifier: 7, type });
      const ports = { sourcePort: reply << 8, destinationPort: request << 8 };
      const generation = trapOf(pipeline.run(hook, message(request)))?.generation ?? 0;
      expect(pipeline.flow({ ...addresses, protocol, ...ports })?.generation).toBe(generation);
      pipeline.decide({ ...addresses, protocol, ...ports }, { generation });
      expect(pipeline.run(hook, message(request)).verdict).toBe("out");
      // Another type is another decision, whatever was said of the first.
      const second = trapOf(pipeline.run(hook, message(other)))?.generation ?? 0;
      expect(second).toBeGreaterThan(generation);
      pipeline.receiveOn(2);
      expect(trapOf(pipeline.run(hook, message(reply, back(addresses))))).toBeUndefined();
      expect(pipeline.run(hook, message(reply, back(addresses))).verdict).toBe("out");
      expect(trapOf(pipeline.run(hook, message(request, back(addresses))))?.reason).toBe("flow-miss");
      // An error about the request goes the way of its answers.
      const quoted = message(request).subarray(14);
      expect(pipeline.run(hook, icmpError(family === 4 ? 3 : 1, 1, quoted, back(addresses))).verdict).toBe("out");
      const unknown = message(other).subarray(14);
      expect(pipeline.run(hook, icmpError(family === 4 ? 3 : 1, 1, unknown, back(addresses))).verdict).toBe("drop");
    });

    test("without a controller a new flow is dropped, or forwarded without state", () => {
      pipeline.controllerStops();
      expect(pipeline.run(hook, udp(addresses)).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "no-controller": 1 });
      expect(pipeline.flow(addresses)).toBeUndefined();
      pipeline.configure({ headlessForward: 1 });
      expect(pipeline.run(hook, udp(addresses)).verdict).toBe("out");
      expect(pipeline.flow(addresses)).toBeUndefined();
    });

    test("no hold entry is made for what has no route", () => {
      const destination = family === 4 ? "192.0.2.1" : "2001:db8::1";
      expect(trapOf(pipeline.run(hook, udp({ ...addresses, destination })))?.reason).toBe("no-route");
      expect(pipeline.flow({ ...addresses, destination })).toBeUndefined();
      expect(trapOf(pipeline.run(hook, udp({ ...addresses, ttl: 1 })))?.reason).toBe("ttl-expired");
      expect(pipeline.flow(addresses)).toBeUndefined();
    });

    test("policy of the interface that the packet goes to is asked for, also where the own has none", () => {
      pipeline.receiveOn(3);
      const trap = trapOf(pipeline.run(hook, udp(addresses)));
      expect(trap).toMatchObject({ reason: "flow-miss", interface: 3, outInterface: 2 });
      pipeline.decide(addresses, { generation: trap?.generation ?? 0, ingress: 3 });
      expect(pipeline.run(hook, udp(addresses)).verdict).toBe("out");
      expect(pipeline.counter(3, "flowHits")).toBe(1);
    });

    test("a bridged packet is decided too", () => {
      const frame = udp({ ...addresses, to: MAC_B });
      const trap = trapOf(pipeline.run(hook, frame));
      expect(trap).toMatchObject({ reason: "flow-miss", nexthop: 2, outInterface: 2 });
      expect((trap?.flags ?? 0) & TRAP_FLAG_BRIDGED).toBe(TRAP_FLAG_BRIDGED);
      pipeline.decide(addresses, { generation: trap?.generation ?? 0 });
      expect(pipeline.run(hook, frame)).toMatchObject({ verdict: "out", data: frame });
      // The same flow by way of the gateway: routed.
      expect(pipeline.run(hook, udp(addresses)).data[family === 4 ? 22 : 21]).toBe(63);
    });
  });

  test("both directions of a flow go to one worker", () => {
    pipeline.run(hook, udp(V4));
    const tuple = { ...back(V4), sourcePort: 2000, destinationPort: 1000 };
    pipeline.receiveOn(2);
    pipeline.run(hook, udp(tuple));
    expect(pipeline.flow(tuple)).toMatchObject({ action: FlowActionValue.hold, worker: 0 });
  });

  test("a fragment without ports is dropped where policy is on; the first one is a flow", () => {
    pipeline.controllerStops();
    expect(pipeline.run(hook, ip(17, new Uint8Array(16), { ...V4, fragment: 0x2002 })).verdict).toBe("drop");
    const options = Uint8Array.from([17, 0, 0, 0x10, 0, 0, 0, 1]);
    expect(pipeline.run(hook, ip(17, new Uint8Array(16), { ...V6, options, firstExtension: 44 })).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ fragment: 2 });
    pipeline.controllerStarts();
    expect(trapOf(pipeline.run(hook, udp({ ...V4, fragment: 0x2000 })))?.reason).toBe("flow-miss");
  });

  test("a frame that is neither IP nor ARP does not get past policy", () => {
    const frame = udp({ ...V4, to: MAC_B });
    frame.set([0x88, 0xcc], 12);
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "unsupported-protocol": 1 });
  });

  test("the source of a packet behind a default route is answered by its own interface", () => {
    pipeline.addRoute(1, "0.0.0.0/0", 2, ROUTE_DEFAULT);
    expect(trapOf(pipeline.run(hook, udp({ ...V4, source: "198.51.100.9" })))?.reverseNexthop).toBe(1);
    pipeline.map("routes4").delete(Uint8Array.from([32, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
  });

  test("a full flow table drops new flows and keeps the old ones", () => {
    using small = new Pipeline({ flows: 4 });
    small.controllerStarts();
    small.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY });
    small.addInterface(2, { mac: MAC_B });
    small.addRoute(1, "10.97.0.2/32", 2);
    small.receiveOn(1);
    const misses = Array.from({ length: 12 }, (_, i) => trapOf(small.run(hook, udp({ ...V4, sourcePort: i + 1 }))));
    const held = misses.filter((trap) => trap !== undefined).length;
    expect(held).toBeGreaterThanOrEqual(4);
    expect(small.drops(1)).toEqual({ "flow-table-full": 12 - held });
  });
});
