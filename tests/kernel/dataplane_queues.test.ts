// SPDX-License-Identifier: Apache-2.0
/** Several queues and several workers: each queue has a socket, and each flow has one worker. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import type { FlowMiss } from "../../sdk/index.ts";
import { NODE, pods, waitFor } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

const FLOWS = 16;
const FIRST_PORT = 5000;
const WORKERS = 2;

setDefaultTimeout(60_000);

/** Sends three datagrams of each flow, by the transmit queues of the CPUs 0, 1 and 0. */
const client = `
import os, socket
for flow in range(${FLOWS}):
    for number, cpu in enumerate((0, 1, 0)):
        os.sched_setaffinity(0, {cpu})
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("${pods.a.ipv4}", ${FIRST_PORT} + flow))
        s.sendto(b"%d %d" % (flow, number), ("${pods.b.ipv4}", 7))
        s.close()
`;

const server = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("${pods.b.ipv4}", 7))
print("ready", flush=True)
for i in range(${FLOWS * 3}):
    print("got", s.recv(100).decode(), flush=True)
print("all", flush=True)
`;

/** A pod that transmits by as many queues, one for each of the first CPUs. */
async function startNode(name: string, hook: "tc" | "xdp"): Promise<DataPlaneNode> {
  const node = await DataPlaneNode.start({ name, hook, open: { workers: WORKERS } });
  node.lab.execSync("a", ["ethtool", "-L", "eth0", "tx", "2"]);
  for (const queue of [0, 1]) {
    const file = `/sys/class/net/eth0/queues/tx-${queue}/xps_cpus`;
    node.lab.execSync("a", ["ip", "netns", "exec", node.lab.netns("a"), "sh", "-c", `echo ${1 << queue} > ${file}`]);
  }
  return node;
}

/** SCHED_RR of linux/sched.h. */
const ROUND_ROBIN = 2;
/** Fields of /proc/PID/stat behind the name, from 0 on (proc(5)): nice, rt_priority, policy. */
const [NICE, PRIORITY, POLICY] = [16, 37, 38];

/** Whether the control group has a share of real time. */
const mayBeRealtime = (): boolean => spawnSync("chrt", ["--rr", "1", "true"]).status === 0;

/** How the threads of this process with the name that the runtime gives workers are scheduled. */
function workerThreads(): { nice: number; priority: number; policy: number; cpus: string }[] {
  return readdirSync("/proc/self/task").flatMap((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, "utf8");
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [nice = 0, priority = 0, policy = 0] = [fields[NICE], fields[PRIORITY], fields[POLICY]];
    const status = readFileSync(`/proc/self/task/${thread}/status`, "utf8");
    const allowed = /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? "";
    return nice === -20 ? [{ nice, priority, policy, cpus: allowed }] : [];
  });
}

describe.skipIf(cpus().length < 2)("with several workers", () => {
  for (const hook of ["tc", "xdp"] as const) {
    test(`a flow is asked once on the ${hook} hook, by whatever queues its packets come, and all of them arrive`, async () => {
      await using node = await startNode(`queues-${hook}`, hook);
      const asked: FlowMiss[] = [];
      node.dp.onFlowMiss((misses) => {
        asked.push(...misses);
      });
      await node.dp.apply(node.document({ a: { policies: [], tune: true } }));
      await using answering = node.lab.spawn("b", ["python3", "-c", server]);
      await answering.waitForOutput(/ready/, { timeoutMs: 30_000 });
      await node.lab.exec("a", ["python3", "-c", client]);
      const ports = () => asked.map(({ key }) => key.sport).sort((x, y) => x - y);
      await waitFor(() => new Set(ports()).size === FLOWS, { what: "all flows", timeoutMs: 10_000 });
      // A second worker would have asked for itself.
      expect(ports()).toEqual(Array.from({ length: FLOWS }, (_, flow) => FIRST_PORT + flow));
      for (const miss of asked) miss.decide({ action: "forward" });
      await answering.waitForOutput(/all/, { timeoutMs: 20_000 });
      const numbers = [...answering.stdout.matchAll(/got (\d+) (\d+)/g)].map(([, flow, number]) => `${flow} ${number}`);
      expect(new Set(numbers).size).toBe(FLOWS * 3);
      if (hook === "tc") return;
      expect(node.lab.execSync(NODE, ["ethtool", "-l", "va"]).stdout).toMatch(/Current[\s\S]*RX:\s+2/);
      expect(node.dp.tables.interfaces.get("va")?.status).toMatchObject({ hook: "xdp", port: "copy", queues: 2 });
      const own = node.dp.usage().slowPath.ports.filter(({ device }) => device === "va");
      expect(own.map(({ worker, queue }) => [worker, queue]).sort()).toEqual([
        [0, 1],
        [1, 0],
      ]);
    });
  }

  test("they go before ordinary threads, and each has its CPU, where the node's state says so", async () => {
    await using node = await DataPlaneNode.start({
      name: "bound",
      open: { workers: WORKERS, workerCpus: [1, 0] },
    });
    const scheduled = mayBeRealtime() ? { priority: 1, policy: ROUND_ROBIN } : { priority: 0, policy: 0 };
    expect(workerThreads().sort((a, b) => a.cpus.localeCompare(b.cpus))).toEqual([
      { nice: -20, ...scheduled, cpus: "0" },
      { nice: -20, ...scheduled, cpus: "1" },
    ]);
    await node.dp.apply(node.document({}, { node: { workerCpus: [1, 0], workerPriority: "realtime" } }));
    await expect(node.dp.apply(node.document({}, { node: { workerCpus: [1] } }))).rejects.toThrow(
      "/node/workerCpus is [1], but the instance runs with [1,0]",
    );
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
  });

  test("they are ordinary threads where the node's state says so, and run on CPUs that are there", async () => {
    const open = { workers: WORKERS, workerPriority: "ordinary" } as const;
    await expect(DataPlaneNode.start({ name: "nocpu", open: { ...open, workerCpus: [8000] } })).rejects.toThrow(
      "workerCpus names CPU 8000, which is not there",
    );
    await using node = await DataPlaneNode.start({ name: "ordinary", open });
    expect(workerThreads().map(({ policy, priority }) => [policy, priority])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    await node.dp.apply(node.document({}, { node: { workerPriority: "ordinary" } }));
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
  });

  test("busy polling is off, or as the node's state says: workers run the drivers, and sleep when its time is over", async () => {
    const busyPoll = { microseconds: 50_000, budget: 32 };
    for (const setting of [undefined, busyPoll]) {
      const name = `busy-${setting === undefined ? "off" : "on"}`;
      await using node = await DataPlaneNode.start({ name, hook: "xdp", open: { busyPoll: setting } });
      await node.dp.apply(
        node.document({ a: { policies: ["open"] } }, { policies: [{ name: "open", default: "allow" }] }),
      );
      const { slowPath } = node.dp.usage();
      const polled = slowPath.ports.map(({ device, busyPollMicroseconds }) => [device === "va", busyPollMicroseconds]);
      const microseconds = setting?.microseconds ?? 0;
      expect(polled).toContainEqual([true, microseconds]);
      // The trap link has no interrupts to be saved.
      expect(polled.filter(([, us]) => us !== 0).length).toBe(setting === undefined ? 0 : polled.length - 1);
      expect(await node.received("a", pods.b.ipv4)).toBe(3);
      // After the last packet nobody spins for longer than was asked for.
      const polls = () => node.dp.usage().slowPath.counters.polls;
      await Bun.sleep(2 * (microseconds / 1000) + 50);
      const asleep = polls();
      await Bun.sleep(100);
      expect(polls() - asleep).toBeLessThan(20);
      const ping = node.received("a", pods.b.ipv6, 1);
      await Bun.sleep(100);
      expect(polls() - asleep > 500).toBe(setting !== undefined);
      expect(await ping).toBe(1);
      const wrong = node.document({}, { node: { busyPoll: { microseconds: 7, budget: 16 } } });
      await expect(node.dp.apply(wrong)).rejects.toThrow(
        '/node/busyPoll is {"microseconds":7,"budget":16}, but the instance runs with ',
      );
    }
  });

  test("the node's state says how many, and they stay as many for as long as the process runs", async () => {
    await using node = await DataPlaneNode.start({ name: "workers", open: { workers: 3 } });
    expect(node.dp.usage().slowPath.workers).toBe(3);
    await node.dp.apply(node.document({}, { node: { workers: 3 } }));
    await expect(node.dp.apply(node.document({}, { node: { workers: 2 } }))).rejects.toThrow(
      "/node/workers is 2, but the instance runs with 3",
    );
    await expect(node.dp.apply(node.document({}, { node: { workers: 16 } }))).rejects.toThrow(/\/node\/workers/);
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
  });
});
