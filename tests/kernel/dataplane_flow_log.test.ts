// SPDX-License-Identifier: Apache-2.0
/** The flow log: what ended is told with the counters that nf_conntrack has for the same packets. */
import { expect, test } from "bun:test";
import type { DataPlane, DataPlaneEvent, FlowEnd } from "../../sdk/index.ts";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

const PORT = 8080;
const UDP_PORT = 5353;
const BYTES = 3_000_000;

/** A rule that tracks makes the pod's kernel count what comes and goes. */
const TRACK =
  "add table inet t; add chain inet t i { type filter hook input priority 0; }; add rule inet t i ct state invalid accept";

/** Answers each connection with a tenth of what came; takes datagrams, and says nothing. */
const SERVE = `
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("", ${UDP_PORT}))
s = socket.create_server(("", ${PORT}))
while True:
    c, _ = s.accept()
    got = 0
    try:
        while data := c.recv(65536):
            got += len(data)
        c.sendall(b"y" * (got // 10))
    except ConnectionResetError:
        pass
    c.close()
`;

const fetchBytes = (count: number) => `
import socket
c = socket.create_connection(("${pods.b.ipv4}", ${PORT}))
c.sendall(b"x" * ${count})
c.shutdown(socket.SHUT_WR)
got = 0
while data := c.recv(65536):
    got += len(data)
print(c.getsockname()[1], got)
`;

const RESET = `
import socket, struct
c = socket.create_connection(("${pods.b.ipv4}", ${PORT}))
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
print(c.getsockname()[1])
c.close()
`;

/** The first is decided before the others come: only some may wait for it. */
const DATAGRAMS = `
import socket, time
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
c.bind(("", 40000))
for i in range(7):
    c.sendto(b"x" * 100, ("${pods.b.ipv4}", ${UDP_PORT}))
    time.sleep(0.5 if i == 0 else 0)
`;

/** Collects ends of flows until it is disposed. */
class EndReader implements AsyncDisposable {
  readonly ends: FlowEnd[] = [];
  lost = 0;
  readonly #abort = new AbortController();
  readonly #reading: Promise<void>;

  constructor(dp: DataPlane, buffer?: number) {
    this.#reading = this.#read(dp.events(["flow-end"], { signal: this.#abort.signal, buffer }));
  }

  async #read(events: AsyncIterable<DataPlaneEvent>): Promise<void> {
    for await (const event of events) {
      if (event.kind === "flow-end") this.ends.push(event);
      else if (event.kind === "lost") this.lost += event.count;
    }
  }

  of(proto: string, dport: number): FlowEnd[] {
    return this.ends.filter(({ flow }) => flow.proto === proto && flow.dport === dport);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }
}

const allow = { name: "open", rules: [{ name: "all", action: "allow", direction: "ingress", proto: "any" }] };
const noPing = {
  name: "open",
  rules: [{ name: "no-ping", action: "deny", direction: "ingress", proto: "icmp" }, ...allow.rules],
};

const python = (node: DataPlaneNode, pod: "a" | "b", script: string) => node.lab.exec(pod, ["python3", "-c", script]);

/** Packets and bytes of both directions, as the pod's own kernel counted them. */
async function tracked(node: DataPlaneNode, sport: number): Promise<readonly number[]> {
  const { stdout } = await node.lab.exec("b", ["cat", "/proc/net/nf_conntrack"]);
  const line = stdout.split("\n").find((text) => text.includes(`sport=${sport} dport=${PORT} `)) ?? "";
  return [...line.matchAll(/(?:packets|bytes)=(\d+)/g)].map(([, number]) => Number(number));
}

async function serve(node: DataPlaneNode) {
  await node.lab.exec("b", ["sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1"]);
  await node.lab.exec("b", ["nft", TRACK]);
  const server = node.lab.spawn("b", ["python3", "-c", SERVE], { timeoutMs: 60_000 });
  await waitFor(async () => (await python(node, "a", fetchBytes(10))).status === 0);
  return server;
}

