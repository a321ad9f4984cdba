// SPDX-License-Identifier: Apache-2.0
// Runs alone: a start is interrupted at given times.
/** Controllers in other shapes: several workers, none at all with a permissive node, and one that dies at its start. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { DataPlane } from "../../sdk/index.ts";
import { NODE, pods } from "../../sdk/lab/index.ts";
import { CommandLab, commands } from "./cli_support.ts";
import { type Hook, hooks, PodsNode, podsDocument } from "./pods_node.ts";
import { UDP_RECORDER } from "./pods_programs.ts";
import { differences, takeKernelSnapshot } from "./pods_snapshot.ts";

const { a, b } = pods;
const FLOWS = 600;

setDefaultTimeout(60_000);

for (const hook of hooks) describeHook(hook);

function describeHook(hook: Hook): void {
  describe(`a controller on the ${hook} hook`, () => {
    test.each([
      [2, 2],
      [1, 2],
    ])("decides the flows of %d queues with %d workers, and loses none", async (queues, workers) => {
      const open = { workers, limits: { flows: 8192 } };
      await using node = await PodsNode.start({ name: `queues-${queues}${workers}`, hook, queues, open });
      const policed = { policies: ["open"] };
      await node.dp.apply(
        node.document({ a: policed, b: policed }, { policies: [{ name: "open", default: "allow" }] }),
      );
      await using recorder = await node.serve("b", UDP_RECORDER, "5000", "20");
      // Both CPUs send, so that both queues receive.
      const program = `
import os, socket, time
cpus = sorted(os.sched_getaffinity(0))
for i in range(${FLOWS}):
    os.sched_setaffinity(0, {cpus[i % len(cpus)]})
    family, address = (socket.AF_INET6, "${b.ipv6}") if i % 3 == 0 else (socket.AF_INET, "${b.ipv4}")
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind(("", 10000 + i)); s.sendto(str(i).encode(), (address, 5000))
    if i % 20 == 0: time.sleep(0.005)
time.sleep(0.2)
s.sendto(b"end", (address, 5000))
`;
      await node.python("a", program);
      await recorder.waitForOutput(/got end/);
      expect(new Set(recorder.stdout.match(/got \d+/g)).size).toBe(FLOWS);
      expect(node.dp.drops().filter(({ reason }) => reason !== "broadcast")).toEqual([]);
    });

    test("that is gone leaves new flows to a node that forwards them, and the next one decides again", async () => {
      await using cleanup = new AsyncDisposableStack();
      const node = await PodsNode.start({ name: "headless", hook });
      cleanup.defer(() => node.lab[Symbol.asyncDispose]());
      const options = { instance: node.instance, netns: node.lab.path(NODE) };
      let current: DataPlane | undefined = node.dp;
      cleanup.defer(async () => await (current ?? (await DataPlane.open(options))).destroy());
      const rest = {
        node: { headless: { newFlows: "forward" } },
        policies: [{ name: "closed", default: "deny" }],
      };
      await node.dp.apply(node.document({ b: { policies: ["closed"] } }, rest));
      const received = async () =>
        await Promise.all(
          [b.ipv4, b.ipv6].map(async (to) => (await node.lab.ping("a", to, { timeoutMs: 300 })).received),
        );
      expect(await received()).toEqual([0, 0]);
      current = undefined;
      await node.dp.close();
      expect(await received()).toEqual([1, 1]);
      current = await DataPlane.open(options);
      expect(await received()).toEqual([0, 0]);
    });

    test("that is killed at any moment of its start can be followed by another, or be taken down", async () => {
      await using commandLab = new CommandLab("sources", `wj${process.pid}-start-${hook}`);
      const { lab, instance } = commandLab;
      const before = takeKernelSnapshot(lab, instance);
      const state = commandLab.state(JSON.stringify(podsDocument(lab, hook)));
      for (const [afterMs, isFollowed] of [
        [400, false],
        [550, true],
        [750, false],
      ] as const) {
        const argv = [...commands.sources, "--name", instance, "serve", "-c", state];
        const first = lab.spawn(NODE, argv);
        await Bun.sleep(afterMs);
        await first.kill("SIGKILL");
        if (isFollowed) {
          const second = await commandLab.serve("-c", state);
          expect((await lab.ping("a", b.ipv4)).received).toBe(1);
          expect((await lab.ping("b", a.ipv6)).received).toBe(1);
          second.kill("SIGKILL");
          await second.exited;
        }
        expect(await commandLab.weir("down")).toEqual({ status: 0, stdout: "", stderr: "" });
        expect(differences(before, takeKernelSnapshot(lab, instance))).toEqual([]);
      }
    });
  });
}
