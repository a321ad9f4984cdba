// SPDX-License-Identifier: Apache-2.0
// Runs alone: new flows are counted against a rate.
/** Limits of new flows, a full flow table and a flood of SYNs, with real traffic between pods. */
import { describe, expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import type { GuardStatus } from "../../sdk/index.ts";
import { type Pod, pods, waitFor } from "../../sdk/lab/index.ts";
import { DataPlaneNode, type PodName } from "./dataplane_node.ts";

const ENTRIES = 1024;
const { a, b, c } = pods;
const open = { limits: { flows: ENTRIES } };

const allow = { name: "allow", default: "allow", rules: [] };
/** Denies UDP to ports from 40000 on, whatever is sent first. */
const some = {
  name: "some",
  default: "allow",
  rules: [{ name: "high", action: "deny", direction: "ingress", proto: "udp", ports: ["40000-65535"] }],
};

function flows(node: DataPlaneNode, { device }: Pod): GuardStatus {
  return node.dp.tables.interfaces.get(device)?.status["flows"] as GuardStatus;
}

/** Sends one datagram to each of `count` ports of another pod: each is a flow. */
async function send(node: DataPlaneNode, from: PodName, to: Pod, first: number, count: number): Promise<void> {
  const program = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7))
for port in range(${first}, ${first + count}): s.sendto(b"x", ("${to.ipv4}", port))
`;
  const { status, stderr } = await node.lab.exec(from, ["python3", "-c", program]);
  if (status !== 0) throw new Error(stderr);
}

/** IPv4 packets that a pod's kernel has received. */
async function received(node: DataPlaneNode, pod: PodName): Promise<number> {
  const { stdout } = await node.lab.exec(pod, ["cat", "/proc/net/snmp"]);
  const [names = [], values = []] = stdout
    .split("\n")
    .filter((line) => line.startsWith("Ip:"))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("InReceives")]);
}

/** SYNs to a port of b from addresses that never answer. */
async function flood(node: DataPlaneNode, count: number): Promise<void> {
  const program = `
import socket, struct
def total(data):
  s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
  while s > 0xffff: s = (s & 0xffff) + (s >> 16)
  return ~s & 0xffff
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
to = socket.inet_aton("${b.ipv4}")
for i in range(${count}):
  source = struct.pack("!BBH", 172, 16, i & 0xffff)
  head = struct.pack("!HHIIBBHHH", 1024 + i, 5201, i, 0, 0x50, 2, 1024, 0, 0)
  sum16 = total(source + to + struct.pack("!HH", 6, 20) + head)
  head = head[:16] + struct.pack("!H", sum16) + head[18:]
  s.sendto(struct.pack("!BBHHHBBH", 0x45, 0, 40, i & 0xffff, 0, 64, 6, 0) + source + to + head, ("${b.ipv4}", 0))
`;
  const { status, stderr } = await node.lab.exec("a", ["python3", "-c", program]);
  if (status !== 0) throw new Error(stderr);
}

for (const hook of ["tc", "xdp"] as const) {
  describe(`on the ${hook} hook`, () => {
    test("an interface makes no more flows than its limit, and others go on", async () => {
      await using node = await DataPlaneNode.start({ name: `flow-limit-${hook}`, hook });
      const document = (newFlows?: object) =>
        node.document(
          { a: newFlows === undefined ? {} : { newFlows }, b: { policies: ["allow"] } },
          { policies: [allow] },
        );
      await node.dp.apply(document({ limit: 20 }));
      await send(node, "a", b, 30_000, 60);
      await waitFor(() => flows(node, a).refused.limit === 40);
      expect(flows(node, a)).toMatchObject({ now: 20, limit: 20, refused: { rate: 0, limit: 40 } });
      expect(node.drops(a.device)).toEqual({ "flow-limit": 40 });
      expect(await node.received("c", b.ipv4)).toBe(3);
      expect(await node.received("a", b.ipv4)).toBe(0);
      await node.dp.apply(document({ ratePerSecond: 1 }));
      await send(node, "a", b, 31_000, 100);
      await waitFor(() => flows(node, a).refused.rate >= 30);
      expect(flows(node, a).now - 20).toBeGreaterThanOrEqual(64);
      expect(flows(node, a).now - 20).toBeLessThan(70);
      await node.dp.apply(document());
      expect(await node.received("a", b.ipv4)).toBe(3);
      node.dp.flows.delete({});
      expect(flows(node, a).now).toBe(0);
    }, 60_000);

    test("when the flow table is full a packet is dropped, or policy decides on it alone", async () => {
      await using node = await DataPlaneNode.start({ name: `flow-full-${hook}`, hook, open });
      const document = (tableFull: string) =>
        node.document({ a: { tableFull }, b: { policies: ["some"] } }, { policies: [some] });
      await node.dp.apply(document("refuse"));
      await send(node, "a", b, 20_000, 2 * ENTRIES);
      await waitFor(() => (node.drops(a.device)["flow-table-full"] ?? 0) > ENTRIES);
      expect(flows(node, a).now).toBeLessThanOrEqual(ENTRIES);

      await node.dp.apply(document("forward"));
      const before = await received(node, "b");
      const dropped = node.drops(a.device)["flow-table-full"];
      await send(node, "a", b, 30_000, 500);
      await waitFor(async () => (await received(node, "b")) === before + 500);
      await send(node, "a", b, 40_000, 300);
      await waitFor(() => (node.drops(a.device)["policy-deny"] ?? 0) >= 300);
      expect(await received(node, "b")).toBe(before + 500);
      expect(node.drops(a.device)["flow-table-full"]).toBe(dropped ?? 0);
    }, 60_000);

    test("a flood of SYNs neither fills the flow table nor keeps others from connecting", async () => {
      await using node = await DataPlaneNode.start({ name: `syn-flood-${hook}`, hook, open });
      const fields = { a: { sourceCheck: false }, b: { policies: ["allow"] } };
      const routes = [{ vrf: "red", prefix: "172.16.0.0/16", via: "va" }];
      await node.dp.apply(node.document(fields, { policies: [allow], routes }));
      // The server answers all SYNs, and nobody acknowledges: the addresses are nobody's.
      await using server = node.lab.spawn("b", ["iperf3", "-s", "--forceflush", "-B", b.ipv4]);
      await server.waitForOutput(/listening/);
      await using client = node.lab.spawn("c", [
        "iperf3",
        "-c",
        b.ipv4,
        "-t",
        "30",
        "-b",
        "1M",
        "-i",
        "1",
        "--forceflush",
      ]);
      await client.waitForOutput(/sec/);
      await flood(node, 5000);
      await waitFor(() => flows(node, a).gaveWay > 3000);
      expect(flows(node, a).tableFull).toBe(0);
      // The server goes on answering: on each CPU one may be counted before the one that it takes the place of is not.
      expect(flows(node, a).now).toBeLessThanOrEqual(ENTRIES / 4 + availableParallelism());
      expect(await node.received("c", b.ipv4)).toBe(3);
      const states = [...node.dp.flows.entries({ proto: "tcp" })].filter(({ src }) => src === c.ipv4);
      expect(states.map(({ state }) => state)).toEqual(states.map(() => "established"));
      expect(states.length).toBe(2);
      expect(node.drops(b.device)).toEqual({});
    }, 60_000);
  });
}
