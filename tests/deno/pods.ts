// SPDX-License-Identifier: Apache-2.0
/**
 * What `tests/kernel/deno.test.ts` runs under Deno: a data plane through its whole life, by the names under which a
 * controller imports it. Prints what it saw as one line of JSON.
 *
 *     deno run --allow-all tests/deno/pods.ts PREFIX INSTANCE HOOK
 */

import process from "node:process";
import { DataPlane, type FlowMiss } from "weir";
import { Lab, NODE, type Pod, pods, waitFor } from "weir/lab";

const [prefix = "wk-deno-", instance = "wk-deno", hook = "tc"] = process.argv.slice(2);

await using lab = Lab.create("pods", { prefix });

/** b lets a in, and c only if the controller says so. */
const workload = ({ name, device, mac, ipv4, ipv6 }: Pod, policies: readonly string[]) => ({
  name: device,
  role: "workload",
  vrf: "red",
  hook,
  mac,
  addresses: [ipv4, ipv6],
  netns: lab.path(name),
  policies,
});

const state = {
  vrfs: [{ name: "red" }],
  interfaces: [workload(pods.a, ["open"]), workload(pods.b, ["web"]), workload(pods.c, ["open"])],
  policies: [
    { name: "open", default: "allow" },
    {
      name: "web",
      default: { ingress: "deny", egress: "allow" },
      rules: [
        {
          name: "friends",
          action: "allow",
          direction: "ingress",
          proto: "any",
          from: [`${pods.a.ipv4}/32`, `${pods.a.ipv6}/128`],
        },
        { name: "echo", action: "ask", direction: "ingress", proto: "icmp", types: [8] },
      ],
    },
  ],
};

const warnings: string[] = [];
const onFailure = (reason: string) => warnings.push(reason);
const open = () => DataPlane.open({ instance, netns: lab.path(NODE), limits: { flows: 4096 }, onFailure });

/** A module for the slow path's workers. */
const handler = (source: string) => new URL(`data:text/javascript;base64,${btoa(source)}`);

const received = async (from: "a" | "c", address: string, count: number): Promise<number> =>
  (await lab.ping(from, address, { count, intervalMs: 20, timeoutMs: 500 })).received;

let dp = await open();
try {
  const changes = (await dp.apply(state)).map(({ text }) => text);
  const allowed = [await received("a", pods.b.ipv4, 3), await received("a", pods.b.ipv6, 3)];

  // Decided later, on this thread: the worker wakes it up, and it wakes the worker up.
  const asked: FlowMiss["key"][] = [];
  const deciding = dp.onFlowMiss((misses) => {
    for (const miss of misses) {
      asked.push(miss.key);
      setTimeout(() => miss.decide({ action: "forward" }), 5);
    }
  });
  const decided = await received("c", pods.b.ipv4, 3);
  deciding[Symbol.dispose]();

  // The same in the thread of the worker: at once, later, and with an error first; then another one in its place.
  const module = dp.onFlowMiss(
    handler(`
    let calls = 0;
    export function onFlowMiss(misses) {
      if (calls++ === 0) throw new Error("not yet");
      const decide = () => misses.forEach((miss) => miss.decide({ action: "forward" }));
      return new Promise((resolve) => setTimeout(resolve, 5)).then(decide);
    }`),
  );
  await module.ready;
  const inWorker: number[] = [];
  for (let i = 0; i < 3; i++) {
    dp.flows.delete({ src: pods.c.ipv4 });
    if (i === 2) await module.reload(handler("export const onFlowMiss = ([miss]) => miss.decide({ action: 'drop' });"));
    inWorker.push(await received("c", pods.b.ipv4, 1));
  }
  module[Symbol.dispose]();
  const refusal = await dp.onFlowMiss(handler("export const other = 1;")).ready.catch((error) => error.code);
  const failures = dp.usage().handlerErrors;
  dp.flows.delete({ src: pods.c.ipv4 });
  {
    using _ = dp.onFlowMiss((misses) => misses.forEach((miss) => void miss.decide({ action: "forward" })));
    await received("c", pods.b.ipv4, 1);
  }

  // IPv6 echo is not asked but denied.
  const denied = await received("c", pods.b.ipv6, 2);
  const drops = dp.drops().map(({ interface: from, reason, packets }) => ({ interface: from, reason, packets }));

  const trapped: string[] = [];
  const handling = dp.onPacket("ttl-expired", ({ interface: from, trap }) => trapped.push(`${from} ${trap}`));
  await lab.ping("a", pods.b.ipv4, { ttl: 1, timeoutMs: 200 });
  await waitFor(() => trapped.length > 0, { what: "a trapped packet" });
  handling[Symbol.dispose]();

  const flows = [...dp.flows.entries({ proto: "icmp" })].map(({ src, dst, action, packets, policy, rule }) => {
    return { src, dst, action, packets, policy, rule };
  });
  const status = dp.tables.interfaces.get("va")?.status;

  // The kernel goes on without a controller, and the next one takes over.
  const count = 60;
  const pinging = lab.ping("a", pods.b.ipv4, { count, intervalMs: 20 });
  await waitFor(() => [...dp.flows.entries({ src: pods.a.ipv4 })].some(({ packets }) => packets >= 10));
  await dp.close();
  dp = await open();
  const adopted = { interfaces: [...dp.tables.interfaces.entries()].length, lost: count - (await pinging).received };

  const result = {
    changes,
    allowed,
    asked,
    decided,
    inWorker,
    refusal,
    failures,
    warnings,
    denied,
    drops,
    trapped,
    flows,
    status,
    adopted,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  await dp.destroy();
}
