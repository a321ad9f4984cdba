// SPDX-License-Identifier: Apache-2.0
/** Processes of the node itself and pods speak to each other, as policy says; what is not Weir's on `lo` stays the host's. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { LabProcess } from "../../sdk/lab/index.ts";
import { attachTc, type Collection, CollectionSpec, tail } from "../../sdk/libbpf/index.ts";
import { compileObject } from "./compile.ts";
import { curl, HOST4, HOST6, hostDocument, NODE, PodsNode, pods, serveHttp } from "./host_node.ts";
import { Capture } from "./pods_capture.ts";
import { hooks, PYTHON } from "./pods_node.ts";
import { tcpEcho } from "./tcp_echo.ts";

const { a, b, c } = pods;
const families = [
  { name: "IPv4", host: HOST4, of: (pod: typeof a) => pod.ipv4 },
  { name: "IPv6", host: HOST6, of: (pod: typeof a) => pod.ipv6 },
] as const;

/** Sends a datagram and says how many bytes of it came back. */
const UDP_ECHO_CLIENT = `
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.settimeout(3)
s.sendto(b"x" * int(sys.argv[2]), (sys.argv[1], 7007))
data, source = s.recvfrom(65536)
print(len(data), source[0])
`;
const UDP_ECHO_SERVER = `
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 7007))
print("ready")
while True:
    data, source = s.recvfrom(65536)
    s.sendto(data, source)
`;

/** Packets that a program behind Weir's on the hook has seen (tests/kernel/bpf/neighbours.bpf.c). */
function seenBehind(others: Collection): number {
  const value = new Uint8Array(8);
  others.map("seen").lookup(new Uint8Array([3, 0, 0, 0]), value);
  return Number(new DataView(value.buffer).getBigUint64(0, true));
}

setDefaultTimeout(30_000);

