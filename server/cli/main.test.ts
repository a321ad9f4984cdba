// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "../app.ts";
import { parseTokens } from "../auth.ts";
import { Facade } from "../facade.ts";
import { FakeDataPlane } from "../testing/fake.ts";
import { MemoryTerminal } from "../testing/memory-terminal.ts";
import { type Listener, listen } from "../transport.ts";
import { main } from "./main.ts";

const directory = mkdtempSync(join(tmpdir(), "weir-cli-"));
const socket = join(directory, "weir.sock");
const stateFile = join(directory, "state.yaml");
/** Where the command looks for its token. */
const TOKEN = "WEIR_TOKEN";
const tokens = parseTokens("read reader-0123456789\nwrite writer-0123456789\n", "tokens");

const yaml = `
vrfs: [{ name: red }]
interfaces:
  - { name: h0, role: workload, vrf: red, addresses: [10.97.0.1, "fd00:97::1"] }
routes:
  - { vrf: red, prefix: 10.98.0.0/16, via: h0 }
  - { vrf: red, prefix: 0.0.0.0/0, via: discard }
`;

let plane: FakeDataPlane;
let facade: Facade;
let unix: Listener;
let tcp: Listener;

beforeAll(async () => {
  facade = new Facade({ version: "0", instance: "default", onShutdown: () => {} });
  const app = createApp(facade, tokens);
  const handler = (request: Request, local: boolean) => app.fetch(request, { local });
  unix = await listen({ type: "unix", path: socket }, handler);
  tcp = await listen({ type: "tcp", host: "127.0.0.1", port: 0 }, handler);
});

afterAll(async () => {
  await unix.stop();
  await tcp.stop();
  rmSync(directory, { recursive: true });
});

beforeEach(() => {
  plane = new FakeDataPlane();
  facade.attach(plane);
  facade.setReady();
  writeFileSync(stateFile, yaml);
});

async function weir(...args: string[]) {
  const terminal = new MemoryTerminal();
  const status = await main(["--connect", `unix:${socket}`, ...args], terminal);
  return { status, stdout: terminal.stdout, stderr: terminal.stderr };
}

const json = async (...args: string[]) => JSON.parse((await weir(...args, "-o", "json")).stdout);

