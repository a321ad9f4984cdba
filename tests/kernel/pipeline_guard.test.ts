// SPDX-License-Identifier: Apache-2.0
/** Limits of the flows that an interface makes, the count of those that there are, a full table, and the SYN guard. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  FLOW_FLAG_SINGLE,
  FlowStateValue,
  INTERFACE_FULL_FORWARD,
  INTERFACE_POLICY,
  INTERFACE_SYN_GUARD,
  NEXTHOP_FLAG_POLICY,
  TRAP_FLAG_STATELESS,
} from "../../sdk/layout/generated.ts";
import { guardOf, ownedFlows, setGuard } from "./pipeline_guards.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import type { FlowTuple } from "./pipeline_options.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { MAC_A, MAC_B, TCP_ACK, TCP_RST, TCP_SYN, tcp, udp } from "./pipeline_packets.ts";

/** Where a CPU is emulated. */
const LOAD_TIMEOUT_MS = 180_000;
const ENTRIES = 64;
const HALF_OPEN = ENTRIES / 4;
const SUB = 3;
const VLAN = 7;
const families = [
  ["IPv4", { source: "10.97.0.1", destination: "10.97.0.2" }, 4],
  ["IPv6", { source: "fd00:97::1", destination: "fd00:97::2" }, 6],
] as const;

const back = ({ source, destination, sourcePort = 1000, destinationPort = 2000 }: FlowTuple) => ({
  source: destination,
  destination: source,
  sourcePort: destinationPort,
  destinationPort: sourcePort,
  from: MAC_B,
});

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline({ flows: ENTRIES });
}, LOAD_TIMEOUT_MS);
afterAll(() => pipeline[Symbol.dispose]());

/** The interfaces, with flags besides policy. */
function setInterfaces(flags = 0): void {
  const both = { flags: INTERFACE_POLICY | flags, nexthopFlags: NEXTHOP_FLAG_POLICY };
  pipeline.addInterface(1, { mac: MAC_A, ...both });
  pipeline.addInterface(2, { mac: MAC_B, ...both });
  pipeline.addInterface(SUB, { mac: MAC_A, vlan: VLAN, ...both });
}

beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.controllerStarts();
  setInterfaces();
  pipeline.receiveOn(1);
  pipeline.receiveOn(SUB, VLAN);
  for (const [, { source, destination }, family] of families) {
    const bits = family === 4 ? 32 : 128;
    pipeline.addRoute(1, `${source}/${bits}`, 1);
    pipeline.addRoute(1, `${destination}/${bits}`, 2);
  }
});

