// SPDX-License-Identifier: Apache-2.0
/** Translated flows on both hooks when routes change: their ways move, and the translation stays. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  FLOW_FLAG_CHOSEN,
  FLOW_FLAG_CHOSEN_BACK,
  FLOW_FLAG_REVERSE,
  FlowActionValue,
  NEXTHOP_FLAG_DOWN,
} from "../../sdk/layout/generated.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import type { DecisionOptions } from "./pipeline_options.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { MAC_B, udp } from "./pipeline_packets.ts";
import { addWays, MAC_C } from "./pipeline_ways.ts";

const families = [
  ["IPv4", { a: "10.97.0.1", b: "10.97.0.2", service: "10.96.0.10", pool: "192.0.2.77", bits: 32 }],
  ["IPv6", { a: "fd00:97::1", b: "fd00:97::2", service: "fd00:96::10", pool: "2001:db8::77", bits: 128 }],
] as const;

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  addWays(pipeline);
});

describe.each(hooks)("on the %s hook", (hook) => {
  describe.each(families)("a translated flow of %s", (_family, { a, b, service, pool, bits }) => {
    const flow = { source: a, destination: service };
    const becomes = { source: pool, sourcePort: 40000, destination: b, destinationPort: 8080 };
    const back = { source: b, destination: pool, sourcePort: 8080, destinationPort: 40000 };
    const answer = (from: string) => udp({ ...back, from });
    const translation = { action: FlowActionValue.nat };

    /** From interface 1 to interface 2; it has gone both ways. */
    function established(o: DecisionOptions = {}): number {
      pipeline.addRoute(1, `${a}/${bits}`, 1);
      pipeline.addRoute(1, `${b}/${bits}`, 2);
      const { generation } = pipeline.decide(flow, { action: "nat", becomes, ...o });
      pipeline.receiveOn(1);
      expect(pipeline.run(hook, udp(flow)).verdict).toBe("out");
      pipeline.receiveOn(2);
      expect(pipeline.run(hook, answer(MAC_B)).verdict).toBe("out");
      pipeline.receiveOn(1);
      return generation;
    }

    function leadTo(id: number, generation: number): void {
      pipeline.addRoute(1, `${b}/${bits}`, id);
      expect(pipeline.decide(flow, { operation: "reroute", generation, revision: 7 }).result).toBe("ok");
    }

    test.each([
      ["has no policy", 3],
      ["has the same", 4],
    ] as const)("goes at once to the interface that the route of what it becomes leads to, if that %s", (_what, to) => {
      const generation = established();
      leadTo(to, generation);
      expect(pipeline.flow(flow)).toMatchObject({ nexthop: 2, reroute: 7 });
      expect(pipeline.run(hook, udp(flow)).verdict).toBe("out");
      expect(pipeline.flow(flow)).toMatchObject({ ...translation, nexthop: to, generation, packets: 2, reroute: 0 });
      expect(pipeline.flow(back)).toMatchObject({ ...translation, ingress: to, nexthop: 1, flags: FLOW_FLAG_REVERSE });
      pipeline.receiveOn(to);
      expect(pipeline.run(hook, answer(MAC_C)).verdict).toBe("out");
      // It does not look a second time.
      pipeline.addRoute(1, `${b}/${bits}`, 0);
      pipeline.receiveOn(1);
      expect(pipeline.run(hook, udp(flow)).verdict).toBe("out");
      expect([pipeline.drops(1), pipeline.drops(to)]).toEqual([{}, {}]);
    });

    test("takes an answer that comes first, from where the route leads now, and the other direction follows", () => {
      leadTo(4, established());
      pipeline.receiveOn(4);
      expect(pipeline.run(hook, answer(MAC_C)).verdict).toBe("out");
      expect(pipeline.flow(back)).toMatchObject({ ingress: 4, reroute: 0 });
      pipeline.receiveOn(1);
      expect(pipeline.run(hook, udp(flow)).verdict).toBe("out");
      expect(pipeline.flow(flow)).toMatchObject({ nexthop: 4, reroute: 0 });
    });

    test("has its answers follow the route of who began it", () => {
      const generation = established();
      pipeline.addRoute(1, `${a}/${bits}`, 3);
      expect(pipeline.decide(flow, { operation: "reroute", generation, revision: 7 }).result).toBe("ok");
      pipeline.receiveOn(2);
      expect(pipeline.run(hook, answer(MAC_B)).verdict).toBe("out");
      expect(pipeline.flow(back)).toMatchObject({ ...translation, nexthop: 3, generation, reroute: 0 });
      expect(pipeline.flow(flow)).toMatchObject({ ingress: 3, nexthop: 2 });
    });

    test("keeps its entry without a way, and goes on when there is one", () => {
      const generation = established();
      leadTo(0, generation);
      expect(pipeline.run(hook, udp(flow)).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "no-route": 1 });
      expect(pipeline.flow(flow)).toMatchObject({ generation, reroute: 7 });
      pipeline.addRoute(1, `${b}/${bits}`, 3);
      expect(pipeline.run(hook, udp(flow)).verdict).toBe("out");
      expect(pipeline.flow(flow)).toMatchObject({ generation, nexthop: 3, reroute: 0 });
    });

    test("goes another way for good where its next hop is down, unless the controller chose that", () => {
      for (const flags of [0, FLOW_FLAG_CHOSEN]) {
        pipeline.forget(flow);
        pipeline.forget(back);
        pipeline.setNexthop(9, "interface", { interface: 3, mac: MAC_C });
        pipeline.decide(flow, { action: "nat", becomes, nexthop: 9, flags });
        pipeline.setNexthop(9, "interface", { interface: 3, mac: MAC_C, flags: NEXTHOP_FLAG_DOWN });
        pipeline.addRoute(1, `${b}/${bits}`, 3);
        pipeline.receiveOn(1);
        expect(pipeline.run(hook, udp(flow)).verdict).toBe("out");
        expect(pipeline.flow(flow)?.nexthop).toBe(flags === 0 ? 3 : 9);
      }
    });

    test("goes on where the controller chose when routes change, and its other direction where they lead", () => {
      const generation = established({ flags: FLOW_FLAG_CHOSEN });
      pipeline.addRoute(1, `${a}/${bits}`, 3);
      leadTo(4, generation);
      expect([pipeline.flow(flow)?.reroute, pipeline.flow(back)?.reroute]).toEqual([0, 7]);
      expect(pipeline.run(hook, udp(flow)).verdict).toBe("out");
      expect(pipeline.flow(flow)?.nexthop).toBe(2);
      pipeline.receiveOn(2);
      expect(pipeline.run(hook, answer(MAC_B)).verdict).toBe("out");
      expect(pipeline.flow(back)?.nexthop).toBe(3);
    });

    test("whose answers the controller sends somewhere keeps that alone", () => {
      const generation = established({ flags: FLOW_FLAG_CHOSEN_BACK });
      leadTo(4, generation);
      expect([pipeline.flow(flow)?.reroute, pipeline.flow(back)?.reroute]).toEqual([7, 0]);
    });

    test("is decided anew where other policies apply, and answers from there are none of it until then", () => {
      const generation = established();
      leadTo(5, generation);
      const trap = trapOf(pipeline.run(hook, udp(flow)));
      expect(trap).toMatchObject({ reason: "flow-miss", generation, nexthop: 5, outInterface: 5 });
      pipeline.receiveOn(5);
      expect(trapOf(pipeline.run(hook, answer(MAC_C)))?.reason).toBe("no-route");
      expect(pipeline.flow(back)).toMatchObject({ ingress: 2 });
    });
  });
});
