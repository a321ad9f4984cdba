// SPDX-License-Identifier: Apache-2.0
/** How 10 000 flows share the members of an ecmp, and which of them move when a member is lost. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { assignBuckets, bucketCount } from "../../sdk/dataplane/kernel/buckets.ts";
import { INTERFACE_POLICY, NEXTHOP_FLAG_DOWN } from "../../sdk/layout/generated.ts";
import { type Hook, hooks, Pipeline } from "./pipeline_harness.ts";
import type { FlowTuple } from "./pipeline_options.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { addLabelledRoute, setGroup, setTunnel } from "./pipeline_overlay.ts";
import { MAC_A, udp } from "./pipeline_packets.ts";
import { FABRIC_MAC, PEER_MAC } from "./pipeline_tunnels.ts";

const FLOWS = 10_000;
const TOLERANCE = 0.05;
const GROUP = 21;
const UPLINK = 50;
const FIRST_TUNNEL = 30;
const LOST = 2;
/** Remote address and VNI of a member end with its number: a frame tells which member it went to. */
const members = [
  { key: "0", weight: 1 },
  { key: "1", weight: 2 },
  { key: "2", weight: 2 },
  { key: "3", weight: 3 },
] as const;

/** Both families in turn; addresses and ports as a node of clients has them. */
const tuples = Array.from({ length: FLOWS }, (_, index): FlowTuple => {
  const client = index >> 5;
  const ports = { sourcePort: 32_768 + ((index * 7) & 16_383), destinationPort: index % 3 === 0 ? 443 : 80 };
  return index % 2 === 0
    ? { source: `10.97.${client >> 6}.${1 + (client & 63)}`, destination: `10.98.0.${1 + (index % 7)}`, ...ports }
    : { source: `fd00:97::${(client + 1).toString(16)}`, destination: `fd00:98::${1 + (index % 7)}`, ...ports };
});
const frames = tuples.map(udp);

const keys = assignBuckets(
  new Array<undefined>(bucketCount(members.map(({ weight }) => weight))).fill(undefined),
  members,
  true,
);

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline({ flows: 32_768 });
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.configure({ trapRate: 0 });
  pipeline.addInterface(1, { mac: MAC_A });
  pipeline.addInterface(3, { vrf: 99, role: 2 });
  pipeline.setNexthop(UPLINK, "interface", { interface: 3, mac: PEER_MAC, sourceMac: FABRIC_MAC });
  pipeline.receiveOn(1);
  for (const member of members.keys()) setMember(member);
  setBuckets(keys);
  addLabelledRoute(pipeline, 1, "10.98.0.0/16", GROUP, { vni: 5 });
  addLabelledRoute(pipeline, 1, "fd00:98::/32", GROUP, { vni: 5 });
});

function setMember(index: number, flags = 0): void {
  const remote = `192.0.2.${2 + index}`;
  setTunnel(pipeline, FIRST_TUNNEL + index, { encap: "vxlan", local: "192.0.2.1", remote, underlay: UPLINK, flags });
}

function setBuckets(owners: readonly string[]): void {
  const buckets = owners.map((key) => ({ nexthop: FIRST_TUNNEL + Number(key), vni: 77 + Number(key) }));
  setGroup(pipeline, GROUP, "ecmp", 0, buckets);
}

/** The buckets of the lost member go to the others. */
function giveAway(): void {
  const left = members.filter((_, index) => index !== LOST);
  setBuckets(assignBuckets(keys, left, false));
}

/** Last byte of the outer destination, by which a member is known. */
function memberOf(frame: Uint8Array): number {
  return (frame[33] ?? 0) - 2;
}

/** The member that each flow's packet goes to; all of them go out. */
function choices(hook: Hook): number[] {
  return frames.map((frame) => {
    const { verdict, data } = pipeline.run(hook, frame);
    if (verdict !== "out") throw new Error(`a packet of the group ended as "${verdict}"`);
    return memberOf(data);
  });
}

function expectShares(chosen: readonly number[], alive: readonly number[]): void {
  const total = alive.reduce((sum, index) => sum + (members[index]?.weight ?? 0), 0);
  for (const index of alive) {
    const wanted = (chosen.length * (members[index]?.weight ?? 0)) / total;
    const share = chosen.filter((member) => member === index).length;
    expect(Math.abs(share / wanted - 1)).toBeLessThanOrEqual(TOLERANCE);
  }
}

function expectOnlyLostMoved(before: readonly number[], after: readonly number[]): void {
  const moved = [...after.keys()].filter((flow) => before[flow] !== after[flow]);
  const ofLost = [...before.keys()].filter((flow) => before[flow] === LOST);
  expect(moved).toEqual(ofLost);
  expect(after).not.toContain(LOST);
}

describe.each(hooks)("on the %s hook, 10 000 flows through four members", (hook) => {
  test("are shared within 5 % of the weights, and the loss of a member moves its own flows only", () => {
    const before = choices(hook);
    expectShares(before, [0, 1, 2, 3]);
    setMember(LOST, NEXTHOP_FLAG_DOWN);
    expectOnlyLostMoved(before, choices(hook));
    giveAway();
    expectOnlyLostMoved(before, choices(hook));
    expect(pipeline.drops(1)).toEqual({});
  });

  test("that are decided keep their member, but those of the lost one, without a new decision", () => {
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY });
    pipeline.controllerStarts();
    const decided = tuples.map((tuple, index) => {
      const trap = trapOf(pipeline.run(hook, frames[index] ?? new Uint8Array(0)));
      if (trap === undefined) throw new Error("a new flow was not asked of the slow path");
      const { generation, nexthop, reverseNexthop } = trap;
      const answer = { generation, ingress: 1, reverseIngress: 0, nexthop, reverseNexthop };
      expect(pipeline.decide(tuple, answer).result).toBe("ok");
      return nexthop - FIRST_TUNNEL;
    });
    expectShares(decided, [0, 1, 2, 3]);
    expect(choices(hook)).toEqual(decided);
    setMember(LOST, NEXTHOP_FLAG_DOWN);
    giveAway();
    expectOnlyLostMoved(decided, choices(hook));
    // Resilient buckets would bring them back to the same members: here all buckets are of one.
    setBuckets(keys.map(() => "0"));
    const moved = choices(hook).filter((member, flow) => decided[flow] !== LOST && member !== decided[flow]);
    expect(moved).toEqual([]);
    expect(pipeline.drops(1)).toEqual({});
  });
});
