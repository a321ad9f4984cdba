// SPDX-License-Identifier: Apache-2.0
/** First packets of flows that are longer than a frame of the slow path, on both hooks. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { kernelAtLeast } from "../../sdk/dataplane/device/preflight.ts";
import type { FlowMiss } from "../../sdk/index.ts";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

const JUMBO = 9000;
/** Before Linux 6.6 there are no chains of frames: such MTUs are refused with policy. */
const chains = kernelAtLeast(6, 6);
const LARGEST_MTU = chains ? 14_314 : 1770;
const open = { name: "open", default: "allow" };
const policed = { a: { policies: ["open"] }, b: { policies: ["open"] } };

setDefaultTimeout(60_000);

/** Answers every datagram with its SHA-256. */
const server = (family: string, address: string) => `
import hashlib, socket
s = socket.socket(socket.${family}, socket.SOCK_DGRAM)
s.bind(("${address}", 7))
print("ready", flush=True)
while True:
    data, sender = s.recvfrom(65535)
    s.sendto(hashlib.sha256(data).hexdigest().encode(), sender)
`;

/** Sends one datagram of each size from a port of its own; prints the sizes that came unchanged. */
const client = (family: string, address: string, sizes: readonly number[]) => `
import hashlib, os, socket
for size in ${JSON.stringify(sizes)}:
    s = socket.socket(socket.${family}, socket.SOCK_DGRAM)
    s.settimeout(3)
    data = os.urandom(size)
    s.sendto(data, ("${address}", 7))
    try:
        if s.recv(100).decode() == hashlib.sha256(data).hexdigest(): print(size)
    except TimeoutError: pass
`;

for (const hook of ["tc", "xdp"] as const) {
  describe.if(chains)(`jumbo packets on the ${hook} hook`, () => {
    test("as the first of their flows are decided, and arrive unchanged", async () => {
      await using node = await DataPlaneNode.start({ name: `jumbo-${hook}`, hook, mtu: JUMBO });
      await node.dp.apply(node.document(policed, { policies: [open] }));
      expect(await node.received("a", pods.c.ipv4, 1)).toBe(1);
      const free = () => node.dp.usage().slowPath.frames.free;
      const before = free();
      for (const [family, address] of [
        ["AF_INET", pods.b.ipv4],
        ["AF_INET6", pods.b.ipv6],
      ] as const) {
        await using answering = node.lab.spawn("b", ["python3", "-c", server(family, address)]);
        await answering.waitForOutput(/ready/, { timeoutMs: 30_000 });
        // Around the ends of one, two and three frames, and the largest that fit.
        const sizes = [1700, 1740, 1760, 1792, 3500, 3550, 3600, 5300, 8000, 8952];
        const { stdout, stderr } = await node.lab.exec("a", ["python3", "-c", client(family, address, sizes)]);
        expect({ stderr, arrived: stdout.trim().split("\n").map(Number) }).toEqual({ stderr: "", arrived: sizes });
      }
      await waitFor(() => free() === before);
      expect(node.dp.drops("reason").map(({ reason }) => reason)).not.toContain("trap-full");
    });

    test("reach the controller as a whole, and wait for its verdict", async () => {
      await using node = await DataPlaneNode.start({ name: `jumbo-ask-${hook}`, hook, mtu: JUMBO });
      await node.dp.apply(node.document({ b: { policies: [] } }));
      const asked: number[] = [];
      using _ = node.dp.onFlowMiss((misses: readonly FlowMiss[]) => {
        for (const miss of misses) {
          asked.push(miss.frame.byteLength, miss.copy().byteLength);
          setTimeout(() => miss.decide({ action: "forward" }), 20);
        }
      });
      const { received } = await node.lab.ping("a", pods.b.ipv4, { sizeBytes: 8000, timeoutMs: 1000 });
      expect({ received, asked }).toEqual({ received: 1, asked: [8042, 8042] });
    });

    test("are answered where there is no route, and injected by the controller", async () => {
      await using node = await DataPlaneNode.start({ name: `jumbo-inject-${hook}`, hook, mtu: JUMBO });
      await node.dp.apply(node.document());
      const { output } = await node.lab.ping("a", "203.0.113.1", { sizeBytes: 8000, timeoutMs: 500 });
      expect(output).toContain("Destination Net Unreachable");
      const lengths: number[] = [];
      using _ = node.dp.onPacket("ttl-expired", ({ frame }) => {
        lengths.push(frame.byteLength);
        node.dp.inject(frame, { transmit: "vb" });
      });
      await using dump = node.lab.spawn("b", ["tcpdump", "-nli", "eth0", "-c", "1", "icmp"]);
      await dump.waitForOutput(/listening/);
      await node.lab.ping("a", pods.b.ipv4, { ttl: 1, sizeBytes: 8000, timeoutMs: 300 });
      await dump.waitForOutput(/ICMP echo request.*length 8008/);
      expect(lengths).toEqual([8042]);
      expect(() => node.dp.inject(new Uint8Array(20_000), { transmit: "vb" })).toThrow("14 to 14336 bytes");
    });
  });
}

test("an MTU that the slow path cannot take is refused with policy, and only there", async () => {
  await using node = await DataPlaneNode.start({ name: "jumbo-refused", hook: "tc", mtu: 20_000 });
  await node.dp.apply(node.document());
  await expect(node.dp.apply(node.document(policed, { policies: [open] }))).rejects.toThrow(
    `Cannot put policy on "va": MTU 20000 is more than the ${LARGEST_MTU} bytes of a packet that the slow path takes here`,
  );
  await node.dp.apply(node.document());
  const { received } = await node.lab.ping("a", pods.b.ipv4, { sizeBytes: 18_000, timeoutMs: 500 });
  expect(received).toBe(1);
});
