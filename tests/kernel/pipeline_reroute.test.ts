// SPDX-License-Identifier: Apache-2.0
/** Decided flows on both hooks when routes change: their entries follow, and what is known of them stays. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  FLOW_FLAG_CHOSEN,
  FLOW_FLAG_REVERSE,
  FlowStateValue,
  NEXTHOP_FLAG_DOWN,
  NEXTHOP_FLAG_POLICY,
  TRAP_FLAG_ANSWER,
  TRAP_FLAG_REROUTED,
} from "../../sdk/layout/generated.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import type { DecisionOptions } from "./pipeline_options.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { MAC_B, tcp, udp } from "./pipeline_packets.ts";
import { addWays, MAC_C } from "./pipeline_ways.ts";

const A = "10.97.0.1";
const B = "10.97.0.2";
const FLOW = { source: A, destination: B };
const BACK = { source: B, destination: A, sourcePort: 2000, destinationPort: 1000 };
const SYN = 0x02;
const FLAGS = TRAP_FLAG_REROUTED | TRAP_FLAG_ANSWER;

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  addWays(pipeline);
  pipeline.addRoute(1, `${A}/32`, 1);
  pipeline.addRoute(1, `${B}/32`, 2);
});

/** A flow from interface 1 to interface 2 that has gone both ways. */
function established(hook: (typeof hooks)[number], o: DecisionOptions = {}): number {
  const { generation } = pipeline.decide(FLOW, o);
  pipeline.receiveOn(1);
  expect(pipeline.run(hook, udp(FLOW)).verdict).toBe("out");
  pipeline.receiveOn(2);
  expect(pipeline.run(hook, answer(MAC_B)).verdict).toBe("out");
  pipeline.receiveOn(1);
  return generation;
}

const answer = (from: string) => udp({ ...BACK, from });

/** Its route leads to another interface. */
function leadTo(id: number, generation: number): void {
  pipeline.addRoute(1, `${B}/32`, id);
  expect(pipeline.decide(FLOW, { operation: "reroute", generation, revision: 7 }).result).toBe("ok");
}

