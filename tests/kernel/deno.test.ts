// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pods } from "../../sdk/lab/index.ts";

const root = join(import.meta.dirname, "../..");

/** Starts a program. Deno wants all permissions of those who read /proc and /sys. */
function deno(program: string, ...args: string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const command = [join(root, "node_modules/.bin/deno"), "run", "--allow-all", program, ...args];
  return Bun.spawn(command, { cwd: root, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: 25_000 });
}

async function outcome(
  child: Bun.Subprocess<"ignore", "pipe", "pipe">,
): Promise<{ status: number; stdout: string; stderr: string }> {
  const [stdout, stderr, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { status, stdout, stderr };
}

for (const hook of ["tc", "xdp"] as const) {
  describe(`under Deno a data plane on the ${hook} hook`, () => {
    test("forwards, decides, tells what it does, is adopted, and leaves nothing behind", async () => {
      const prefix = `wk-${process.pid}-${hook}-`;
      const instance = `wk${process.pid}-${hook}`;
      const { status, stdout, stderr } = await outcome(deno("tests/deno/pods.ts", prefix, instance, hook));
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
      // The first call failed, and left its flow to the default of `otherwise`.
      expect(result.inWorker).toEqual([0, 1, 0]);
      expect(result.refusal).toBe("EMODULE");
      expect(result.warnings).toEqual([
        "the flow-miss handler in slow-path worker 0 failed: not yet",
        expect.stringMatching(/^the flow-miss handler failed: Cannot load .* it exports no function onFlowMiss; /),
      ]);
      expect(result.failures).toEqual({ flowMiss: 2, packet: 0 });
      expect(result.denied).toBe(0);
      // One by the module that took the other's place.
      expect(result.drops).toContainEqual({ interface: "vc", reason: "policy-deny", packets: 1 + 2 });
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
