// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Trace } from "../sdk/index.ts";
import { createApp } from "./app.ts";
import { main } from "./cli/main.ts";
import { formatTrace } from "./cli/trace_text.ts";
import { Facade } from "./facade.ts";
import { FakeDataPlane } from "./testing/fake.ts";
import { MemoryTerminal } from "./testing/memory-terminal.ts";
import { type Listener, listen } from "./transport.ts";

const directory = mkdtempSync(join(tmpdir(), "weir-trace-"));
const socket = join(directory, "weir.sock");
const facade = new Facade({ version: "0", instance: "default", onShutdown: () => {} });
const app = createApp(facade);
let plane: FakeDataPlane;
let listener: Listener;

const answer: Trace = {
  hook: "tc",
  steps: [
    { stage: "interface", interface: "h0", device: "veth0", vrf: "red" },
    { stage: "route", vrf: "red", address: "10.97.0.2", prefix: "10.97.0.0/16", nexthop: "to-n2", vni: 77 },
    {
      stage: "flow-miss",
      key: { vrf: "red", proto: "tcp", src: "10.97.0.1", sport: 1, dst: "10.97.0.2", dport: 80 },
      reverse: "h0",
    },
    { stage: "policy", action: "allow", direction: "ingress", policy: "web", rule: "http" },
    { stage: "output", interface: "f0", device: "f0" },
  ],
  verdict: "forward",
  outputs: [{ interface: "f0", device: "f0", bytes: Uint8Array.from({ length: 40 }, (_, i) => i) }],
};

beforeAll(async () => {
  listener = await listen({ type: "unix", path: socket }, (request, local) => app.fetch(request, { local }));
});
afterAll(async () => {
  await listener.stop();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  plane = new FakeDataPlane();
  plane.traceAnswer = answer;
  facade.attach(plane);
  facade.setReady();
});

const post = (body: unknown) =>
  app.request("/v1/trace", { method: "POST", body: JSON.stringify(body) }, { local: true });

async function weir(...args: string[]) {
  const terminal = new MemoryTerminal();
  const status = await main(["--connect", `unix:${socket}`, "trace", ...args], terminal);
  return { status, stdout: terminal.stdout, stderr: terminal.stderr };
}

describe("POST /v1/trace", () => {
  test("takes a frame or fields, and gives frames back as digits", async () => {
    const response = await post({ interface: "h0", packet: "00AAff" });
    expect(response.status).toBe(200);
    expect(plane.traced).toEqual({ interface: "h0", packet: Uint8Array.of(0, 0xaa, 0xff) });
    const body = (await response.json()) as { steps: unknown; outputs: { bytes: string }[] };
    expect(body.steps).toEqual(answer.steps);
    expect(body.outputs[0]?.bytes).toBe(answer.outputs[0]?.bytes.toHex() ?? "");

    await post({ interface: "h0", dst: "10.97.0.2", proto: "tcp", dport: 80 });
    expect(plane.traced).toEqual({ interface: "h0", packet: { dst: "10.97.0.2", proto: "tcp", dport: 80 } });
  });

  test("names the field that is wrong", async () => {
    for (const [body, field] of [
      [{ dst: "10.97.0.2" }, "/interface"],
      [{ interface: "h0" }, "/dst"],
      [{ interface: "h0", packet: "0g" }, "/packet"],
      [{ interface: "h0", packet: "00", ttl: 3 }, "/ttl"],
      [{ interface: "h0", dst: "10.97.0.2", ttl: 300 }, "/ttl"],
      [{ interface: "h0", dst: "10.97.0.2", colour: "red" }, "/colour"],
    ]) {
      const response = await post(body);
      expect([body, response.status, ((await response.json()) as { field: string }).field]).toEqual([body, 422, field]);
    }
    expect(plane.traced).toBeUndefined();
  });
});

describe("weir trace", () => {
  test("prints a line for each stage, the verdict, and what goes out", async () => {
    const { status, stdout } = await weir("--interface", "h0", "--dst", "10.97.0.2", "--dport", "80", "--proto", "tcp");
    expect(status).toBe(0);
    expect(plane.traced).toEqual({ interface: "h0", packet: { dst: "10.97.0.2", dport: 80, proto: "tcp" } });
    expect(stdout.split("\n")).toEqual([
      "interface    h0 (device veth0), VRF red",
      "route        10.97.0.2, VRF red: 10.97.0.0/16 via to-n2, VNI 77",
      "flow-miss    tcp 10.97.0.1:1 > 10.97.0.2:80, VRF red: new, answers via h0",
      "policy       allow, ingress, by web/http",
      "output       f0",
      "verdict      forward",
      "out          f0, 40 bytes",
      "             000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
      "             2021222324252627",
      "",
    ]);
  });

  test("says why a packet goes nowhere", () => {
    const steps = [{ stage: "drop", reason: "no-route" }];
    expect(formatTrace({ hook: "tc", steps, verdict: "drop", reason: "no-route", outputs: [] })).toBe(
      "drop         no-route\nverdict      drop: no-route\n",
    );
  });

  test("takes a frame as other tools print it, and prints for programs", async () => {
    const { stdout } = await weir("--interface", "h0", "--packet", "00:00:5e 0001", "-o", "json");
    expect(plane.traced?.packet).toEqual(Uint8Array.of(0, 0, 0x5e, 0, 1));
    expect(JSON.parse(stdout)).toMatchObject({ hook: "tc", verdict: "forward" });
  });

  test("answers wrong use with one line", async () => {
    for (const args of [
      ["--dst", "10.97.0.2"],
      ["--interface", "h0"],
      ["--interface", "h0", "--dst", "10.97.0.2", "--ttl", "many"],
    ]) {
      const { status, stderr } = await weir(...args);
      expect([args, status]).toEqual([args, 2]);
      expect(stderr).toMatch(/^weir: Cannot run weir trace: .*; usage: weir trace .*\n$/);
    }
    const { status, stderr } = await weir("--interface", "h0", "--dst", "10.97.0.2", "--flags", "urgent");
    expect([status, stderr.trimEnd().split("\n").length]).toEqual([1, 1]);
  });
});