describe.each(hooks)("on the %s hook", (hook) => {
  describe.each(families)("%s", (_family, addresses, family) => {
    const packet = (sourcePort = 1000) => udp({ ...addresses, sourcePort });
    const run = (sourcePort: number) => pipeline.run(hook, packet(sourcePort)).verdict;
    const decided = (tuple: FlowTuple, options: object = {}) => {
      const { generation = 0 } = pipeline.flow(tuple) ?? {};
      return pipeline.decide(tuple, { generation, ...options }).result;
    };

    test("a flow is counted from its first packet on, until it is deleted or its hold is over", () => {
      expect(run(1)).toBe("out");
      expect(run(1)).toBe("out");
      expect(guardOf(pipeline, 1).flows).toBe(1);
      const tuple = { ...addresses, sourcePort: 1 };
      expect(decided(tuple)).toBe("ok");
      expect(guardOf(pipeline, 1).flows).toBe(1);
      expect(decided(tuple, { action: "drop", flags: FLOW_FLAG_SINGLE })).toBe("ok");
      expect(guardOf(pipeline, 1).flows).toBe(1);
      // The reverse direction's entry went with the decision that has none.
      expect(decided(back(tuple), { operation: "delete", generation: 0 })).toBe("missing");
      expect(decided(tuple, { operation: "delete", generation: 0 })).toBe("ok");
      expect(guardOf(pipeline, 1).flows).toBe(0);
      run(2);
      pipeline.makeOlder({ ...addresses, sourcePort: 2 }, 3);
      expect(guardOf(pipeline, 1).flows).toBe(1);
      expect(pipeline.sweep().removed).toBe(1);
      expect(guardOf(pipeline, 1).flows).toBe(0);
    });

    test("a flow that both sides begin is counted for one of them", () => {
      run(1);
      const tuple = { ...addresses, sourcePort: 1 };
      pipeline.receiveOn(2);
      expect(pipeline.run(hook, udp(back(tuple))).verdict).toBe("out");
      expect([guardOf(pipeline, 1).flows, guardOf(pipeline, 2).flows]).toEqual([1, 1]);
      expect(decided(tuple)).toBe("ok");
      expect([guardOf(pipeline, 1).flows, guardOf(pipeline, 2).flows]).toEqual([1, 0]);
      expect(pipeline.decide(tuple, { operation: "delete" }).result).toBe("ok");
      expect(guardOf(pipeline, 1).flows).toBe(0);
    });

    test("flows that the controller sets are nobody's", () => {
      expect(pipeline.decide(addresses).result).toBe("ok");
      expect(guardOf(pipeline, 1).flows).toBe(0);
      expect(pipeline.decide(addresses, { operation: "delete" }).result).toBe("ok");
      expect(guardOf(pipeline, 1).flows).toBe(0);
    });

    test("no more flows than the limit at a time, while those that are there go on", () => {
      setGuard(pipeline, 1, { limit: 3 });
      for (const port of [1, 2, 3]) expect(run(port)).toBe("out");
      for (const port of [4, 5]) expect(run(port)).toBe("drop");
      expect(run(2)).toBe("out");
      expect(pipeline.drops(1)).toEqual({ "flow-limit": 2 });
      expect(guardOf(pipeline, 1)).toMatchObject({ flows: 3, overLimit: 2, overRate: 0 });
      expect(pipeline.flow({ ...addresses, sourcePort: 4 })).toBeUndefined();
      pipeline.decide({ ...addresses, sourcePort: 2 }, { operation: "delete" });
      expect(run(4)).toBe("out");
      expect(run(5)).toBe("drop");
    });

    test("no more new flows a second than the rate, after as many as the bucket has", () => {
      setGuard(pipeline, 1, { ratePerSecond: 2, burst: 3 });
      const verdicts = [1, 2, 3, 4, 5].map(run);
      expect(verdicts).toEqual(["out", "out", "out", "drop", "drop"]);
      expect(run(2)).toBe("out");
      expect(pipeline.drops(1)).toEqual({ "flow-limit": 2 });
      expect(guardOf(pipeline, 1)).toMatchObject({ flows: 3, overLimit: 0, overRate: 2 });
      Bun.sleepSync(510);
      expect([run(6), run(7)]).toEqual(["out", "drop"]);
    });

    test("a VLAN sub-interface has a limit of its own", () => {
      setGuard(pipeline, SUB, { limit: 1 });
      const tagged = (sourcePort: number) =>
        pipeline.run(hook, udp({ ...addresses, sourcePort, vlans: [VLAN] })).verdict;
      expect([tagged(1), tagged(2), run(3)]).toEqual(["out", "drop", "out"]);
      expect(pipeline.drops(SUB)).toEqual({ "flow-limit": 1 });
      expect([guardOf(pipeline, SUB).flows, guardOf(pipeline, 1).flows]).toEqual([1, 1]);
    });

    describe("when the table is full", () => {
      const fill = () => {
        for (let port = 1; port <= ENTRIES; port++) run(port);
        expect(guardOf(pipeline, 1)).toMatchObject({ flows: ENTRIES, tableFull: 0 });
      };

      test("a new flow's packet is dropped, and counts for nothing", () => {
        fill();
        expect(run(1000)).toBe("drop");
        expect(pipeline.drops(1)).toEqual({ "flow-table-full": 1 });
        expect(guardOf(pipeline, 1)).toMatchObject({ flows: ENTRIES, tableFull: 1 });
      });

      test("with tableFull forward policy is asked about the packet alone, each time", () => {
        setInterfaces(INTERFACE_FULL_FORWARD);
        fill();
        for (let i = 0; i < 5; i++) {
          const trap = trapOf(pipeline.run(hook, packet(1000)));
          expect(trap).toMatchObject({ reason: "flow-miss", generation: 0, interface: 1, outInterface: 2 });
          expect((trap?.flags ?? 0) & TRAP_FLAG_STATELESS).toBe(TRAP_FLAG_STATELESS);
        }
        expect(pipeline.drops(1)).toEqual({});
        expect(pipeline.flow({ ...addresses, sourcePort: 1000 })).toBeUndefined();
      });

      test("a decision that finds no room leaves the hold, or, with tableFull forward, nothing", () => {
        fill();
        const tuple = { ...addresses, sourcePort: 1 };
        expect(decided(tuple)).toBe("full");
        expect(guardOf(pipeline, 1).flows).toBe(ENTRIES);
        expect(decided(tuple)).toBe("full");
        setInterfaces(INTERFACE_FULL_FORWARD);
        expect(decided(tuple)).toBe("full");
        expect(pipeline.flow(tuple)).toBeUndefined();
        expect(guardOf(pipeline, 1).flows).toBe(ENTRIES - 1);
      });
    });

    describe("the SYN guard", () => {
      const syn = (sourcePort: number) => tcp({ ...addresses, sourcePort, flags: TCP_SYN });
      const tuple = (sourcePort: number): FlowTuple => ({ ...addresses, sourcePort, protocol: 6 });
      /** A connection that policy allows, and of which only the SYN has come. */
      const connect = (port: number) => {
        const trap = trapOf(pipeline.run(hook, syn(port)));
        const result = trap && pipeline.decide(tuple(port), { generation: trap.generation }).result;
        pipeline.run(hook, syn(port));
        return result;
      };
      const answer = (port: number, flags = TCP_SYN | TCP_ACK) => {
        pipeline.receiveOn(2);
        pipeline.run(hook, tcp({ ...back(tuple(port)), flags }));
        pipeline.receiveOn(1);
      };
      const establish = (port: number) => {
        answer(port);
        pipeline.run(hook, tcp({ ...addresses, sourcePort: port, flags: TCP_ACK }));
      };

      beforeEach(() => setInterfaces(INTERFACE_SYN_GUARD));

      test("lets the oldest half-open connections give way, so that the table is never full", () => {
        const flood = 10 * ENTRIES;
        for (let port = 1; port <= flood; port++) expect(connect(port)).toBe("ok");
        expect(guardOf(pipeline, 1)).toMatchObject({ flows: HALF_OPEN, gaveWay: flood - HALF_OPEN, tableFull: 0 });
        expect(ownedFlows(pipeline, family)).toEqual({ entries: 2 * HALF_OPEN, byOwner: { 1: HALF_OPEN } });
        expect(pipeline.flow(tuple(flood - HALF_OPEN))).toBeUndefined();
        expect(pipeline.flow(tuple(flood - HALF_OPEN + 1))).toBeDefined();
        expect(pipeline.flow(tuple(flood))).toBeDefined();
        expect(pipeline.drops(1)).toEqual({});
      });

      test("leaves established connections alone, and those that are answered while the flood goes on", () => {
        connect(50_000);
        establish(50_000);
        for (let port = 1; port <= 5 * ENTRIES; port++) {
          if (port === 100) connect(50_001);
          if (port === 110) establish(50_001);
          connect(port);
        }
        for (const port of [50_000, 50_001]) expect(pipeline.flow(tuple(port))?.state).toBe(FlowStateValue.established);
        expect(guardOf(pipeline, 1).flows).toBe(HALF_OPEN + 2);
      });

      test("leaves the interfaces alone that do without it, and other protocols", () => {
        for (let port = 1; port <= HALF_OPEN + 5; port++) run(port);
        expect(guardOf(pipeline, 1)).toMatchObject({ flows: HALF_OPEN + 5, gaveWay: 0 });
        setInterfaces();
        for (let port = 1; port <= HALF_OPEN + 5; port++) pipeline.run(hook, syn(port));
        expect(guardOf(pipeline, 1)).toMatchObject({ flows: 2 * HALF_OPEN + 10, gaveWay: 0 });
      });

      test("takes connections too that are answered, but never acknowledged, or refused", () => {
        for (let port = 1; port <= 3 * HALF_OPEN; port++) {
          expect(connect(port)).toBe("ok");
          answer(port, port % 2 === 0 ? TCP_SYN | TCP_ACK : TCP_RST | TCP_ACK);
        }
        expect(guardOf(pipeline, 1)).toMatchObject({ flows: HALF_OPEN, gaveWay: 2 * HALF_OPEN, tableFull: 0 });
      });

      test("takes connections too that are held or denied", () => {
        for (let port = 1; port <= 2 * HALF_OPEN; port++) {
          const trap = trapOf(pipeline.run(hook, syn(port)));
          if (port % 2 === 0) continue;
          const options = { generation: trap?.generation ?? 0, action: "drop", flags: FLOW_FLAG_SINGLE } as const;
          expect(pipeline.decide(tuple(port), options).result).toBe("ok");
        }
        expect(guardOf(pipeline, 1)).toMatchObject({ flows: HALF_OPEN, gaveWay: HALF_OPEN });
      });
    });

    test("the count of each interface is that of the table after any churn", () => {
      setInterfaces(INTERFACE_SYN_GUARD);
      setGuard(pipeline, 1, { limit: 25 });
      let random = family;
      const next = (below: number) => {
        random = (Math.imul(random, 1103515245) + 12345) >>> 0;
        return (random >>> 16) % below;
      };
      for (let step = 0; step < 3000; step++) {
        const protocol = next(2) === 0 ? 6 : 17;
        const tuple: FlowTuple = { ...addresses, sourcePort: 1 + next(40), protocol };
        const reverse = next(3) === 0;
        const named = reverse ? { ...back(tuple), protocol } : tuple;
        const { generation = 0 } = pipeline.flow(named) ?? {};
        const choice = next(10);
        if (choice < 5) {
          pipeline.receiveOn(reverse ? 2 : 1);
          const flags = [TCP_SYN, TCP_ACK, TCP_SYN | TCP_ACK, 0x01, 0x04][next(5)] ?? 0;
          pipeline.run(hook, protocol === 6 ? tcp({ ...named, flags }) : udp(named));
        } else if (choice < 8) {
          const flags = next(4) === 0 ? FLOW_FLAG_SINGLE : 0;
          pipeline.decide(named, {
            generation: next(8) === 0 ? 0 : generation,
            flags,
            action: next(4) ? "forward" : "drop",
          });
        } else if (choice === 8) pipeline.decide(named, { operation: "delete", generation: next(2) * generation });
        else {
          if (generation !== 0) pipeline.makeOlder(named, 4000);
          if (next(8) === 0) pipeline.sweep();
        }
        if (step % 100 !== 0) continue;
        const counted = Object.fromEntries(
          [1, 2].map((id) => [id, guardOf(pipeline, id).flows] as const).filter(([, flows]) => flows > 0),
        );
        expect(ownedFlows(pipeline, family).byOwner).toEqual(counted);
      }
    }, 30_000);
  });
});
