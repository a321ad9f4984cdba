// SPDX-License-Identifier: Apache-2.0
/** Translated flows between pods: a controller answers misses with nat, and real stacks talk through it. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type FlowMiss, type Verdict, WeirError } from "../../sdk/index.ts";
import { type LabProcess, pods } from "../../sdk/lab/index.ts";
import { hooks, inUrl, PodsNode } from "./pods_node.ts";
import { HTTP_SERVER, UDP_ERROR } from "./pods_programs.ts";

const { a, b } = pods;
/** The service's addresses, and those that A's become. */
const families = [
  { name: "IPv4", from: a.ipv4, to: b.ipv4, service: "10.96.0.10", pool: "192.0.2.77", bits: 32, icmp: "icmp" },
  { name: "IPv6", from: a.ipv6, to: b.ipv6, service: "fd00:96::10", pool: "2001:db8::77", bits: 128, icmp: "icmpv6" },
] as const;
const ask = { name: "ask", default: "ask", rules: [] };
const routes = families.flatMap(({ service, bits }) => [{ vrf: "red", prefix: `${service}/${bits}`, via: "local" }]);

setDefaultTimeout(30_000);

describe.each(hooks)("nat on the %s hook", (hook) => {
  let node: PodsNode;
  let server: LabProcess;
  let handlers = new DisposableStack();

  beforeAll(async () => {
    node = await PodsNode.start({ name: "nat", hook });
    const policies = { policies: ["ask"] };
    await node.dp.apply(node.document({ a: policies, b: policies }, { policies: [ask], routes }));
    server = await node.serve("b", HTTP_SERVER, "8080", "/proc/self/net");
  });
  afterEach(() => {
    handlers.dispose();
    handlers = new DisposableStack();
    node.dp.flows.delete({ vrf: "red" });
  });
  afterAll(async () => {
    server?.signal("SIGKILL");
    await node?.[Symbol.asyncDispose]();
  });

  /** What is asked of the service becomes what `verdict` says; all else is forwarded. */
  const translate = (verdict: (miss: FlowMiss) => Verdict) =>
    handlers.use(
      node.dp.onFlowMiss((misses) => {
        for (const miss of misses) {
          const isService = families.some(({ service }) => service === miss.key.dst);
          miss.decide(isService ? verdict(miss) : { action: "forward" });
        }
      }),
    );

  describe.each(families)("$name", ({ from, to, service, pool, icmp }) => {
    const curl = (port: number) =>
      node.lab.exec("a", ["curl", "-sf", "-m", "3", "-o", "/dev/null", `http://${inUrl(service)}:${port}/dev`]);

    test("a service is another pod's port, and its flows say so", async () => {
      translate(() => ({ action: "nat", translate: { destination: { address: to, port: 8080 } } }));
      expect((await curl(80)).status).toBe(0);
      const [flow] = [...node.dp.flows.entries({ dst: service, proto: "tcp" })];
      expect(flow).toMatchObject({ action: "nat", src: from, translate: { destination: { address: to, port: 8080 } } });
      expect(flow?.reverse).toMatchObject({ src: to, sport: 8080, dst: from });
      expect([...node.dp.flows.entries({ src: to, proto: "tcp" })]).toMatchObject([
        { action: "nat", translate: { source: { address: service, port: 80 } } },
      ]);
    });

    test("the client's address and port too: the answers find the flow though nothing is routed to it", async () => {
      let port = 40_000;
      translate(() => ({
        action: "nat",
        translate: { source: { address: pool, port: port++ }, destination: { address: to, port: 8080 } },
      }));
      for (let i = 0; i < 3; i++) expect((await curl(80)).status).toBe(0);
      expect([...node.dp.flows.entries({ dst: pool })].length).toBe(3);
    });

    test("two flows do not become one: the second is a counted drop", async () => {
      translate(() => ({
        action: "nat",
        translate: { source: { address: pool, port: 41_000 }, destination: { address: to, port: 8080 } },
      }));
      expect((await curl(80)).status).toBe(0);
      const before = node.dropped("va", "nat-exhausted");
      expect((await curl(81)).status).not.toBe(0);
      expect(node.dropped("va", "nat-exhausted")).toBeGreaterThan(before);
    });

    test("an echo with another identifier is answered", async () => {
      translate((miss) =>
        miss.key.proto === icmp
          ? { action: "nat", translate: { source: { address: pool, port: 99 }, destination: { address: to } } }
          : { action: "drop" },
      );
      expect((await node.lab.ping("a", service, { count: 3, timeoutMs: 1000 })).received).toBe(3);
    });

    test("an error of the server reaches the client's socket", async () => {
      translate(() => ({ action: "nat", translate: { destination: { address: to, port: 9 } } }));
      expect(await node.python("a", UDP_ERROR, service, "7")).toBe("ECONNREFUSED\n");
    });

    test("a stream with offloads on", async () => {
      translate((miss) => ({ action: "nat", translate: { destination: { address: to, port: miss.key.dport + 1 } } }));
      const iperf = node.lab.spawn("b", ["iperf3", "-s", "-1", "-p", "5202", "--forceflush"]);
      await iperf.waitForOutput(/listening/, { timeoutMs: 10_000 });
      const { status, stdout } = await node.lab.exec("a", ["iperf3", "-c", service, "-p", "5201", "-n", "50M", "-J"]);
      expect(status).toBe(0);
      const { end } = JSON.parse(stdout) as { end: Record<"sum_sent" | "sum_received", { bytes: number }> };
      expect(end.sum_sent.bytes).toBeGreaterThanOrEqual(50 << 20);
      // The server ends its count when the client says that it is done; the last window may still be under way.
      expect(end.sum_received.bytes).toBeGreaterThan(40 << 20);
      await iperf.exited;
    });
  });

  test("connections go on while the ways change of what they become, and nobody is asked again", async () => {
    const asked: string[] = [];
    const isOurs = (port: number) => [5301, 5302, 5401, 5402].includes(port);
    translate((miss) => {
      const { proto, src, sport, dst, dport } = miss.key;
      // A late packet of the last test's connection is asked about too.
      if (proto === "tcp" && isOurs(dport)) asked.push(`${src}:${sport} ${dst}:${dport}`);
      const to = miss.key.src === a.ipv4 ? b.ipv4 : b.ipv6;
      return { action: "nat", translate: { destination: { address: to, port: miss.key.dport + 1 } } };
    });
    const hop = (name: string) => ({ name, type: "interface", device: b.device });
    await node.dp.transaction().put("nexthops", hop("one"), hop("two")).commit();
    const servers = ["5302", "5402"].map((port) =>
      node.lab.spawn("b", ["iperf3", "-s", "-1", "-p", port, "--forceflush"]),
    );
    for (const iperf of servers) await iperf.waitForOutput(/listening/, { timeoutMs: 10_000 });
    const clients = [
      ["10.96.0.10", "5301"],
      ["fd00:96::10", "5401"],
    ].map(([service = "", port = ""]) => node.lab.exec("a", ["iperf3", "-c", service, "-p", port, "-t", "2", "-J"]));
    let finished = false;
    const ended = Promise.all(clients).finally(() => {
      finished = true;
    });
    let changes = 0;
    const generations = new Set<number>();
    for (; !finished; changes++) {
      const via = changes % 2 === 0 ? "one" : "two";
      const change = node.dp.transaction();
      for (const prefix of [`${b.ipv4}/32`, `${b.ipv6}/128`]) change.put("routes", { vrf: "red", prefix, via });
      await change.commit();
      for (const flow of node.dp.flows.entries({ proto: "tcp" })) {
        if (flow.action === "hold" || !(isOurs(flow.sport) || isOurs(flow.dport))) continue;
        expect(flow).toMatchObject({ action: "nat" });
        generations.add(flow.generation);
      }
      await Bun.sleep(30);
    }
    for (const { status, stdout } of await ended) {
      expect(status).toBe(0);
      const { end } = JSON.parse(stdout) as { end: { sum_received: { bytes: number } } };
      expect(end.sum_received.bytes).toBeGreaterThan(1 << 20);
    }
    expect(changes).toBeGreaterThan(5);
    // iperf3 has two connections: one for the stream, and one to speak of it.
    expect(asked).toEqual([...new Set(asked)]);
    expect([asked.length, generations.size]).toEqual([4, 4]);
    for (const iperf of servers) await iperf.exited;
  });

  test("a verdict that cannot be is one line, and the flow waits on", async () => {
    const refused: string[] = [];
    const wrong: readonly unknown[] = [
      { action: "nat" },
      { action: "forward", translate: { destination: { port: 1 } } },
      { action: "nat", translate: {} },
      { action: "nat", translate: { source: { address: "fd00::1" } } },
      { action: "nat", translate: { destination: { address: "255.255.255.255" } } },
      { action: "nat", translate: { destination: { port: 65_536 } } },
      { action: "nat", translate: { destination: { address: "203.0.113.1" } } },
      { action: "forward", nexthop: "vb", vrf: "red" },
      { action: "forward", vrf: "green" },
      { action: "drop", nexthop: "vb" },
      { action: "forward", idleSeconds: 0 },
      { action: "jump" },
    ];
    translate((miss) => {
      // The pod says other things too, as router solicitations.
      for (const verdict of miss.key.dst === "10.96.0.10" ? wrong : []) {
        try {
          miss.decide(verdict as Verdict);
        } catch (error) {
          if (error instanceof WeirError) refused.push(error.message);
        }
      }
      return { action: "nat", translate: { destination: { address: b.ipv4, port: 8080 } } };
    });
    const { status } = await node.lab.exec("a", ["curl", "-sf", "-m", "3", "-o", "/dev/null", "http://10.96.0.10/dev"]);
    expect(status).toBe(0);
    expect(refused).toMatchInlineSnapshot(`
      [
        "Cannot decide a flow: action nat needs translate",
        "Cannot decide a flow: translate does not go with action forward",
        "Cannot decide a flow: translate: says nothing of source or destination",
        "Cannot decide a flow: translate.source.address: "fd00::1" is not of IPv4 as the flow is",
        "Cannot decide a flow: translate.destination.address: packets are not routed from or to "255.255.255.255"",
        "Cannot decide a flow: translate.destination.port: 65536 is not 1 to 65535",
        "Cannot decide a flow: there is no route to 203.0.113.1 in its VRF",
        "Cannot decide a flow: nexthop and vrf are given, of which one decides",
        "Cannot decide a flow: there is no VRF "green"",
        "Cannot decide a flow: nexthop does not go with action drop",
        "Cannot decide a flow: idleSeconds 0 is not 1 to 4294967295",
        "Cannot decide a flow: action "jump" is none of forward, drop, reject, nat",
      ]
    `);
  });
});
