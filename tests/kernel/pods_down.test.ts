// SPDX-License-Identifier: Apache-2.0
// Runs alone: the machine is compared with how it was.
/** After it was taken down, nothing tells that there was a data plane; whoever took it down, and how it ended before. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { DataPlane } from "../../sdk/index.ts";
import { type Lab, NODE, pods } from "../../sdk/lab/index.ts";
import { attachTcx, type Collection, CollectionSpec, type Link, putXdp, tcxSupported } from "../../sdk/libbpf/index.ts";
import { CommandLab } from "./cli_support.ts";
import { compileObject } from "./compile.ts";
import { type Hook, hooks, podsDocument } from "./pods_node.ts";
import {
  type BpfObjects,
  bpfObjectsOf,
  differences,
  expectFreed,
  type KernelSnapshot,
  takeKernelSnapshot,
} from "./pods_snapshot.ts";

const policies = [{ name: "open", default: "allow" }];

setDefaultTimeout(60_000);

for (const hook of hooks) describeHook(hook);

function describeHook(hook: Hook): void {
  describe(`after an instance on the ${hook} hook`, () => {
    let commands: CommandLab;
    let lab: Lab;
    let before: KernelSnapshot;
    let others: Collection;
    let kept: Link | undefined;

    beforeAll(() => {
      commands = new CommandLab("sources", `wj${process.pid}-down-${hook}`);
      lab = commands.lab;
      // What others have set stays: qdiscs, filters and programs of theirs, and features of their choice.
      lab.execSync(NODE, ["tc", "qdisc", "add", "dev", "vc", "root", "pfifo", "limit", "77"]);
      others = CollectionSpec.fromBytes(compileObject("neighbours")).load();
      lab.run(NODE, () => {
        using netlink = lab.netlink(NODE);
        const ifindex = (device: string) => netlink.link(device)?.index ?? 0;
        putXdp(ifindex("va"), others.program("other_xdp"), "native");
        if (!tcxSupported()) return;
        kept = attachTcx({ program: others.program("other_first"), ifindex: ifindex("vc"), direction: "ingress" });
      });
      lab.execSync(NODE, ["tc", "qdisc", "add", "dev", "vb", "clsact"]);
      lab.execSync(NODE, ["tc", "filter", "add", "dev", "vb", "egress", "prio", "7", "matchall", "action", "ok"]);
      lab.execSync("b", ["ethtool", "-K", "eth0", "tx", "off"]);
      lab.execSync("c", ["ethtool", "-K", "eth0", "gro", "on"]);
      before = takeKernelSnapshot(lab, commands.instance);
    });

    afterAll(() => {
      kept?.[Symbol.dispose]();
      others?.[Symbol.dispose]();
      return commands?.[Symbol.asyncDispose]();
    });

    const document = () =>
      podsDocument(
        lab,
        hook,
        { a: { policies: ["open"], replaceXdp: true }, b: { policies: ["open"], mac: undefined } },
        { policies },
      );

    const expectTraffic = async () => {
      for (const [from, to] of [
        ["a", pods.b.ipv4],
        ["c", pods.b.ipv6],
        ["b", pods.c.ipv4],
      ] as const) {
        expect([from, to, (await lab.ping(from, to)).received]).toEqual([from, to, 1]);
      }
    };

    const expectNothingLeft = async (objects: BpfObjects) => {
      expect(differences(before, takeKernelSnapshot(lab, commands.instance))).toEqual([]);
      expect(objects.maps.length).toBeGreaterThan(10);
      expect(objects.programs.length).toBeGreaterThan(4);
      expect(objects.links.length).toBe(hook === "xdp" ? 9 : 6);
      await expectFreed(objects);
    };

    test("that its own process destroyed, nothing is left, and settings are as they were", async () => {
      const { instance } = commands;
      const dp = await DataPlane.open({ instance, netns: lab.path(NODE), limits: { flows: 8192 } });
      let objects: BpfObjects;
      try {
        await dp.apply(document());
        await expectTraffic();
        objects = bpfObjectsOf(instance);
        // The comparison sees what there is while it is up.
        const up = differences(before, takeKernelSnapshot(lab, instance)).join("\n");
        for (const what of [
          "+ pins: ",
          "+ run: ",
          "+ state: ",
          "+ node links: ",
          "+ node bpf: ",
          "+ node va programs: weir_",
        ]) {
          expect(up).toContain(what);
        }
        expect(up.includes("+ a eth0 features: tx-checksumming: off")).toBe(hook === "xdp");
      } finally {
        await dp.destroy();
      }
      await expectNothingLeft(objects);
    });

    test("that a running serve gave up for weir down, nothing is left", async () => {
      const serving = await commands.serve("-c", commands.state(JSON.stringify(document())));
      await expectTraffic();
      const objects = bpfObjectsOf(commands.instance);
      expect(await commands.weir("down")).toEqual({ status: 0, stdout: "", stderr: "" });
      expect(await serving.exited).toBe(0);
      await expectNothingLeft(objects);
    });

    test("whose process was killed, weir down leaves nothing, and neither does a second one", async () => {
      const serving = await commands.serve("-c", commands.state(JSON.stringify(document())));
      await expectTraffic();
      const objects = bpfObjectsOf(commands.instance);
      serving.kill("SIGKILL");
      await serving.exited;
      for (let round = 0; round < 2; round++) {
        expect(await commands.weir("down")).toEqual({ status: 0, stdout: "", stderr: "" });
        await expectNothingLeft(objects);
      }
    });

    test("an interface that leaves the state is as it was, while the others go on", async () => {
      const { instance } = commands;
      const dp = await DataPlane.open({ instance, netns: lab.path(NODE), limits: { flows: 8192 } });
      try {
        await dp.apply(document());
        await dp.transaction().delete("interfaces", "vc").commit();
        const own = (snapshot: KernelSnapshot) =>
          Object.fromEntries(Object.entries(snapshot).filter(([place]) => /^c |^node vc/.test(place)));
        expect(differences(own(before), own(takeKernelSnapshot(lab, instance)))).toEqual([]);
        expect((await lab.ping("a", pods.b.ipv4)).received).toBe(1);
      } finally {
        await dp.destroy();
      }
      expect(differences(before, takeKernelSnapshot(lab, instance))).toEqual([]);
    });

    test("whose pod went away meanwhile, weir down still does its work", async () => {
      const serving = await commands.serve("-c", commands.state(JSON.stringify(document())));
      const objects = bpfObjectsOf(commands.instance);
      serving.kill("SIGKILL");
      await serving.exited;
      Bun.spawnSync(["ip", "netns", "delete", lab.netns("c")]);
      expect(await commands.weir("down")).toEqual({ status: 0, stdout: "", stderr: "" });
      const left = takeKernelSnapshot(lab, commands.instance);
      const gone = (line: string) =>
        !/ (?:c |node vc|node (?:links|addresses|routes|sysctls|qdiscs): .*\bvc\b)/.test(line);
      expect(differences(before, left).filter(gone)).toEqual([]);
      await expectFreed(objects);
    });
  });
}