describe.each(hooks)("on the %s hook", (hook) => {
  test.each([
    ["has no policy", 3],
    ["has the same", 4],
  ] as const)(
    "a flow whose route leads to an interface that %s goes there at once, and is the same flow",
    (_what, to) => {
      const generation = established(hook);
      leadTo(to, generation);
      expect(pipeline.flow(FLOW)).toMatchObject({ nexthop: 2, reroute: 7 });
      expect(pipeline.run(hook, udp(FLOW)).verdict).toBe("out");
      expect(pipeline.flow(FLOW)).toMatchObject({
        nexthop: to,
        generation,
        packets: 2,
        state: FlowStateValue.established,
        reroute: 0,
      });
      expect(pipeline.flow(BACK)).toMatchObject({ ingress: to, nexthop: 1, flags: FLOW_FLAG_REVERSE, packets: 1 });
      pipeline.receiveOn(to);
      expect(pipeline.run(hook, answer(MAC_C)).verdict).toBe("out");
      // It does not look a second time.
      pipeline.addRoute(1, `${B}/32`, 0);
      pipeline.receiveOn(1);
      expect(pipeline.run(hook, udp(FLOW)).verdict).toBe("out");
      expect([pipeline.drops(1), pipeline.drops(to)]).toEqual([{}, {}]);
    },
  );

  test("an answer that comes first, from where the route leads now, is taken, and the other direction follows", () => {
    leadTo(4, established(hook));
    pipeline.receiveOn(4);
    expect(pipeline.run(hook, answer(MAC_C)).verdict).toBe("out");
    expect(pipeline.flow(BACK)).toMatchObject({ ingress: 4, reroute: 0 });
    pipeline.receiveOn(1);
    expect(pipeline.run(hook, udp(FLOW)).verdict).toBe("out");
    expect(pipeline.flow(FLOW)).toMatchObject({ nexthop: 4, reroute: 0 });
  });

  test("where other policies apply the slow path is asked, and told which side began", () => {
    const generation = established(hook);
    leadTo(5, generation);
    const trap = trapOf(pipeline.run(hook, udp(FLOW)));
    expect(trap).toMatchObject({ reason: "flow-miss", generation, nexthop: 5, outInterface: 5 });
    expect((trap?.flags ?? 0) & FLAGS).toBe(TRAP_FLAG_REROUTED);
    pipeline.receiveOn(5);
    const second = trapOf(pipeline.run(hook, answer(MAC_C)));
    expect(second).toMatchObject({ reason: "flow-miss", generation, interface: 5, outInterface: 1, reverseNexthop: 5 });
    expect((second?.flags ?? 0) & FLAGS).toBe(TRAP_FLAG_ANSWER);
    // Who waits no more for an answer of the slow path may ask it anew after the next change.
    for (let i = 0; i < 4; i++) pipeline.run(hook, answer(MAC_C));
    expect(trapOf(pipeline.run(hook, answer(MAC_C)))).toBeUndefined();
    leadTo(5, generation);
    expect(trapOf(pipeline.run(hook, answer(MAC_C)))?.reason).toBe("flow-miss");
  });

  test("a packet that comes from where its source is not is no answer, nor is one that would connect", () => {
    established(hook);
    pipeline.receiveOn(4);
    const stray = trapOf(pipeline.run(hook, answer(MAC_C)));
    expect(stray?.reason).toBe("flow-miss");
    expect((stray?.flags ?? 0) & FLAGS).toBe(0);
    expect(pipeline.flow(BACK)).toMatchObject({ ingress: 2 });
    const connection = { ...FLOW, protocol: 6 };
    pipeline.decide(connection);
    pipeline.addRoute(1, `${B}/32`, 4);
    const syn = tcp({ ...BACK, from: MAC_C, flags: SYN });
    expect((trapOf(pipeline.run(hook, syn))?.flags ?? 0) & FLAGS).toBe(0);
    expect(pipeline.flow({ ...BACK, protocol: 6 })).toMatchObject({ ingress: 2 });
  });

  test.each([
    ["no route", "no-route", () => pipeline.removeRoute(1, `${B}/32`)],
    ["a route to a next hop that is gone", "no-nexthop", () => pipeline.addRoute(1, `${B}/32`, 0)],
    [
      "a route to a next hop that is down",
      "no-nexthop",
      () => {
        pipeline.setNexthop(9, "interface", {
          interface: 2,
          mac: MAC_B,
          flags: NEXTHOP_FLAG_DOWN | NEXTHOP_FLAG_POLICY,
        });
        pipeline.addRoute(1, `${B}/32`, 9);
      },
    ],
    [
      "a route that discards",
      "discard",
      () => {
        pipeline.setNexthop(9, "discard");
        pipeline.addRoute(1, `${B}/32`, 9);
      },
    ],
  ] as const)("a flow with %s is dropped as %s, and goes on when there is a way again", (_what, reason, loseWay) => {
    const generation = established(hook);
    loseWay();
    expect(pipeline.decide(FLOW, { operation: "reroute", generation, revision: 7 }).result).toBe("ok");
    const outcome = pipeline.run(hook, udp(FLOW));
    // Of a missing route the slow path tells the sender.
    expect(trapOf(outcome)?.reason ?? outcome.verdict).toBe(reason === "no-route" ? reason : "drop");
    expect(pipeline.drops(1)).toEqual({ [reason]: 1 });
    expect(pipeline.flow(FLOW)).toMatchObject({ generation, reroute: 7 });
    pipeline.addRoute(1, `${B}/32`, 3);
    expect(pipeline.run(hook, udp(FLOW)).verdict).toBe("out");
    expect(pipeline.flow(FLOW)).toMatchObject({ generation, nexthop: 3, reroute: 0 });
    expect(pipeline.drops(1)).toEqual({ [reason]: 1 });
  });

  test("a flow without a way ages like any other", () => {
    const generation = established(hook);
    pipeline.removeRoute(1, `${B}/32`);
    expect(pipeline.decide(FLOW, { operation: "reroute", generation, revision: 7 }).result).toBe("ok");
    pipeline.run(hook, udp(FLOW));
    expect(pipeline.sweep().marked).toBe(0);
    for (const entry of [FLOW, BACK]) pipeline.makeOlder(entry, 61);
    expect(pipeline.sweep().marked).toBe(1);
    expect(pipeline.sweep().removed).toBe(2);
  });

  test("where its next hop is down it goes another way for good, unless the controller chose it", () => {
    for (const flags of [0, FLOW_FLAG_CHOSEN]) {
      pipeline.forget(FLOW);
      pipeline.forget(BACK);
      pipeline.setNexthop(9, "interface", { interface: 3, mac: MAC_C });
      pipeline.addRoute(1, `${B}/32`, 9);
      pipeline.decide(FLOW, { nexthop: 9, flags });
      pipeline.setNexthop(9, "interface", { interface: 3, mac: MAC_C, flags: NEXTHOP_FLAG_DOWN });
      pipeline.addRoute(1, `${B}/32`, 3);
      pipeline.receiveOn(1);
      expect(pipeline.run(hook, udp(FLOW)).verdict).toBe("out");
      expect(pipeline.flow(FLOW)?.nexthop).toBe(flags === 0 ? 3 : 9);
    }
  });

  test("an interface that is no more is nowhere: whoever gets its number has none of its flows", () => {
    const generation = established(hook);
    const gone = { operation: "reroute", generation, revision: 7, ingress: 2 } as const;
    expect(pipeline.decide(FLOW, gone).result).toBe("ok");
    expect([pipeline.flow(FLOW)?.ingress, pipeline.flow(BACK)?.ingress]).toEqual([1, 0]);
    pipeline.receiveOn(2);
    const trap = trapOf(pipeline.run(hook, answer(MAC_B)));
    expect((trap?.flags ?? 0) & FLAGS).toBe(TRAP_FLAG_ANSWER);
  });

  test("only the generation that is meant is rerouted", () => {
    const generation = established(hook);
    expect(pipeline.decide(FLOW, { operation: "reroute", generation: generation + 1, revision: 7 }).result).toBe(
      "stale",
    );
    expect(pipeline.decide({ ...FLOW, sourcePort: 9 }, { operation: "reroute", generation, revision: 7 }).result).toBe(
      "missing",
    );
    expect(pipeline.flow(FLOW)?.reroute).toBe(0);
  });
});
