// SPDX-License-Identifier: Apache-2.0
/** The weir command as an operator uses it: from the sources, and as the compiled binary from another directory. */

import { beforeAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { CommandLab, type Form, podsState, tracesOf } from "./cli_support.ts";

const id = (name: string, form: Form) => `${name}${form[0]}${process.pid}`;

const oneLine = (text: string) => expect(text.trimEnd().split("\n")).toHaveLength(1);

describe.each(["sources", "binary"] as const)("weir from %s", (form: Form) => {
  beforeAll(() => {
    if (form !== "binary") return;
    const build = Bun.spawnSync([process.execPath, "scripts/build.ts"], { cwd: join(import.meta.dirname, "../..") });
    if (!build.success) throw new Error(`Cannot build dist/weir: ${build.stderr}`);
  }, 120_000);

  test("serves, applies, shows and takes down", async () => {
    await using lab = new CommandLab(form, id("wg", form));
    const state = lab.state(podsState(lab.lab));
    const serving = await lab.serve();
    expect(statSync(lab.socket).mode & 0o777).toBe(0o600);

    const plan = await lab.weir("apply", "-f", state, "--dry-run");
    expect(plan.stdout).toMatch(/^\+ interface va$/m);
    expect(plan.stdout).toMatch(/^memory: .*\nflows: 0 decided again\n$/m);
    expect(await lab.json("get", "interfaces")).toEqual([]);

    const applied = await lab.weir("apply", "-f", state);
    expect(applied).toMatchObject({ status: 0 });
    expect(applied.stdout.trimEnd().split("\n").sort()).toEqual(
      [
        "+ interface va",
        "+ interface vb",
        "+ interface vc",
        "+ policy open",
        "+ policy web",
        "+ set friends",
        "+ vrf red",
      ].sort(),
    );
    expect(await lab.weir("apply", "-f", state)).toMatchObject({ status: 0, stdout: "" });

    expect(await lab.reaches("a", "b")).toBe(true);
    expect(await lab.reaches("c", "b")).toBe(false);

    const interfaces = await lab.json<{ name: string; owner: string; status: Record<string, unknown> }[]>(
      "get",
      "interfaces",
    );
    expect(interfaces.map(({ name, owner }) => `${name} ${owner}`)).toEqual(["va state", "vb state", "vc state"]);
    expect(interfaces[0]?.status).toMatchObject({ hook: "tc", counters: expect.anything() });
    expect((await lab.weir("get", "routes", "red", `${pods.a.ipv4}/32`)).stdout).toContain("va");

    const flows = await lab.json("flows", "--vrf", "red", "--src", pods.a.ipv4, "--dst", pods.b.ipv4);
    expect(flows).toMatchObject([{ vrf: "red", proto: "icmp", action: "forward", src: pods.a.ipv4, dst: pods.b.ipv4 }]);
    const drops = await lab.json("drops");
    expect(drops).toContainEqual(expect.objectContaining({ reason: "policy-deny" }));
    expect((await lab.weir("drops")).stdout).toContain("policy-deny");

    expect(await lab.weir("down")).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await serving.exited).toBe(0);
    expect(tracesOf(lab.instance)).toEqual([]);
    expect(await lab.reaches("a", "b")).toBe(false);
    expect(await lab.weir("down")).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  test("forwards on after SIGTERM and SIGKILL, and resumes what it had", async () => {
    await using lab = new CommandLab(form, id("wk", form));
    // One ping is one flow, which is decided once; what begins without a controller is another matter.
    const first = await lab.serve("-c", lab.state(podsState(lab.lab)));
    const count = 80;
    const ping = lab.lab.ping("a", pods.b.ipv4, { count, intervalMs: 100 });
    await Bun.sleep(500);
    first.kill("SIGTERM");
    expect(await first.exited).toBe(0);
    expect(await lab.ready()).toBe(0);
    await Bun.sleep(500);

    const second = await lab.serve();
    expect(await lab.json("get", "interfaces")).toHaveLength(3);
    second.kill("SIGKILL");
    await second.exited;
    await Bun.sleep(500);
    expect((await lab.weir("get", "vrfs")).stderr).toContain("no instance is running");

    await lab.serve();
    expect((await ping).received).toBe(count);
    expect(await lab.reaches("a", "b")).toBe(true);
    expect(await lab.reaches("c", "b")).toBe(false);
  });

  test("answers wrong input with one line and changes nothing", async () => {
    await using lab = new CommandLab(form, id("ww", form));
    const good = podsState(lab.lab);
    await lab.serve("-c", lab.state(good));
    const route = (text: string) => `${good}\nroutes:\n  - ${text}\n`;
    const wrong: [document: string, expected: RegExp][] = [
      [good.replaceAll("name: vb", "name: v9"), /interfaces\/1.*v9|v9/],
      [good.replace("role: workload", "roll: workload"), /\/interfaces\/0\/roll/],
      [`${good}\nsets: []\n`, /line \d+, column \d+/],
      [good.replace("name: vb", "name: va"), /\/interfaces\/1/],
      [route("{ vrf: red, prefix: 10.9.0.0/16, via: nowhere }"), /\/routes\/0\/via/],
      [route("{ vrf: red, prefix: 10.9.0.1/16, via: discard }"), /\/routes\/0\/prefix/],
      [`${good}\nservices: [{ name: dns, vrf: red }]\n`, /\/services.*not supported yet/],
      ["vrfs: [", /line 1/],
    ];
    for (const [document, expected] of wrong) {
      const { status, stdout, stderr } = await lab.weir("apply", "-f", lab.state(document));
      expect([expected, status, stdout]).toEqual([expected, 1, ""]);
      expect(stderr).toMatch(expected);
      oneLine(stderr);
    }
    expect(await lab.weir("apply", "-f", lab.state(good))).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await lab.reaches("a", "b")).toBe(true);
  });

  test("refuses a second instance of the same name, and another stays apart", async () => {
    await using lab = new CommandLab(form, id("wi", form));
    const serving = await lab.serve();
    const second = await lab.weir("serve");
    expect(second.status).toBe(1);
    expect(second.stderr).toContain("another process listens there");
    oneLine(second.stderr);
    expect(await lab.ready()).toBe(200);
    serving.kill("SIGTERM");
    expect(await serving.exited).toBe(0);
  });

  test("leaves nothing behind when its first state is wrong", async () => {
    await using lab = new CommandLab(form, id("wf", form));
    const state = lab.state("vrfs: [{ name: red }]\ninterfaces: [{ name: nowhere0, role: workload, vrf: red }]\n");
    const { status, stderr } = await lab.weir("serve", "-c", state);
    expect(status).toBe(1);
    expect(stderr).toContain("nowhere0");
    oneLine(stderr);
    expect(tracesOf(lab.instance)).toEqual([]);
  });

  test("tells that this machine can run it", async () => {
    await using lab = new CommandLab(form, id("wd", form));
    const checks = await lab.json<{ name: string; status: string }[]>("doctor", "va");
    expect(checks.filter(({ status }) => status === "fail")).toEqual([]);
    expect(checks.map(({ name }) => name)).toContain("va mtu");
    expect(await lab.weir("doctor", "nowhere0")).toMatchObject({ status: 1 });
  });
});

test("a TCP listener asks for its token, and the unix socket stays", async () => {
  await using lab = new CommandLab("sources", id("wt", "sources"));
  const tokens = lab.state("write 0123456789abcdef\n");
  const port = 20_000 + (process.pid % 20_000);
  await lab.serve("--listen", `127.0.0.1:${port}`, "--token-file", tokens);
  const curl = (...args: string[]) =>
    lab.lab.execSync("node", ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", ...args]).stdout;
  await waitFor(() => curl(`http://127.0.0.1:${port}/healthz`) === "200", { what: "the TCP listener" });
  expect(curl(`http://127.0.0.1:${port}/v1/vrfs`)).toBe("401");
  expect(curl("-H", "Authorization: Bearer 0123456789abcdef", `http://127.0.0.1:${port}/v1/vrfs`)).toBe("200");
  expect(await lab.json("get", "vrfs")).toEqual([]);
});
