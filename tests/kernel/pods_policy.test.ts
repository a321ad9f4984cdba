// SPDX-License-Identifier: Apache-2.0
/** What policy lets through between pods, what it asks the controller, and what the controller sees and sends. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { FlowMiss, Packet } from "../../sdk/index.ts";
import { type LabProcess, pods, waitFor } from "../../sdk/lab/index.ts";
import { checksumsAreRight, GATEWAY_MAC, type PortOptions, udp } from "./pipeline_packets.ts";
import { Capture, seen } from "./pods_capture.ts";
import { type Hook, hooks, inUrl, PodsNode } from "./pods_node.ts";
import { HTTP_SERVER, TCP_ERROR, UDP_ERROR, UDP_NUMBERS, UDP_RECORDER } from "./pods_programs.ts";

const { a, b, c } = pods;
const addresses = [b.ipv4, b.ipv6];
const fromA = [`${a.ipv4}/32`, `${a.ipv6}/128`];

/** Lets a in on two ports, and lets b begin nothing. */
const strict = {
  name: "strict",
  default: "deny",
  rules: [
    { name: "http", action: "allow", direction: "ingress", proto: "tcp", ports: [80], from: fromA },
    { name: "closed", action: "allow", direction: "ingress", proto: "udp", ports: [7], from: fromA },
  ],
};

setDefaultTimeout(30_000);

for (const hook of hooks) describeHook(hook);

