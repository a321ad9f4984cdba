// SPDX-License-Identifier: Apache-2.0
/** First packets of flows that reach a worker which is awake by memory that the kernel programs share with it. */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpus } from "node:os";
import { Lab, pods } from "../../sdk/lab/index.ts";
import { missRingCodec } from "../../sdk/layout/index.ts";
import { TestNode } from "./slowpath_node.ts";

const { b } = pods;
const ALLOW = { name: "open", default: "allow" } as const;
/** Flows that are made while the worker sleeps and wakes. */
const FLOWS = 2000;

// Also in an emulated machine, where Python takes long to start.
setDefaultTimeout(120_000);

let lab: Lab;

beforeAll(() => {
  lab = Lab.create("pods", { prefix: `wMR-${process.pid}-` });
});

afterEach(() => {
  TestNode.disposeAll();
  lab.execSync("node", ["ip", "link", "delete", "wt"]);
});

afterAll(() => lab.destroy());

/** Packets that the first worker took out of its ring. */
function taken(node: TestNode): number {
  using ring = node.collection.map("miss_rings").mmap({ readOnly: true });
  return missRingCodec.consumer.get(new DataView(ring.view), 0);
}

/** Answers in pod b what comes by TCP and UDP to port 7, of either family. */
const server = `
import socket, threading
def udp(family):
    s = socket.socket(family, socket.SOCK_DGRAM); s.bind(("", 7))
    while True: s.sendto(*s.recvfrom(2000))
def tcp(family):
    s = socket.socket(family, socket.SOCK_STREAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("", 7)); s.listen(8)
    print("ready", flush=True)
    while True: s.accept()[0].sendall(b"hello")
for f in (socket.AF_INET, socket.AF_INET6):
    threading.Thread(target=tcp, args=(f,)).start()
    if f == socket.AF_INET: threading.Thread(target=udp, args=(f,)).start()
`;

const client = `
import socket
for address in ("${b.ipv4}", "${b.ipv6}"): print(socket.create_connection((address, 7), 5).recv(5).decode())
for size in (10, 1000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
    s.sendto(b"x" * size, ("${b.ipv4}", 7)); print(len(s.recv(2000)))
`;

/** IPv4 packets that the node's own stack saw: nothing there is for it. */
function receivedByHost(): number {
  const lines = lab.execSync("node", ["cat", "/proc/net/snmp"]).stdout.split("\n");
  const [names, values] = lines.filter((line) => line.startsWith("Ip:")).map((line) => line.split(" "));
  return Number(values?.[names?.indexOf("InReceives") ?? -1]);
}

// A worker that never sleeps needs a CPU to itself.
test.skipIf(cpus().length < 2)(
  "the worker takes first packets of TCP, UDP and ICMP from there, and completes their checksums",
  async () => {
    const node = await TestNode.start(lab, { spin: true });
    node.protect({ b: [ALLOW] });
    await using answering = lab.spawn("b", ["python3", "-c", server]);
    await answering.waitForOutput(/ready\s+ready/, { timeoutMs: 20_000 });
    const offload = lab.execSync("a", ["ethtool", "-k", "eth0"]).stdout;
    expect(offload).toContain("tx-checksumming: on");
    expect((await lab.exec("a", ["python3", "-c", client])).stdout).toBe("hello\nhello\n10\n1000\n");
    for (const address of [b.ipv4, b.ipv6]) expect((await lab.ping("a", address)).received).toBe(1);
    expect(receivedByHost()).toBe(0);
    // The long datagram took the trap link.
    const trapped = node.slowPath.stats().ports.reduce((sum, { rxPackets }) => sum + rxPackets, 0);
    expect({ ring: taken(node), trapped }).toEqual({ ring: 5, trapped: 1 });
  },
);

test("each packet arrives once while the worker falls asleep and wakes", async () => {
  const node = await TestNode.start(lab);
  node.protect({ b: [ALLOW] });
  const counting = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 7)); s.setsockopt(socket.SOL_SOCKET, 33, 1 << 23) # SO_RCVBUFFORCE
print("ready", flush=True)
seen = [0] * ${FLOWS}
try:
    s.settimeout(60)
    while True:
        seen[int(s.recv(100))] += 1
        s.settimeout(0.5 if 0 not in seen else 5)
except TimeoutError: print("once", seen.count(1), flush=True)
`;
  const sending = `
import socket, time
for i in range(${FLOWS}):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"%d" % i, ("${b.ipv4}", 7)); s.close()
    until = time.perf_counter_ns() + (i * 7919) % 60000
    while time.perf_counter_ns() < until: pass
`;
  await using counted = lab.spawn("b", ["python3", "-c", counting]);
  await counted.waitForOutput(/ready/, { timeoutMs: 20_000 });
  await lab.exec("a", ["python3", "-c", sending]);
  await counted.waitForOutput(/once \d+\n/, { timeoutMs: 100_000 });
  expect(counted.stdout).toContain(`once ${FLOWS}\n`);
  const { packets } = node.slowPath.stats().counters;
  expect(taken(node)).toBeLessThanOrEqual(packets);
});
