// SPDX-License-Identifier: Apache-2.0
// Runs alone: 2 000 downloads have a time each.
/** Real TCP through policy while everything that decides about it changes. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pods } from "../../sdk/lab/index.ts";
import { BODY_BYTES, type Download } from "./http_downloads.ts";
import { PodsNode } from "./pods_node.ts";

setDefaultTimeout(60_000);

const { a, b } = pods;
const DOWNLOADS = 2000;
/** An address of pod b that only a route leads to. */
const SERVICE = "198.51.100.7";
const PROGRAM = `${import.meta.dirname}/http_downloads.ts`;
const OPEN_PORT = 80;
/** Refused at times. */
const GATED_PORT = 81;
const now = (): number => performance.timeOrigin + performance.now();

/** The policy after so many changes: always the same for the open port, by ever different rules. */
function policy(round: number, refused: boolean) {
  const from = round % 2 === 0 ? [{ set: "clients" }] : [`${a.ipv4}/32`];
  const noise = Array.from({ length: 20 + (round % 7) }, (_, i) => ({
    action: "deny" as const,
    direction: "ingress" as const,
    proto: "udp" as const,
    ports: [1000 + 10 * round + i],
  }));
  const open = {
    name: `open-${round % 3}`,
    action: "allow",
    direction: "ingress",
    proto: "tcp",
    ports: [OPEN_PORT],
    from,
  };
  const gated = {
    name: "gated",
    action: refused ? "reject" : "allow",
    direction: "ingress",
    proto: "tcp",
    ports: [GATED_PORT],
  };
  return { name: "strict", default: "deny", rules: [...noise, open, gated] };
}

/** Where the service's routes lead after so many changes: to either of two next hops, or to both. */
const wayAfter = (round: number): string => ["one", "two", "both"][round % 3] ?? "one";

/** The next hop that stands for several, of one or two, each with weights that change. */
const both = (round: number) => ({
  name: "both",
  type: "ecmp",
  members: round % 2 === 0 ? [{ nexthop: "one" }, { nexthop: "two", weight: 1 + (round % 4) }] : [{ nexthop: "two" }],
});

/** While the gate was surely shut, and while it may have been. */
interface Shut {
  readonly sure: readonly [from: number, to: number];
  readonly possible: readonly [from: number, to: number];
}

test("2000 HTTP downloads at once pass while rules, sets, routes and next hops change; none fails that is allowed, none passes that is not", async () => {
  await using node = await PodsNode.start({ name: "http", hook: "tc", open: { limits: { flows: 65_536 } } });
  const { dp, lab } = node;
  const hop = (name: string) => ({ name, type: "interface", device: b.device });
  const route = (prefix: string, via: string) => ({ vrf: "red", prefix, via });
  await dp.apply(
    node.document(
      { b: { policies: ["strict"], allowedAddresses: [{ address: SERVICE }] } },
      {
        policies: [policy(0, false)],
        sets: [{ name: "clients", prefixes: [`${a.ipv4}/32`] }],
        nexthops: [hop("one"), hop("two"), both(0)],
        routes: [route(`${SERVICE}/32`, "one"), route("198.51.100.0/24", "one")],
      },
    ),
  );
  lab.execSync("b", ["ip", "address", "add", `${SERVICE}/32`, "dev", "eth0"]);
  // Of the machine, not of what is tested: the queue of connections that the server has not taken yet.
  lab.execSync("b", ["sysctl", "-qw", "net.core.somaxconn=8192", "net.ipv4.tcp_max_syn_backlog=8192"]);
  const spawn = (pod: "a" | "b", ...args: string[]) =>
    lab.spawn(pod, [process.execPath, PROGRAM, ...args], { env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "8192" } });
  await using server = spawn("b", "serve", String(OPEN_PORT), String(GATED_PORT));
  await server.waitForOutput(/ready/, { timeoutMs: 20_000 });
  await using gated = spawn("a", "repeat", `http://${SERVICE}:${GATED_PORT}/`);
  await gated.waitForOutput(/"bytes":/, { timeoutMs: 20_000 });
  await using clients = spawn("a", "get", `http://${SERVICE}:${OPEN_PORT}/together/${DOWNLOADS}`, String(DOWNLOADS));
  let finished = false;
  const ended = clients.exited.finally(() => {
    finished = true;
  });

  const shut: Shut[] = [];
  let shutting: { before: number; after: number } | undefined;
  let round = 0;
  while (!finished) {
    round++;
    const refused = Math.floor(round / 2) % 2 === 1;
    const before = now();
    await dp.transaction().put("policies", policy(round, refused)).commit();
    const after = now();
    if (refused) shutting ??= { before, after };
    else if (shutting !== undefined) {
      shut.push({ sure: [shutting.after, before], possible: [shutting.before, after] });
      shutting = undefined;
    }
    const others = round % 4 < 2 ? ["192.0.2.0/24"] : ["10.97.0.128/25", "203.0.113.0/25"];
    const set = { name: "clients", prefixes: [`${a.ipv4}/32`, ...others] };
    await dp.transaction().put("sets", set).commit();
    const way = wayAfter(round);
    await dp.transaction().put("nexthops", both(round)).commit();
    const change = dp.transaction().put("routes", route("198.51.100.0/24", way));
    if (round % 3 === 0) change.delete("routes", { vrf: "red", prefix: `${SERVICE}/32` });
    else change.put("routes", route(`${SERVICE}/32`, way));
    await change.commit();
    await sleep(20);
  }
  if (shutting !== undefined) shut.push({ sure: [shutting.after, now()], possible: [shutting.before, now()] });

  const parse = (text: string): Download[] =>
    text.split("\n").flatMap((line) => (line.endsWith("}") ? [JSON.parse(line) as Download] : []));
  const downloads = parse((await ended).stdout);
  expect(server.stdout).toContain(`${DOWNLOADS} at once`);
  expect(downloads.filter(({ bytes }) => bytes !== BODY_BYTES)).toEqual([]);
  expect(downloads).toHaveLength(DOWNLOADS);
  expect(round).toBeGreaterThan(3);

  const tries = parse(gated.stdout);
  const within = ({ began, ended: end }: Download, [from, to]: readonly [number, number]) => began > from && end < to;
  const touches = ({ began, ended: end }: Download, [from, to]: readonly [number, number]) => end > from && began < to;
  const failed = tries.filter(({ bytes }) => bytes !== BODY_BYTES);
  const passed = tries.filter(({ bytes }) => bytes === BODY_BYTES);
  expect(failed.filter((one) => !shut.some(({ possible }) => touches(one, possible)))).toEqual([]);
  expect(passed.filter((one) => shut.some(({ sure }) => within(one, sure)))).toEqual([]);
  // Otherwise nothing was tried.
  expect(Math.min(failed.length, passed.length)).toBeGreaterThan(0);
});
