// SPDX-License-Identifier: Apache-2.0
/** Several queues and several workers: each queue has a socket, and each flow has one worker. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
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