function describeHook(hook: Hook): void {
  describe(`policy on the ${hook} hook`, () => {
    let node: PodsNode;
    let server: LabProcess;
    /** Registrations of the test at hand. */
    let handlers = new DisposableStack();

    beforeAll(async () => {
      node = await PodsNode.start({ name: "policy", hook });
      server = await node.serve("b", HTTP_SERVER, "80", "/proc/self/net");
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

    const protect = (policy: { readonly name: string; readonly [field: string]: unknown }) =>
      node.dp.apply(node.document({ b: { policies: [policy.name] } }, { policies: [policy] }));

    const get = async (address: string) =>
      (await node.lab.exec("a", ["curl", "-sf", "-m", "2", "-o", "/dev/null", `http://${inUrl(address)}/dev`])).status;

    test("drops silently what it denies, counted by its reason where it came in", async () => {
      await protect(strict);
      using atB = await Capture.start(node.lab, "b", "eth0");
      using atC = await Capture.start(node.lab, "c", "eth0");
      for (const address of addresses) {
        const before = node.dropped("vc", "policy-deny");
        const { received, output } = await node.lab.ping("c", address, { count: 5, timeoutMs: 300 });
        expect({ received, told: /From /.test(output) }).toEqual({ received: 0, told: false });
        expect(await node.python("c", TCP_ERROR, address, "80")).toBe("none\n");
        // Five echo requests, and a SYN that is repeated after a second at the earliest.
        expect(node.dropped("vc", "policy-deny") - before).toBeGreaterThanOrEqual(6);
        expect(node.dropped("vc", "policy-deny") - before).toBeLessThanOrEqual(8);
      }
      expect([node.dropped("vb", "policy-deny"), node.dropped("va", "policy-deny")]).toEqual([0, 0]);
      for (const capture of [atB, atC]) await capture.stop();
      expect(atB.tshark("-Y", `ip.addr == ${c.ipv4} || ipv6.addr == ${c.ipv6}`)).toEqual([]);
      expect(atC.tshark("-Y", `ip.dst == ${c.ipv4} || (ipv6.dst == ${c.ipv6} && !icmpv6.type == 136)`)).toEqual([]);
      const flows = [...node.dp.flows.entries({ src: c.ipv4, proto: "icmp" })];
      expect(flows).toMatchObject([{ action: "drop", policy: "strict", rule: "default", reason: "policy-deny" }]);
    });

    test("lets replies of an allowed connection through, and no connection of the other side", async () => {
      await protect(strict);
      for (const address of addresses) expect([address, await get(address)]).toEqual([address, 0]);
      for (const address of [a.ipv4, a.ipv6]) {
        expect([address, await node.python("b", TCP_ERROR, address, "80")]).toEqual([address, "none\n"]);
      }
      expect(node.dropped("vb", "policy-deny")).toBeGreaterThan(0);
    });

    test("lets ICMP errors about an allowed flow through", async () => {
      await protect(strict);
      // Nobody listens on port 7: b's stack answers "port unreachable", and b itself may send nothing.
      for (const address of addresses) {
        expect([address, await node.python("a", UDP_ERROR, address, "7")]).toEqual([address, "ECONNREFUSED\n"]);
      }
    });

    test("counts a flow's packets as no-route while its route is away, and judges it anew by what has changed meanwhile", async () => {
      const change = (policy: object, addresses: readonly string[]) =>
        node.dp.apply(node.document({ b: { policies: ["numbers"], addresses } }, { policies: [policy] }));
      const rule = { name: "numbers", direction: "ingress", proto: "udp", ports: [5100], from: fromA };
      const open = { name: "numbers", default: "deny", rules: [{ ...rule, action: "allow" }] };
      const closed = { name: "numbers", default: "deny", rules: [] };
      await using recorder = await node.serve("b", UDP_RECORDER, "5100", "20");
      for (const [index, address] of addresses.entries()) {
        const send = (first: number) => node.python("a", UDP_NUMBERS, address, "5100", "6100", String(first), "3");
        const flows = () => [...node.dp.flows.entries({ src: index === 0 ? a.ipv4 : a.ipv6, proto: "udp" })];
        const dropped = (reason: string) => node.dropped("va", reason);
        const before = { route: dropped("no-route"), policy: dropped("policy-deny") };
        const first = 100 * index;
        await change(open, addresses);
        await send(first);
        await recorder.waitForOutput(new RegExp(`got ${first + 2}\n`));
        const [flow] = flows();
        await change(open, []);
        await send(first + 10);
        await waitFor(() => dropped("no-route") - before.route === 3, { what: "three packets without a route" });
        await change(open, addresses);
        await send(first + 20);
        await recorder.waitForOutput(new RegExp(`got ${first + 22}\n`));
        expect(flows().map(({ generation }) => generation)).toEqual([flow?.generation ?? 0]);
        await change(open, []);
        await change(closed, []);
        await change(closed, addresses);
        await send(first + 30);
        await waitFor(() => dropped("policy-deny") - before.policy === 3, { what: "three packets that policy denies" });
        expect(dropped("no-route") - before.route).toBe(3);
      }
      expect(recorder.stdout.match(/\d+/g)?.map(Number)).toEqual([0, 1, 2, 20, 21, 22, 100, 101, 102, 120, 121, 122]);
    });

    test("asks the controller, and up to three packets wait and come in their order", async () => {
      await node.dp.apply(node.document({ b: { policies: [] } }));
      for (const [index, address] of addresses.entries()) {
        const port = String(5000 + index);
        const asked: FlowMiss[] = [];
        using _ = node.dp.onFlowMiss((misses) => {
          asked.push(...misses);
        });
        await using recorder = await node.serve("b", UDP_RECORDER, port, "4");
        const before = node.dropped("va", "hold-limit");
        await node.python("a", UDP_NUMBERS, address, port, "6000", "1", "10");
        await waitFor(() => node.dropped("va", "hold-limit") - before === 7, { what: "seven packets too many" });
        await waitFor(() => asked.length > 0, { what: "a question" });
        expect(asked.map(({ key }) => `${key.proto} ${key.src} ${key.sport} ${key.dst} ${key.dport}`)).toEqual([
          `udp ${index === 0 ? a.ipv4 : a.ipv6} 6000 ${address} ${port}`,
        ]);
        expect(seen([asked[0]?.copy() ?? new Uint8Array(0)], Uint8Array.of(0x31))).toBe(true);
        expect(recorder.stdout).toBe("ready\n");
        asked[0]?.decide({ action: "forward" });
        await recorder.waitForOutput(/got 3\n/);
        await node.python("a", UDP_NUMBERS, address, port, "6000", "11", "5");
        await recorder.waitForOutput(/got 15\n/);
        expect(recorder.stdout.match(/\d+/g)?.map(Number)).toEqual([1, 2, 3, 11, 12, 13, 14, 15]);
        expect(node.dropped("va", "hold-limit") - before).toBe(7);
      }
    });

    test("decides many asked flows in one call", async () => {
      await node.dp.apply(node.document({ b: { policies: [] } }));
      const batches: number[] = [];
      handlers.use(
        node.dp.onFlowMiss((misses) => {
          batches.push(misses.length);
          setTimeout(() => {
            for (const miss of misses) miss.decide({ action: miss.key.sport % 2 === 0 ? "forward" : "drop" });
          }, 20);
        }),
      );
      await using recorder = await node.serve("b", UDP_RECORDER, "5002", "3");
      const program = `
import socket, sys
for i in range(100):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", 10000 + i)); s.sendto(str(i).encode(), ("${b.ipv4}", 5002))
`;
      await node.python("a", program);
      await recorder.waitForOutput(/got 98\n/);
      const numbers = recorder.stdout.match(/\d+/g)?.map(Number) ?? [];
      expect(numbers.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 50 }, (_, i) => 2 * i));
      expect(batches.reduce((sum, size) => sum + size, 0)).toBe(100);
      expect(
        node.dp.flows.get({ vrf: "red", proto: "udp", src: a.ipv4, sport: 10_001, dst: b.ipv4, dport: 5002 }),
      ).toMatchObject({ action: "drop" });
    });

    test("drops, rejects or lets through what the controller says", async () => {
      await node.dp.apply(node.document({ b: { policies: [] } }));
      for (const [action, end] of [
        ["drop", "none\n"],
        ["reject", "ECONNREFUSED\n"],
        ["forward", "connected\n"],
      ] as const) {
        using _ = node.dp.onFlowMiss((misses) => {
          for (const miss of misses) setTimeout(() => miss.decide({ action }), 5);
        });
        for (const address of addresses) {
          const before = node.dropped("va", "policy-deny");
          expect([action, address, await node.python("a", TCP_ERROR, address, "80")]).toEqual([action, address, end]);
          if (action === "drop") expect(node.dropped("va", "policy-deny") - before).toBeGreaterThan(0);
        }
      }
    });

    test("ends as told what the controller does not decide in time, and a verdict after that changes nothing", async () => {
      await node.dp.apply(node.document({ b: { policies: [] } }));
      for (const [otherwise, end] of [
        ["forward", "connected\n"],
        ["drop", "none\n"],
      ] as const) {
        const asked: FlowMiss[] = [];
        using _ = node.dp.onFlowMiss((misses) => void asked.push(...misses), { timeoutMs: 50, otherwise });
        for (const address of addresses) {
          expect([otherwise, address, await node.python("a", TCP_ERROR, address, "80")]).toEqual([
            otherwise,
            address,
            end,
          ]);
        }
        const late = asked.at(-1);
        expect(late?.key.dst).toBe(b.ipv6);
        late?.decide({ action: otherwise === "drop" ? "forward" : "drop" });
        await Bun.sleep(50);
        const flow = late && node.dp.flows.get(late.key);
        if (otherwise === "forward") expect(flow).toMatchObject({ action: "forward" });
        else expect(flow?.action ?? "none").not.toBe("forward");
      }
    });

    test("holds for standing flows too when it changes", async () => {
      const allow = { name: "both", default: "allow", rules: [] as object[] };
      await protect(allow);
      await using listener = await node.serve("b", UDP_RECORDER, "5003", "20");
      const send = (first: number) => node.python("a", UDP_NUMBERS, b.ipv4, "5003", "6003", String(first), "1");
      await send(1);
      await listener.waitForOutput(/got 1\n/);
      const talking = `
import socket, time
s = socket.create_connection(("${b.ipv6}", 80))
print("ready")
while True:
    s.send(b"x"); time.sleep(0.05)
`;
      await using _ = await node.serve("a", talking);
      const deny = (proto: string) => ({ action: "deny", direction: "ingress", proto });
      const before = node.dropped("va", "policy-deny");
      await protect({ ...allow, rules: ["udp", "tcp"].map(deny) });
      await send(2);
      // The datagram, and segments of the connection, of which no further one is acknowledged.
      await waitFor(() => node.dropped("va", "policy-deny") - before >= 3, { what: "counted drops" });
      for (const proto of ["udp", "tcp"]) {
        const [flow] = node.dp.flows.entries({ proto, dst: proto === "udp" ? b.ipv4 : b.ipv6 });
        expect(flow).toMatchObject({ action: "drop", reason: "policy-deny" });
      }
      await protect(allow);
      await send(3);
      await listener.waitForOutput(/got 3\n/);
      expect(listener.stdout).not.toContain("got 2");
    });

    test("hands trapped packets to the controller as they came", async () => {
      await node.dp.apply(node.document());
      const packets: Packet[] = [];
      const take = (packet: Packet) => void packets.push({ ...packet, frame: packet.frame.slice() });
      handlers.use(node.dp.onPacket({ trap: "ttl-expired", interface: "va" }, take));
      handlers.use(node.dp.onPacket("no-route", take, { copyBytes: 34 }));
      const first = await node.lab.ping("a", b.ipv4, { ttl: 1, timeoutMs: 300 });
      // The controller took it, so it is the controller's to answer.
      expect(first.output).not.toContain("From");
      await node.lab.ping("c", b.ipv4, { ttl: 1, timeoutMs: 100 });
      await node.lab.ping("a", "203.0.113.9", { timeoutMs: 300 });
      await waitFor(() => packets.length >= 2);
      expect(packets.map(({ trap, interface: from, vrf, length }) => ({ trap, from, vrf, length }))).toEqual([
        { trap: "ttl-expired", from: "va", vrf: "red", length: 98 },
        { trap: "no-route", from: "va", vrf: "red", length: 98 },
      ]);
      const [expired, unroutable] = packets;
      expect(checksumsAreRight(expired?.frame ?? new Uint8Array(0))).toBe(true);
      expect(expired?.frame[22]).toBe(1);
      expect(unroutable?.frame).toHaveLength(34);
    });

    test("stands in the way of a frame injected as received, and of no other", async () => {
      await protect(strict);
      const frame = (family: 4 | 6, text: string, fields: Partial<PortOptions> = {}) =>
        udp({
          source: family === 4 ? a.ipv4 : a.ipv6,
          destination: family === 4 ? b.ipv4 : b.ipv6,
          from: a.mac,
          to: GATEWAY_MAC,
          sourcePort: 4000,
          destinationPort: 7,
          payload: new TextEncoder().encode(text),
          ...fields,
        });
      using atB = await Capture.start(node.lab, "b", "eth0", "udp");
      const before = node.dropped("va", "policy-deny");
      for (const family of [4, 6] as const) {
        expect(node.dp.inject(frame(family, `allowed-${family}`), { receivedFrom: "va" })).toBe(true);
        node.dp.inject(frame(family, `denied-${family}`, { destinationPort: 8 }), { receivedFrom: "va" });
        node.dp.inject(frame(family, `routed-${family}`, { destinationPort: 8, sourcePort: 4001 }), { route: "red" });
        const asItIs = frame(family, `sent-${family}`, { destinationPort: 8, from: c.mac, to: b.mac });
        node.dp.inject(asItIs, { transmit: "vb" });
      }
      await waitFor(() => node.dropped("va", "policy-deny") - before === 2, { what: "two drops" });
      await atB.stop();
      const fields = ["eth.src", "eth.dst", "ip.ttl", "ipv6.hlim", "udp.dstport", "udp.payload"];
      const got = atB.tshark(
        "-Y",
        "udp && !icmp && !icmpv6",
        "-T",
        "fields",
        ...fields.flatMap((field) => ["-e", field]),
      );
      const rows = got.map((line) => {
        const [from, to, ttl4, ttl6, port, payload] = line.split("\t");
        return { from, to, ttl: `${ttl4}${ttl6}`, port, text: Buffer.from(payload ?? "", "hex").toString() };
      });
      const gateway = { from: GATEWAY_MAC, to: b.mac };
      const expected = [4, 6].flatMap((family) => [
        { ...gateway, ttl: "63", port: "7", text: `allowed-${family}` },
        { ...gateway, ttl: "64", port: "8", text: `routed-${family}` },
        { from: c.mac, to: b.mac, ttl: "64", port: "8", text: `sent-${family}` },
      ]);
      const byText = (x: { text: string }, y: { text: string }) => x.text.localeCompare(y.text);
      expect(rows.sort(byText)).toEqual(expected.sort(byText));
      expect(atB.badChecksums()).toEqual([]);
      const flow = { vrf: "red", proto: "udp", src: a.ipv4, sport: 4000, dst: b.ipv4, dport: 7 };
      expect(node.dp.flows.get(flow)).toMatchObject({ action: "forward", policy: "strict", rule: "closed" });
      expect(() => node.dp.inject(frame(4, "x"), { receivedFrom: "nowhere" })).toThrow(
        'there is no interface "nowhere"',
      );
      expect(() => node.dp.inject(frame(4, "x"), { route: "nowhere" })).toThrow('there is no VRF "nowhere"');
    });
  });
}
