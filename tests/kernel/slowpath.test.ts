// SPDX-License-Identifier: Apache-2.0
// Runs alone: sockets overflow by rate, and what sleeps is measured.
/** The slow path in its place: real kernel programs, real workers, real packets between pods. */

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, pods, waitFor } from "../../sdk/lab/index.ts";
import type { AskedFlow, DropEvent, TrappedPacket } from "../../sdk/slowpath/index.ts";
import { ids, TestNode } from "./slowpath_node.ts";

const { a, b, c } = pods;
const ALLOW = { name: "open", default: "allow" } as const;

// Programs are started and waited for, perhaps on a busy machine.
setDefaultTimeout(30_000);

let lab: Lab;
let node: TestNode | undefined;

beforeAll(() => {
  lab = Lab.create("pods", { prefix: `wD-${process.pid}-` });
});

afterEach(() => {
  TestNode.disposeAll();
  node = undefined;
  lab.execSync("node", ["ip", "link", "delete", "wt"]);
  // What a pod failed to find while there was no node must not be remembered in the next test.
  for (const pod of ["a", "b", "c"]) lab.execSync(pod, ["ip", "neigh", "flush", "dev", "eth0"]);
});

afterAll(() => lab.destroy());

for (const hook of ["tc", "xdp"] as const) {
  describe(`the slow path with the ${hook} hook`, () => {
    test("decides the first packet and sends it on; later ones stay in the kernel", async () => {
      node = await TestNode.start(lab, { hook });
      const { rules } = node.protect({ b: [{ name: "b", default: "allow" }], a: [ALLOW] });
      expect(rules.length).toBeGreaterThan(0);
      for (const address of [b.ipv4, b.ipv6]) {
        const { received, sent } = await lab.ping("a", address, { count: 5 });
        expect({ address, received, sent }).toEqual({ address, received: 5, sent: 5 });
      }
      // On a busy machine a second packet can be under way when the first is decided; it finds the entry there then.
      const { allowed, packets, stale, injected } = node.slowPath.stats().counters;
      // A pod may tell its multicast groups meanwhile, to nobody.
      const groups = node.slowPath.drops().reduce((sum, drop) => sum + drop.packets, 0);
      expect({ allowed: allowed - stale, injected }).toEqual({ allowed: 2, injected: packets - groups });
      expect(node.flows()).toBe(4);
    });

    test("denies silently, and counts and reports it by rule", async () => {
      const drops: DropEvent[] = [];
      node = await TestNode.start(lab, { hook, onDrop: (event) => drops.push(event) });
      node.slowPath.setDropSamples(100);
      const { rules } = node.protect({
        b: [{ name: "b", rules: [{ name: "no-ping", action: "deny", proto: "icmp" }] }],
      });
      const { received, output } = await lab.ping("a", b.ipv4, { timeoutMs: 200 });
      expect({ received, errors: /From/.test(output) }).toEqual({ received: 0, errors: false });
      expect(node.slowPath.drops()).toMatchObject([{ interfaceId: ids.a, reason: "policy-deny", packets: 1 }]);
      await waitFor(() => drops.length > 0);
      const rule = rules.find(({ rule }) => rule === "no-ping");
      expect(drops[0]).toMatchObject({
        dropReason: "policy-deny",
        rule: rule?.id,
        interfaceId: ids.a,
        direction: "ingress",
      });
      await waitFor(() => node?.slowPath.ruleHits().get(rule?.id ?? 0) === 1);
    });

    test("rejects with a reset or an ICMP error", async () => {
      node = await TestNode.start(lab, { hook });
      node.protect({ b: [{ name: "b", rules: [{ action: "reject" }] }] });
      const connect = (address: string) =>
        lab.exec("a", [
          "curl",
          "-sS",
          "--max-time",
          "2",
          `http://${address.includes(":") ? `[${address}]` : address}/`,
        ]);
      for (const address of [b.ipv4, b.ipv6]) {
        const { stderr } = await connect(address);
        expect(stderr).toMatch(/refused|Couldn't connect|Failed to connect/);
        expect(stderr).not.toMatch(/timed? ?out/i);
      }
      const { output } = await lab.ping("a", b.ipv4);
      expect(output).toContain("Packet filtered");
      const six = await lab.ping("a", b.ipv6);
      expect(six.output).toMatch(/prohibited/i);
    });

    test("answers expired TTLs and missing routes", async () => {
      node = await TestNode.start(lab, { hook });
      for (const [address, options, pattern] of [
        [b.ipv4, { ttl: 1 }, /From 169\.254\.1\.1 .*Time to live exceeded/],
        [b.ipv6, { ttl: 1 }, /From fe80::1.*Time exceeded: Hop limit/],
        ["10.99.9.9", {}, /From 169\.254\.1\.1 .*Destination Net Unreachable/],
        ["2001:db8::1", {}, /From fe80::1.*(No route|Destination unreachable: No route)/],
      ] as const) {
        const { output } = await lab.ping("a", address, { timeoutMs: 500, ...options });
        expect(output).toMatch(pattern);
      }
    });

    test("finds a neighbour that is not known yet, without losing a packet", async () => {
      node = await TestNode.start(lab, { hook });
      for (const address of [b.ipv4, b.ipv6]) {
        node.forgetMac("b");
        const { received, roundTripsMs } = await lab.ping("a", address, { count: 3 });
        expect(received).toBe(3);
        expect(roundTripsMs[0]).toBeLessThan(500);
      }
      expect(node.slowPath.stats().counters.solicited).toBe(2);
      expect(node.slowPath.drops()).toEqual([]);
    });

    test("asks the controller, and holds the packets meanwhile", async () => {
      node = await TestNode.start(lab, { hook });
      node.protect({ b: [] });
      const asked: AskedFlow[] = [];
      node.slowPath.onAsk(
        (flows) => {
          asked.push(...flows);
          for (const flow of flows) {
            const port = flow.key.protocol === 17 ? flow.key.destinationPort : 0;
            setTimeout(() => flow.decide({ action: port === 9 ? "drop" : "forward" }), 30);
          }
        },
        { timeoutMs: 2000 },
      );
      // No more than can wait, for on a busy machine the verdict comes later than it should.
      const { received, roundTripsMs } = await lab.ping("a", b.ipv4, { count: 3, intervalMs: 10 });
      expect(received).toBe(3);
      // Not the first: a packet that comes when the kernel has the decision passes those that still have to be sent on.
      expect(Math.max(...roundTripsMs)).toBeGreaterThan(25);
      expect(asked).toHaveLength(1);
      expect(asked[0]).toMatchObject({ interfaceId: ids.a, outInterfaceId: ids.b, key: { family: 4, protocol: 1 } });
      expect(node.slowPath.stats().counters).toMatchObject({ asked: 1, allowed: 1, timeouts: 0 });
    });

    test("an asked flow without a verdict ends as told", async () => {
      node = await TestNode.start(lab, { hook });
      node.protect({ b: [] });
      node.slowPath.onAsk(() => {}, { timeoutMs: 50, otherwise: "forward" });
      const { received } = await lab.ping("a", b.ipv4, { count: 1 });
      expect(received).toBe(1);
      node.slowPath.onAsk(null, { otherwise: "drop" });
      expect((await lab.ping("a", b.ipv6, { timeoutMs: 200 })).received).toBe(0);
      expect(node.slowPath.stats().counters.timeouts).toBe(1);
    });

    test("hands trapped packets to their handler", async () => {
      node = await TestNode.start(lab, { hook });
      const packets: TrappedPacket[] = [];
      node.slowPath.onTrap(["ttl-expired"], (taken) => {
        packets.push(...taken);
        return taken.map(() => "taken" as const);
      });
      await lab.ping("a", b.ipv4, { ttl: 1, timeoutMs: 100 });
      await waitFor(() => packets.length > 0);
      expect(packets[0]).toMatchObject({ reason: "ttl-expired", interfaceId: ids.a, key: { protocol: 1 } });
    });
  });
}

describe("the slow path", () => {
  test("sends frames that the controller makes", async () => {
    node = await TestNode.start(lab);
    const answered: string[] = [];
    // An echo request from nowhere: the answer comes to the gateway address, which the kernel programs own.
    const frame = new Uint8Array(14 + 28);
    frame.set([
      2, 0, 0, 0, 1, 3, 0, 0, 0x5e, 0, 1, 0, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0, 0, 0x5e, 0, 1, 0, 169, 254, 1, 1,
    ]);
    frame.set([10, 97, 0, 3], 14 + 24);
    const capture = lab.spawn("c", ["timeout", "3", "tcpdump", "-nlc1", "-i", "eth0", "arp"]);
    await Bun.sleep(700);
    expect(node.slowPath.inject(frame, { action: "transmit", interface: ids.c })).toBe(true);
    answered.push((await capture.exited).stdout);
    expect(answered[0]).toContain(`who-has ${c.ipv4} tell 169.254.1.1`);
  });

  test("spreads interfaces over several workers", async () => {
    node = await TestNode.start(lab, { queues: 2 });
    node.protect({ a: [ALLOW], b: [ALLOW], c: [ALLOW] });
    for (const [from, to] of [
      ["a", b.ipv4],
      ["b", c.ipv4],
      ["c", a.ipv6],
    ] as const) {
      expect((await lab.ping(from, to)).received).toBe(1);
    }
    expect(node.slowPath.workers).toBe(2);
  });

  test("many new flows at once are all decided", async () => {
    node = await TestNode.start(lab);
    node.protect({ b: [ALLOW] });
    const program = `
import socket
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(500)]
for i, x in enumerate(s): x.sendto(b"x", ("${b.ipv4}", 5000 + i))
`;
    const capture = lab.spawn("b", ["timeout", "5", "tcpdump", "-nc500", "-i", "eth0", "-w", "/dev/null", "udp"]);
    await Bun.sleep(700);
    expect((await lab.exec("a", ["python3", "-c", program])).status).toBe(0);
    expect((await capture.exited).stderr).toContain("500 packets captured");
    expect(node.slowPath.stats().counters).toMatchObject({ allowed: 500, stale: 0, noFrame: 0 });
  });

  test("counts what its sockets have no room for, and waiting packets find the policy when it begins to run", async () => {
    node = TestNode.begin(lab, { hook: "xdp", limits: { frames: 1024 }, run: false });
    node.protect({ b: [ALLOW] });
    const folder = mkdtempSync(join(tmpdir(), "weir-"));
    using _ = { [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
    const program = `
import os, socket, time
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(900)]
s[0].sendto(b"x", ("${b.ipv4}", 4999))
while not os.path.exists("${folder}/go"): time.sleep(0.001)
for i, x in enumerate(s): x.sendto(b"x", ("${b.ipv4}", 5000 + i))
`;
    const sender = lab.spawn("a", ["python3", "-c", program]);
    await Bun.sleep(500);
    expect(node.traps("a")).toBe(0);
    writeFileSync(`${folder}/go`, "");
    node.slowPath.run();
    expect((await sender.exited).status).toBe(0);
    await node.slowPath.ready();
    const lost = () => node?.slowPath.drops().find(({ reason }) => reason === "trap-full")?.packets ?? 0;
    const taken = () => node?.slowPath.stats().counters.packets ?? 0;
    await waitFor(() => taken() + lost() === node?.traps("a"));
    expect(lost()).toBeGreaterThan(0);
    expect(node.slowPath.drops()).toMatchObject([{ interfaceId: ids.a, reason: "trap-full" }]);
    const before = lost();
    node.slowPath.removeDirect(ids.a);
    expect(lost()).toBe(before);
  });

  test("opens and closes sockets of interfaces without losing a frame", async () => {
    node = await TestNode.start(lab, { hook: "xdp", limits: { frames: 2048 } });
    node.protect({ a: [ALLOW], b: [ALLOW] });
    const free = () => node?.slowPath.stats().frames.free ?? 0;
    await waitFor(() => free() > 0 && free() < 1024);
    await Bun.sleep(20);
    const before = free();
    for (let i = 0; i < 5; i++) {
      node.slowPath.removeDirect(ids.a);
      await waitFor(() => free() > before);
      node.addDirect("a");
      await waitFor(() => free() <= before);
      expect(free()).toBe(before);
    }
    expect((await lab.ping("a", b.ipv4)).received).toBe(1);
    expect(
      node.slowPath
        .stats()
        .ports.map(({ interfaceId }) => interfaceId)
        .sort(),
    ).toEqual([0, 1, 2, 3]);
  });

  test("can be closed at once, under load, and again", async () => {
    for (const wait of [false, true]) {
      const each = wait ? await TestNode.start(lab) : TestNode.begin(lab);
      each.protect({ b: [ALLOW] });
      const flood = lab.spawn("a", ["ping", "-f", "-c", "300", "-W", "1", b.ipv4]);
      if (wait) await Bun.sleep(20);
      each.slowPath.close();
      each.slowPath.close();
      each[Symbol.dispose]();
      flood.signal("SIGKILL");
      await flood.exited;
      lab.execSync("node", ["ip", "link", "delete", "wt"]);
    }
  });

  test("tells which device is at fault", () => {
    expect(() => TestNode.begin(lab, { trapDevice: { name: "wx", ifindex: 99999, queues: 1 } })).toThrow(
      'Cannot bind an AF_XDP socket on "wx" queue 0: ENODEV (no such device, or it is down); set it up',
    );
  });

  test("sleeps when there is nothing to do", async () => {
    node = await TestNode.start(lab);
    const polls = () => node?.slowPath.stats().counters.polls ?? 0;
    await Bun.sleep(100);
    const before = polls();
    await Bun.sleep(300);
    expect(polls() - before).toBeLessThan(5);
  });
});
