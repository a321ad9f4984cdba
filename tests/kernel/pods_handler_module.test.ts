// SPDX-License-Identifier: Apache-2.0
/** Flows that a module in the slow path's workers decides. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DataPlaneEvent, type FlowMissModule, type FlowMissOptions, WeirError } from "../../sdk/index.ts";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { PORTS, SERVICE } from "./handlers/decide.ts";
import { hooks, PodsNode } from "./pods_node.ts";

const { a, b } = pods;
const DECIDE = new URL("./handlers/decide.ts", import.meta.url);
const TIMEOUT_MS = 150;

setDefaultTimeout(30_000);

describe.each(hooks)("a module in the workers on the %s hook", (hook) => {
  let node: PodsNode;
  let handlers = new DisposableStack();
  let directory: string;
  const state = (rest: object = {}) =>
    node.document(
      { a: { policies: ["ask"] }, b: { policies: ["ask"] } },
      {
        policies: [{ name: "ask", default: "ask" }],
        routes: [{ vrf: "red", prefix: `${SERVICE}/32`, via: "local" }],
        ...rest,
      },
    );

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "weir-handler-"));
    node = await PodsNode.start({ name: "module", hook, open: { workers: 2 } });
    await node.dp.apply(state());
  });
  afterEach(() => {
    handlers.dispose();
    handlers = new DisposableStack();
    node.dp.flows.delete({ vrf: "red" });
  });
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const use = (module: URL | string, o: FlowMissOptions = {}): FlowMissModule =>
    handlers.use(node.dp.onFlowMiss(module, { timeoutMs: TIMEOUT_MS, ...o }));

  /** Sends a datagram to each port; the flows are there when it returns, those that wait for a verdict too. */
  async function send(ports: readonly number[], to: string = b.ipv4): Promise<void> {
    await node.python(
      "a",
      `
import socket
for port in ${JSON.stringify(ports)}:
    s = socket.socket(socket.AF_INET6 if ":" in "${to}" else socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"hello", ("${to}", port))
`,
    );
  }

  const flow = (port: number, dst: string = b.ipv4) =>
    [...node.dp.flows.entries({ proto: "udp", src: a.ipv4, dst, dport: port })][0];

  async function decided(port: number, action: string, dst: string = b.ipv4) {
    await waitFor(() => flow(port, dst)?.action === action, { what: `flow to port ${port}: ${action}` });
    return flow(port, dst);
  }

  test("decides at once, in a promise, and from a timer", async () => {
    await use(DECIDE).ready;
    await send([PORTS.forward, PORTS.later, PORTS.timer]);
    for (const port of [PORTS.forward, PORTS.later, PORTS.timer]) await decided(port, "forward");
    expect((await node.lab.ping("a", b.ipv6)).received).toBe(1);
  });

  test("says the whole of a verdict, with names of objects that came after it", async () => {
    await use(DECIDE).ready;
    await send([PORTS.nat], SERVICE);
    expect(await decided(PORTS.nat, "nat", SERVICE)).toMatchObject({
      translate: { destination: { address: b.ipv4, port: PORTS.forward } },
      interface: "va",
    });
    await node.dp.apply(state({ nexthops: [{ name: "to-b", type: "ecmp", members: [{ nexthop: "vb" }] }] }));
    await send([PORTS.nexthop]);
    expect(await decided(PORTS.nexthop, "forward")).toMatchObject({ nexthop: "vb" });
    await send([PORTS.reject]);
    expect(await decided(PORTS.reject, "drop")).toMatchObject({ reason: "policy-deny" });
    await node.dp.apply(state());
  });

  test("that fails leaves to `otherwise` what it left undecided, at once, and tells of it once", async () => {
    const { dp } = node;
    const ended = new AbortController();
    const events: DataPlaneEvent[] = [];
    const reading = (async () => {
      for await (const event of dp.events(["handler-error", "flow-miss"], { signal: ended.signal })) events.push(event);
    })();
    await use(DECIDE, { otherwise: "forward", timeoutMs: 5000 }).ready;
    const before = dp.usage().handlerErrors.flowMiss;
    const errors = () => dp.usage().handlerErrors.flowMiss - before;
    await send([PORTS.throws]);
    await decided(PORTS.throws, "forward");
    await send([PORTS.wrong]);
    await decided(PORTS.wrong, "forward");
    await waitFor(() => errors() === 2, { what: "two failures" });
    await send([PORTS.forward]);
    await decided(PORTS.forward, "forward");
    await send([PORTS.rejects]);
    await decided(PORTS.rejects, "forward");
    ended.abort();
    await reading;
    const failures = events.filter((event) => event.kind === "handler-error");
    expect(errors()).toBe(3);
    expect(failures[0]).toMatchObject({ handler: "flow-miss", reason: expect.stringMatching(/no idea of port 5004/) });
    expect(failures.at(-1)).toMatchObject({ handler: "flow-miss", reason: "the backend is away" });
    // One for each run of failures, of each of the two workers.
    expect(failures.length).toBeLessThan(4 + 1);
    expect(events.filter((event) => event.kind === "flow-miss")).toContainEqual(
      expect.objectContaining({ interface: "va", flow: expect.objectContaining({ dport: PORTS.throws }) }),
    );
  });

  test("that does not decide in time has `otherwise` decide", async () => {
    await use(DECIDE, { timeoutMs: 60 }).ready;
    await send([PORTS.never]);
    await waitFor(() => node.dp.usage().slowPath.counters.timeouts > 0, { what: "the time-out" });
    expect(await decided(PORTS.never, "drop")).toMatchObject({ reason: "hold-timeout" });
  });

  test("is replaced while flows come, and none of them notices; what cannot be loaded replaces nothing", async () => {
    const path = join(directory, "handler.ts");
    const decideAll = (action: string) =>
      writeFileSync(
        path,
        `export const onFlowMiss = (misses) => misses.forEach((m) => m.decide({ action: "${action}" }));\n`,
      );
    decideAll("forward");
    const module = use(path);
    await module.ready;
    await send([6001]);
    await decided(6001, "forward");

    const { timeouts } = node.dp.usage().slowPath.counters;
    const sending = send(Array.from({ length: 300 }, (_, i) => 7000 + i));
    decideAll("drop");
    await module.reload();
    await sending;
    await send([6002]);
    expect(await decided(6002, "drop")).toMatchObject({ reason: "policy-deny" });
    expect(node.dp.usage().slowPath.counters.timeouts).toBe(timeouts);

    writeFileSync(path, "export const onFlowMiss = 1;\n");
    const refusal = await module.reload().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(WeirError);
    expect((refusal as WeirError).message).toMatch(/^Cannot load the handler .*exports no function onFlowMiss/);
    await send([6003]);
    await decided(6003, "drop");
    await module.reload(DECIDE);
    await send([PORTS.later]);
    await decided(PORTS.later, "forward");
  });

  test("that is not there is refused by name, and another handler may take its place", async () => {
    const module = use(join(directory, "nothing.ts"));
    expect(() => node.dp.onFlowMiss(() => {})).toThrow(/there is one/);
    await expect(module.ready).rejects.toMatchObject({ code: "EMODULE" });
    await expect(module.reload()).rejects.toMatchObject({ code: "ECLOSED" });
    expect(() => node.dp.onFlowMiss("./decide.ts")).toThrow(/import\.meta\.url/);
    handlers.use(
      node.dp.onFlowMiss((misses) => {
        for (const miss of misses) miss.decide({ action: "forward" });
      }),
    );
    await send([PORTS.never]);
    await decided(PORTS.never, "forward");
  });
});
