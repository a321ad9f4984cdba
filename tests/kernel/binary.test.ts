// SPDX-License-Identifier: Apache-2.0
/** dist/weir alone: no checkout, no node_modules, no Bun. `cli.test.ts` tests the commands themselves with it. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { tracesOf } from "./cli_support.ts";
import { buildBinary, HiddenCheckout } from "./hidden_checkout.ts";

const root = join(import.meta.dirname, "../..");
const LARGEST_BYTES = 130_000_000;
const LONGEST_START_MS = 1000;

let hidden: HiddenCheckout;

beforeAll(async () => {
  buildBinary();
  hidden = await HiddenCheckout.start();
}, 120_000);

afterAll(() => hidden[Symbol.asyncDispose]());

describe("the binary without the checkout", () => {
  const instance = `wk${process.pid}`;
  const netns = (name: string) => `weir-${instance}-${name}`;

  async function weir(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await hidden.run([hidden.binary, "--name", instance, ...args], netns("node"));
    if (status !== 0) throw new Error(`weir ${args.join(" ")} (status ${status}): ${stderr}`);
    return stdout;
  }

  function state(): string {
    const interfaces = [pods.a, pods.b, pods.c].map(({ name, device, mac, ipv4, ipv6 }) => ({
      name: device,
      role: "workload",
      vrf: "red",
      mac,
      addresses: [ipv4, ipv6],
      netns: netns(name),
      policies: ["web"],
    }));
    const from = [`${pods.a.ipv4}/32`, `${pods.a.ipv6}/128`];
    const rules = [{ name: "friends", action: "allow", direction: "ingress", proto: "any", from }];
    const policies = [{ name: "web", default: { ingress: "deny", egress: "allow" }, rules }];
    const path = join(hidden.directory, "state.json");
    writeFileSync(path, JSON.stringify({ vrfs: [{ name: "red" }], interfaces, policies }));
    return path;
  }

  const ping = async (from: string, address: string) =>
    (await hidden.run(["ping", "-n", "-c", "1", "-W", "1", address], netns(from))).status === 0;

  test("sees nothing of the sources", async () => {
    expect((await hidden.run(["ls", "-A", root])).stdout).toBe("");
    expect(readdirSync(hidden.directory)).toEqual(["weir"]);
  });

  test(`is smaller than ${LARGEST_BYTES / 1e6} MB and starts within a second`, async () => {
    expect(statSync(hidden.binary).size).toBeLessThan(LARGEST_BYTES);
    const started = performance.now();
    const { stdout } = await hidden.run([hidden.binary, "version"]);
    expect(performance.now() - started).toBeLessThan(LONGEST_START_MS);
    expect(stdout).toMatch(/^weir \d+\.\d+\.\d+\n$/);
  });

  test("needs no shared library but libc's, and libbpf when it runs", async () => {
    const { stdout } = await hidden.run(["ldd", hidden.binary]);
    const names = [...stdout.matchAll(/^\s*(lib\w+)/gm)].map(([, name]) => name);
    expect(names.filter((name) => !["libc", "libm", "libdl", "libpthread"].includes(name ?? ""))).toEqual([]);
  });

  test("takes no settings from the folder it is started in", async () => {
    const files = { "bunfig.toml": 'preload = ["./other.ts"]\n', "other.ts": 'console.log("preloaded");\n' };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(hidden.directory, name), text);
    const { status, stdout } = await hidden.run([hidden.binary, "version"]);
    for (const name of Object.keys(files)) rmSync(join(hidden.directory, name));
    expect(status).toBe(0);
    expect(stdout).not.toContain("preloaded");
  });

  test("serves a lab, and takes it down", async () => {
    expect((await hidden.run([hidden.binary, "--name", instance, "lab", "up"])).stdout).toContain(netns("node"));
    try {
      const checks = JSON.parse(await weir("doctor", "-o", "json")) as { name: string; status: string }[];
      expect(checks.filter(({ status }) => status === "fail")).toEqual([]);

      const serving = hidden.spawn([hidden.binary, "--name", instance, "serve"], netns("node"));
      const socket = `/run/weir/${instance}.sock`;
      const ready = async () =>
        (await fetch("http://weir/readyz", { unix: socket }).catch(() => undefined))?.ok === true;
      await waitFor(ready, { timeoutMs: 20_000, what: "weir serve" });
      expect(await weir("apply", "-f", state())).toContain("+ interface va\n");
      expect(JSON.parse(await weir("get", "interfaces", "-o", "json"))).toHaveLength(3);
      expect([await ping("a", pods.b.ipv4), await ping("a", pods.b.ipv6)]).toEqual([true, true]);
      expect(await ping("c", pods.b.ipv4)).toBe(false);
      expect(await weir("flows")).toMatch(new RegExp(`icmp.*${pods.a.ipv4}.*${pods.b.ipv4}`));
      expect(await weir("drops")).toContain("policy-deny");

      // What it forwards outlives it, and a new process of it takes over.
      serving.kill("SIGKILL");
      await serving.exited;
      const again = hidden.spawn([hidden.binary, "--name", instance, "serve"], netns("node"));
      await waitFor(ready, { timeoutMs: 20_000, what: "weir serve" });
      expect(await ping("a", pods.b.ipv4)).toBe(true);
      await weir("down");
      expect(await again.exited).toBe(0);
      expect(tracesOf(instance)).toEqual([]);
    } finally {
      await weir("down").catch(() => {});
      await hidden.run([hidden.binary, "--name", instance, "lab", "down"]);
    }
    expect(existsSync(`/run/weir/labs/weir-${instance}-.json`)).toBe(false);
  }, 60_000);

  test("runs the demo to its end", async () => {
    const { status, stdout, stderr } = await hidden.run([hidden.binary, "demo"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^(\d+) of \1 held\.$/m);
  }, 90_000);
});