test("a TCP connection, a reset and a UDP flow end with what was sent, and say why", async () => {
  await using node = await DataPlaneNode.start({ name: "flow-log", hook: "tc" });
  const timeouts = { tcpResetSeconds: 1, udpSeconds: 1 };
  const document = node.document({ b: { policies: ["open"] } }, { policies: [allow], node: { timeouts } });
  await node.dp.apply(document);
  const server = await serve(node);
  await using reader = new EndReader(node.dp);
  const began = Date.now();
  const [sport, got] = (await python(node, "a", fetchBytes(BYTES))).stdout.split(" ").map(Number);
  expect(got).toBe(BYTES / 10);
  await python(node, "a", DATAGRAMS);
  const reset = Number((await python(node, "a", RESET)).stdout);
  const [packets = 0, bytes = 0, reversePackets = 0, reverseBytes = 0] = await tracked(node, sport ?? 0);
  expect(bytes).toBeGreaterThan(BYTES);
  expect(reverseBytes).toBeGreaterThan(BYTES / 10);
  const transfer = () => reader.ends.find(({ flow }) => flow.sport === sport && flow.proto === "tcp");
  const wasReset = () => reader.ends.find(({ flow }) => flow.sport === reset && flow.proto === "tcp");
  await waitFor(() => transfer() !== undefined && wasReset() !== undefined && reader.of("udp", UDP_PORT).length > 0, {
    timeoutMs: 20_000,
  });
  const [a, b] = [pods.a.ipv4, pods.b.ipv4];
  expect(transfer()).toMatchObject({
    reason: "closed",
    state: "closed",
    action: "forward",
    interface: "va",
    policy: "open",
    rule: "all",
    flow: { vrf: "red", proto: "tcp", src: a, sport, dst: b, dport: PORT },
    packets,
    bytes,
    reverse: { src: b, sport: PORT, dst: a, dport: sport, packets: reversePackets, bytes: reverseBytes },
  });
  const firstSeen = Date.parse(transfer()?.firstSeen ?? "");
  const lastSeen = Date.parse(transfer()?.lastSeen ?? "");
  const time = Date.parse(transfer()?.time ?? "");
  expect(firstSeen).toBeGreaterThanOrEqual(began - 50);
  expect(lastSeen).toBeGreaterThanOrEqual(firstSeen);
  expect(time - lastSeen).toBeGreaterThanOrEqual(timeouts.tcpResetSeconds * 1000 - 50);
  expect(wasReset()).toMatchObject({ reason: "reset", state: "closed", flow: { src: a, dst: b, dport: PORT } });
  expect(reader.of("udp", UDP_PORT)).toMatchObject([
    { reason: "idle", flow: { sport: 40000 }, packets: 7, bytes: 7 * (100 + 28), reverse: { packets: 0, bytes: 0 } },
  ]);
  // Each is told once.
  const generations = reader.ends.map(({ generation }) => generation);
  expect(new Set(generations).size).toBe(generations.length);
  expect(reader.lost).toBe(0);
  server.kill();
  await server.exited;
}, 60_000);

test("flows that are deleted, or denied by a change, are told from the side that began", async () => {
  await using node = await DataPlaneNode.start({ name: "flow-cut", hook: "tc" });
  await node.dp.apply(node.document({ b: { policies: ["open"] } }, { policies: [allow] }));
  await using reader = new EndReader(node.dp);
  const icmp = () => reader.ends.filter(({ flow }) => flow.proto === "icmp");
  expect(await node.received("a", pods.b.ipv4, 3)).toBe(3);
  // By what the answers are known by: both entries go, and the flow began at the other end all the same.
  expect(node.dp.flows.delete({ src: pods.b.ipv4, proto: "icmp" })).toBe(2);
  await waitFor(() => icmp().length === 1);
  const expected = {
    flow: { src: pods.a.ipv4, dst: pods.b.ipv4 },
    interface: "va",
    packets: 3,
    bytes: 3 * 84,
    reverse: { src: pods.b.ipv4, dst: pods.a.ipv4, packets: 3, bytes: 3 * 84 },
  };
  expect(icmp()[0]).toMatchObject({ ...expected, reason: "deleted", action: "forward" });
  expect(await node.received("a", pods.b.ipv4, 3)).toBe(3);
  await node.dp.apply(node.document({ b: { policies: ["open"] } }, { policies: [noPing] }));
  await waitFor(() => icmp().length === 2);
  expect(icmp()[1]).toMatchObject({ ...expected, reason: "changed", rule: "all" });
  expect(await node.received("a", pods.b.ipv4, 2)).toBe(0);
  node.dp.flows.delete({ proto: "icmp" });
  await waitFor(() => icmp().length === 3);
  expect(icmp()[2]).toMatchObject({ action: "drop", rule: "no-ping", packets: 1, reverse: { packets: 0 } });
  expect(node.dp.usage().flowEnds).toEqual({ told: reader.ends.length, lost: 0 });
}, 30_000);

test("ends that find no room are counted, and nothing is written down for nobody", async () => {
  await using node = await DataPlaneNode.start({ name: "flow-many", open: { limits: { flows: 65_536 } } });
  await node.dp.apply(node.document());
  const COUNT = 30_000;
  const set = () => {
    const flows = Array.from({ length: COUNT }, (_, i) => ({
      vrf: "red",
      proto: "udp",
      src: pods.a.ipv4,
      sport: 1024 + i,
      dst: pods.b.ipv4,
      dport: UDP_PORT,
      action: "forward" as const,
      interface: "va",
    }));
    expect(node.dp.flows.set(flows).every((result) => result === "ok")).toBe(true);
  };
  set();
  expect(node.dp.flows.delete({ dport: UDP_PORT })).toBe(2 * COUNT);
  expect(node.dp.usage().flowEnds).toEqual({ told: 0, lost: 0 });
  set();
  await using reader = new EndReader(node.dp);
  expect(node.dp.flows.delete({ dport: UDP_PORT })).toBe(2 * COUNT);
  const { told, lost } = node.dp.usage().flowEnds;
  expect(told + lost).toBe(COUNT);
  expect(lost).toBeGreaterThan(0);
  await waitFor(() => reader.ends.length + reader.lost === COUNT, { timeoutMs: 20_000 });
  // One that keeps up loses nothing that the ring had room for.
  expect(reader.lost).toBe(lost);
}, 60_000);