describe.each(hooks)("the host's own stack beside pods on the %s hook", (hook) => {
  let node: PodsNode;
  const servers: LabProcess[] = [];

  beforeAll(async () => {
    node = await PodsNode.start({ name: "host", hook });
    await node.dp.apply(hostDocument(node));
    servers.push(await serveHttp(node.lab, NODE, 8000), await serveHttp(node.lab, "c", 8080));
    servers.push(await node.serve("b", UDP_ECHO_SERVER));
  });
  afterAll(async () => {
    for (const server of servers) server.signal("SIGKILL");
    await node?.[Symbol.asyncDispose]();
  });

  const counters = () => node.dp.tables.interfaces.get("lo")?.status["counters"] as Record<string, number>;

  describe.each(families)("over $name", ({ host, of }) => {
    test("a process of the host reaches a pod, which sees the host's address", async () => {
      const ping = await node.lab.exec(NODE, ["ping", "-c", "1", "-W", "2", of(a)]);
      // No hop between the host and its own pods, there or back.
      expect(ping.stdout).toContain("ttl=64");
      expect(await curl(node.lab, NODE, of(c), 8080)).toBe("200");
      const flows = [...node.dp.flows.entries({ src: host, dst: of(c), proto: "tcp" })];
      expect(flows).toMatchObject([{ action: "forward", policy: "services" }]);
    });

    test("a pod reaches a service of the host where policy allows it, and no other does", async () => {
      expect(await curl(node.lab, "a", host, 8000)).toBe("200");
      const before = node.dropped("vb", "policy-deny");
      expect(await curl(node.lab, "b", host, 8000, 0.3)).toBe("000");
      expect(node.dropped("vb", "policy-deny")).toBeGreaterThan(before);
      expect((await node.lab.ping("b", host)).received).toBe(1);
      const [flow] = [...node.dp.flows.entries({ src: of(a), dst: host, proto: "tcp", dport: 8000 })];
      expect(flow).toMatchObject({ action: "forward", policy: "services", rule: "web" });
    });

    test("datagrams longer than the pods' MTU come in fragments, from the first one on", async () => {
      const { stdout, stderr } = await node.lab.exec(NODE, [PYTHON, "-c", UDP_ECHO_CLIENT, of(b), "3000"]);
      expect(stdout + stderr).toBe(`3000 ${of(b)}\n`);
    });

    test("a trace says so: to the pod, to the host, and of what is not Weir's, to the host as it was", () => {
      const trace = (name: string, fields: { src?: string; dst: string; dport: number }) =>
        node.dp.trace(name, { proto: "tcp", ...fields });
      expect(trace("lo", { dst: of(c), dport: 80 })).toMatchObject({
        verdict: "forward",
        outputs: [{ interface: "vc" }],
      });
      expect(trace("va", { src: of(a), dst: host, dport: 8000 }).verdict).toBe("host");
      expect(trace("vb", { src: of(b), dst: host, dport: 8000 }).verdict).toBe("drop");
      const own = trace("lo", { src: host, dst: host, dport: 80 });
      expect([own.verdict, own.steps.map(({ stage }) => stage)]).toEqual(["host", ["host"]]);
    });
  });

  test("streams of large segments arrive whole, both ways", async () => {
    const open = { name: "services", default: "allow", rules: [] };
    await node.dp.apply(hostDocument(node, {}, { policies: [open] }));
    expect(await tcpEcho(node.lab, { client: NODE, server: "a", address: a.ipv4 })).toBe("same");
    expect(await tcpEcho(node.lab, { client: "a", server: NODE, address: HOST4 })).toBe("same");
    await node.dp.apply(hostDocument(node));
  });

  test("the host's own loopback traffic is not counted, and gets to who is behind Weir on the device", async () => {
    const { lab } = node;
    using others = CollectionSpec.fromBytes(compileObject("neighbours")).load();
    const program = others.program("other_filter");
    using _behind = lab.run(NODE, () => attachTc({ program, ifindex: 1, direction: "egress", order: tail() }));
    using capture = await Capture.start(lab, NODE, "lo");
    const before = counters();
    for (const address of ["127.0.0.1", "::1", HOST4, HOST6]) expect(await curl(lab, NODE, address, 8000)).toBe("200");
    await capture.stop();
    const frames = capture.frames().length;
    // Of each connection the handshake, request and answer, and both FINs.
    expect(frames).toBeGreaterThanOrEqual(4 * 7);
    expect([counters(), seenBehind(others)]).toEqual([before, frames]);
    // What is Weir's they do not see.
    expect((await lab.ping(NODE, a.ipv4)).received).toBe(1);
    expect([counters()["rxPackets"], seenBehind(others)]).toEqual([(before["rxPackets"] ?? 0) + 1, frames]);
  });

  test("strict reverse-path filters of the host's let pods through: the routes lead back", async () => {
    await node.lab.exec(NODE, ["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"]);
    expect(await curl(node.lab, "a", HOST4, 8000)).toBe("200");
    expect((await node.lab.ping("b", HOST4)).received).toBe(1);
    // What they keep out all the same is told.
    await node.dp.apply(hostDocument(node, { order: "tail" }));
    const status = node.dp.tables.interfaces.get("lo")?.status;
    expect(status?.["warnings"]).toEqual([expect.stringContaining("net.ipv4.conf.all.rp_filter is 1: ")]);
    await node.dp.apply(hostDocument(node));
    await node.lab.exec(NODE, ["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0"]);
  });

  test("without policies the host begins any flow, and nobody begins one to the host", async () => {
    await node.dp.apply(hostDocument(node, { policies: undefined }));
    for (const { host, of } of families) {
      expect(await curl(node.lab, NODE, of(c), 8080)).toBe("200");
      expect(await curl(node.lab, "a", host, 8000, 0.3)).toBe("000");
      expect((await node.lab.ping("c", host)).received).toBe(0);
      const flows = [...node.dp.flows.entries({ src: of(a), dst: host, proto: "tcp", dport: 8000 })];
      expect(flows.at(-1)).toMatchObject({ action: "drop", policy: "(host)", rule: "default" });
    }
    await node.dp.apply(hostDocument(node));
  });

  test("its status tells what the host's stack has, and the stack uses it", async () => {
    const { lab, dp } = node;
    expect(dp.tables.interfaces.get("lo")?.status).toMatchObject({
      state: "up",
      hook: "tc",
      host: { table: 254, routes: 6, refused: 0, addresses: [HOST4, HOST6] },
    });
    expect((await lab.exec(NODE, ["ip", "route", "get", a.ipv4])).stdout).toContain(`dev lo src ${HOST4}`);
  });
});
