// SPDX-License-Identifier: Apache-2.0
/** A handler module for the slow path's workers: what becomes of a flow goes by its destination port. */
import type { FlowMiss, Verdict } from "../../../sdk/index.ts";

/** Where answers come from is the tests' business: nothing is routed there. */
export const SERVICE = "10.96.0.10";
export const PORTS = {
  forward: 5001,
  later: 5002,
  timer: 5003,
  throws: 5004,
  rejects: 5005,
  never: 5006,
  nat: 5007,
  nexthop: 5008,
  wrong: 5009,
  reject: 5010,
} as const;

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

const NAT: Verdict = { action: "nat", translate: { destination: { address: "10.97.0.2", port: PORTS.forward } } };

async function decideLater(misses: readonly FlowMiss[], verdict: Verdict): Promise<void> {
  await sleep(5);
  for (const miss of misses) miss.decide(verdict);
}

export function onFlowMiss(misses: readonly FlowMiss[]): void | Promise<void> {
  const later: FlowMiss[] = [];
  let failure: unknown;
  for (const miss of misses) {
    const { dport } = miss.key;
    if (dport === PORTS.later || dport === PORTS.rejects) later.push(miss);
    else if (dport === PORTS.timer) setTimeout(() => miss.decide({ action: "forward" }), 5);
    else if (dport === PORTS.throws) failure = new Error(`no idea of port ${dport}, ${miss.frame.byteLength} bytes`);
    else if (dport === PORTS.nat) miss.decide(NAT);
    else if (dport === PORTS.nexthop) miss.decide({ action: "forward", nexthop: "to-b", idleSeconds: 33 });
    else if (dport === PORTS.wrong) miss.decide({ action: "forward", nexthop: "nowhere" });
    else if (dport === PORTS.reject) miss.decide({ action: "reject" });
    else if (dport !== PORTS.never) miss.decide({ action: "forward" });
  }
  if (failure !== undefined) throw failure;
  if (later.some(({ key }) => key.dport === PORTS.rejects)) {
    return sleep(5).then(() => {
      throw new Error("the backend is away");
    });
  }
  return later.length === 0 ? undefined : decideLater(later, { action: "forward" });
}