describe("weir apply", () => {
  test("prints one item a line, and nothing when nothing changes", async () => {
    const first = await weir("apply", "-f", stateFile);
    expect(first).toEqual({
      status: 0,
      stdout: "+ vrf red\n+ interface h0\n+ route red 10.98.0.0/16\n+ route red 0.0.0.0/0\n",
      stderr: "",
    });
    expect(await weir("apply", "-f", stateFile)).toEqual({ status: 0, stdout: "", stderr: "" });
    writeFileSync(stateFile, yaml.replace("via: h0", "via: local").replace(/^ {2}- .*discard.*\n/m, ""));
    expect((await weir("apply", "-f", stateFile)).stdout).toBe("~ route red 10.98.0.0/16\n- route red 0.0.0.0/0\n");
  });

  test("takes JSON as well", async () => {
    writeFileSync(stateFile, JSON.stringify({ vrfs: [{ name: "blue" }] }));
    expect((await weir("apply", "-f", stateFile)).stdout).toBe("+ vrf blue\n");
  });

  test("--dry-run prints memory and flows besides, and changes nothing", async () => {
    const { status, stdout } = await weir("apply", "-f", stateFile, "--dry-run");
    expect(status).toBe(0);
    expect(stdout).toEndWith("+ route red 0.0.0.0/0\nmemory: +4.0 KiB\nflows: 2 decided again\n");
    expect(plane.revision).toBe(0);
    expect(await json("apply", "-f", stateFile, "--dry-run")).toMatchObject({ memoryBytes: 4096, flows: 2 });
  });

  test("names the field of a wrong document and where it stands", async () => {
    writeFileSync(stateFile, yaml.replace("via: h0", "via: h9"));
    const { status, stdout, stderr } = await weir("apply", "-f", stateFile);
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toStartWith(`weir: ${stateFile}:6:44: Cannot apply`);
    expect(stderr).toContain("/routes/0/via");
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("names line and column of a YAML error", async () => {
    writeFileSync(stateFile, "vrfs:\n  - name: red\n   bad: indent\n");
    const { status, stderr } = await weir("apply", "-f", stateFile);
    expect(status).toBe(1);
    expect(stderr).toMatch(/line 3, column \d+: /);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("says what is wrong with the file", async () => {
    expect((await weir("apply", "-f", "/nowhere")).stderr).toBe("weir: Cannot read /nowhere: there is no such file\n");
    expect((await weir("apply", "-f", directory)).stderr).toContain("it is a directory");
    expect(await weir("apply")).toMatchObject({ status: 2 });
  });
});

describe("weir get", () => {
  beforeEach(async () => {
    await weir("apply", "-f", stateFile);
  });

  test("lists a kind in columns, by its plural or singular name", async () => {
    const { stdout } = await weir("get", "routes");
    expect(stdout).toBe(
      [
        "VRF  PREFIX        VIA      LABEL  OWNER",
        "red  10.98.0.0/16  h0       -      state",
        "red  0.0.0.0/0     discard  -      state",
        "",
      ].join("\n"),
    );
    expect((await weir("get", "interface")).stdout).toContain("10.97.0.1,fd00:97::1");
  });

  test("writes an array with owner and status as JSON, also of one object", async () => {
    expect(await json("get", "vrfs")).toEqual([{ name: "red", owner: "state", status: {} }]);
    expect(await json("get", "vrfs", "red")).toEqual([{ name: "red", owner: "state", status: {} }]);
  });

  test("finds a route by VRF and prefix, or by one of them", async () => {
    expect(await json("get", "routes", "red", "0.0.0.0/0")).toHaveLength(1);
    expect(await json("get", "routes", "10.98.0.0/16")).toHaveLength(1);
    expect(await json("get", "routes", "red")).toHaveLength(2);
    expect(await weir("get", "routes", "blue")).toMatchObject({ status: 1 });
  });

  test("collects all pages", async () => {
    const vrfs = Array.from({ length: 10_001 }, (_, i) => ({ name: `v${i}` }));
    await plane.apply({ vrfs });
    expect(await json("get", "vrfs")).toHaveLength(10_001);
  });

  test("refuses an unknown name with 1, an unknown kind with 2, a kind of a later version by name", async () => {
    const missing = await weir("get", "vrfs", "blue");
    expect(missing.status).toBe(1);
    expect(missing.stderr).toContain('vrf "blue"');
    expect(await weir("get", "cows")).toMatchObject({ status: 2 });
    expect(await weir("get", "vrfs", "red", "green")).toMatchObject({ status: 2 });
    expect((await weir("get", "services")).stderr).toContain("does not have them yet");
  });
});

describe("weir flows and drops", () => {
  const flow = { vrf: "red", proto: "tcp", src: "10.97.0.1", sport: 40000, dst: "10.97.0.2", dport: 80, packets: 7 };

  test("list, select and delete flows", async () => {
    plane.flowEntries = [flow, { ...flow, vrf: "blue" }];
    expect((await weir("flows")).stdout).toContain("red   tcp    10.97.0.1  40000  10.97.0.2     80");
    expect(await json("flows", "--vrf", "red")).toEqual([flow]);
    expect((await weir("flows", "--vrf", "blue", "--delete")).stdout).toBe("1 deleted\n");
    expect(await json("flows")).toEqual([flow]);
    expect(await json("flows", "--delete")).toEqual({ deleted: 1 });
  });

  test("list drops", async () => {
    plane.dropCounters = [{ interface: "h0", reason: "policy-deny", packets: 3, bytes: 180 }];
    expect((await weir("drops")).stdout).toBe(
      "INTERFACE  REASON       PACKETS  BYTES\nh0         policy-deny        3    180\n",
    );
    expect(await json("drops")).toEqual(plane.dropCounters);
  });
});

describe("weir", () => {
  test("waits while the instance starts", async () => {
    facade.detach();
    setTimeout(() => facade.attach(plane), 150);
    expect(await weir("get", "vrfs")).toMatchObject({ status: 0 });
  });

  test("talks to a TCP listener with the token of the environment", async () => {
    if (tcp.endpoint.type !== "tcp") throw new Error("no TCP listener");
    const connect = ["--connect", `127.0.0.1:${tcp.endpoint.port}`];
    const refused = new MemoryTerminal();
    expect(await main([...connect, "drops"], refused)).toBe(1);
    expect(refused.stderr).toContain("no bearer token was given");
    process.env[TOKEN] = "reader-0123456789";
    try {
      expect(await main([...connect, "drops"], new MemoryTerminal())).toBe(0);
      const reader = new MemoryTerminal();
      expect(await main([...connect, "flows", "--delete"], reader)).toBe(1);
      expect(reader.stderr).toContain("the token may only read");
    } finally {
      delete process.env[TOKEN];
    }
  });

  test("says that no instance runs", async () => {
    const terminal = new MemoryTerminal();
    expect(await main(["--name", "nobody", "drops"], terminal)).toBe(1);
    expect(terminal.stderr).toBe(
      "weir: Cannot reach weir at unix:/run/weir/nobody.sock: no instance is running there; start one with: weir serve\n",
    );
  });

  test("answers wrong usage with 2 and one line that says what is right", async () => {
    for (const args of [
      [],
      ["frob"],
      ["get"],
      ["apply", "--frob"],
      ["drops", "x"],
      ["drops", "-o", "xml"],
      ["trace"],
    ]) {
      const { status, stdout, stderr } = await weir(...args);
      expect([args, status, stdout]).toEqual([args, 2, ""]);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
      expect(stderr).toMatch(/usage: weir|see: weir help|usage: -o json/);
    }
  });

  test("helps, and tells its version", async () => {
    const overview = await weir("help");
    for (const name of ["serve", "apply", "get", "flows", "drops", "doctor", "down", "lab", "demo"]) {
      expect(overview.stdout).toContain(`  ${name}`);
      expect((await weir("help", name)).stdout).toContain(`Usage: weir ${name}`);
      expect((await weir(name, "--help")).status).toBe(0);
    }
    expect((await weir("version")).stdout).toMatch(/^weir \d+\.\d+\.\d+\n$/);
  });
});
