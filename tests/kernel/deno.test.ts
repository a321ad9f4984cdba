// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pods } from "../../sdk/lab/index.ts";

const root = join(import.meta.dirname, "../..");

/** Runs a program of tests/deno to its end. Deno asks for all permissions where /proc and /sys are read. */
async function deno(program: string, ...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const command = [join(root, "node_modules/.bin/deno"), "run", "--allow-all", join("tests/deno", program), ...args];
  const child = Bun.spawn(command, { cwd: root, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: 25_000 });
  const [stdout, stderr, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { status, stdout, stderr };
}

for (const hook of ["tc", "xdp"] as const) {
  describe(`under Deno a data plane on the ${hook} hook`, () => {
    test("forwards, decides, tells what it does, is adopted, and leaves nothing behind", async () => {
      const prefix = `wk-${process.pid}-${hook}-`;
      const instance = `wk${process.pid}-${hook}`;
      const { status, stdout, stderr } = await deno("pods.ts", prefix, instance, hook);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      const result = JSON.parse(stdout);
      expect(result.changes).toEqual([
        "+ vrf red",
        "+ interface va",
        "+ interface vb",
        "+ interface vc",
        "+ policy open",
        "+ policy web",
      ]);
      expect(result.status).toMatchObject({ state: "up", device: "va", hook, mac: pods.a.mac });
      expect(result.allowed).toEqual([3, 3]);
      expect(result.asked).toMatchObject([{ vrf: "red", proto: "icmp", src: pods.c.ipv4, dst: pods.b.ipv4 }]);
      expect(result.decided).toBe(3);
      expect(result.denied).toBe(0);
      expect(result.drops).toContainEqual({ interface: "vc", reason: "policy-deny", packets: 2 });
      expect(result.trapped).toEqual(["va ttl-expired"]);
      expect(result.flows).toContainEqual({
        src: pods.a.ipv4,
        dst: pods.b.ipv4,
        action: "forward",
        packets: 3,
        policy: "web",
        rule: "friends",
      });
      expect(result.adopted).toEqual({ interfaces: 3, lost: 0 });
      const traces = [`/run/netns/${prefix}node`, `/sys/fs/bpf/weir/${instance}`, `/var/lib/weir/${instance}`];
      expect(traces.filter((path) => existsSync(path))).toEqual([]);
    }, 30_000);
  });
}
