// SPDX-License-Identifier: Apache-2.0
/** Packets of flows that were allowed and go elsewhere now: judged by the direction that began the flow. */

import { beforeEach, describe, expect, test } from "bun:test";
import {
  FLOW_FLAG_REROUTE,
  FLOW_FLAG_SINGLE,
  FlowActionValue,
  TRAP_FLAG_ANSWER,
  TRAP_FLAG_REROUTED,
} from "../../sdk/layout/index.ts";
import { compilePolicy } from "../../sdk/slowpath/index.ts";
import { FakeWorker } from "./harness.ts";
import { packet, udp } from "./packets.ts";

const FLOW = { source: "10.97.0.1", destination: "10.97.0.2" };
const BACK = { source: FLOW.destination, destination: FLOW.source };
/** From interface 2, where the flow leads now, to interface 1, where it began. */
const ANSWER = { interface: 2, outInterface: 1, nexthop: 11, reverseNexthop: 12, generation: 5 };
const answer = packet({ ...BACK, protocol: 17, payload: udp(53, 7) });
const policy = (action: "allow" | "deny" | "ask") =>
  compilePolicy({
    revision: 1,
    sets: [
      [
        {
          name: "p",
          default: "deny",
          rules: [{ name: "dns", action, proto: "udp", ports: [53], direction: "ingress" }],
        },
      ],
    ],
  });

let worker: FakeWorker;

function judge(action: "allow" | "deny" | "ask", flags: number) {
  worker.setPolicy(policy(action));
  worker.setInterface(2, 1);
  worker.receive(answer, { ...ANSWER, flags });
  worker.poll();
  return worker.decisions();
}

beforeEach(() => {
  worker = new FakeWorker();
});

describe("an answer", () => {
  test("is allowed with its flow, which is decided as it began, and whose labels are looked for", () => {
    for (const flags of [TRAP_FLAG_ANSWER, TRAP_FLAG_ANSWER | TRAP_FLAG_REROUTED]) {
      worker = new FakeWorker();
      expect(judge("allow", flags)).toMatchObject([
        {
          action: FlowActionValue.forward,
          flags: FLOW_FLAG_REROUTE,
          generation: 5,
          sourcePort: 7,
          destinationPort: 53,
          ingress: 1,
          reverseIngress: 2,
          nexthop: 12,
          reverseNexthop: 11,
        },
      ]);
      const [decision] = worker.decisions();
      expect([decision?.source.slice(12), decision?.destination.slice(12)]).toEqual([
        [10, 97, 0, 1],
        [10, 97, 0, 2],
      ]);
    }
  });

  test("ends the flow that is allowed no more, if it came by where the flow went", () => {
    expect(judge("deny", TRAP_FLAG_ANSWER)).toEqual([]);
    expect(worker.drops(2, "policy-deny")).toBe(1);
    worker = new FakeWorker();
    expect(judge("deny", TRAP_FLAG_ANSWER | TRAP_FLAG_REROUTED)).toMatchObject([
      { action: FlowActionValue.drop, generation: 5, sourcePort: 7, destinationPort: 53 },
    ]);
    expect((worker.decisions()[0]?.flags ?? 0) & FLOW_FLAG_SINGLE).toBe(FLOW_FLAG_SINGLE);
  });

  test("without the flag is a packet like any other: nothing that it begins is allowed", () => {
    worker.setInterface(2, 1);
    expect(judge("allow", 0)).toEqual([]);
    expect(worker.drops(2, "policy-deny")).toBe(1);
  });

  test("is asked about as what it answers", () => {
    worker.setControl("asking", 1);
    worker.setControl("askTimeoutMs", 100);
    judge("ask", TRAP_FLAG_ANSWER);
    const [event] = worker.takeEvents();
    expect(event).toMatchObject({ sourcePort: 7, destinationPort: 53 });
    worker.verdict(event?.ticket ?? 0, "allow");
    worker.poll();
    expect(worker.decisions()).toMatchObject([{ sourcePort: 7, destinationPort: 53, ingress: 1, reverseIngress: 2 }]);
  });
});
