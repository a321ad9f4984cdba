// SPDX-License-Identifier: Apache-2.0
/** Copies for a capture pod on the same node: of an interface's packets, of a rule's and of a flow's. */
import { describe, expect, test } from "bun:test";
import type { FlowMiss } from "../../sdk/index.ts";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";
import { Capture } from "./pods_capture.ts";
import { TCP_ECHO_FILTER, tcpEcho } from "./tcp_echo.ts";

const { a, b } = pods;
const tap = { name: "tap", via: "vc" };

/** `reply 10.97.0.2 > 10.97.0.1` for each echo that a capture has, in order. */
function echoes(capture: Capture): string[] {
  const fields = ["icmp.type", "ip.src", "ip.dst"].flatMap((name) => ["-e", name]);
  return capture.tshark("-Y", "icmp", "-T", "fields", ...fields).map((line) => {
    const [type, source, destination] = line.split("\t");
    return `${type === "8" ? "request" : "reply"} ${source} > ${destination}`;
  });
}

const request = `request ${a.ipv4} > ${b.ipv4}`;
const reply = `reply ${b.ipv4} > ${a.ipv4}`;
const both = [request, reply, request, reply, request, reply];

/** What the capture pod sees of what `act` does: `expected` frames, and all that come at once with them. */
async function captured(
  node: DataPlaneNode,
  act: () => Promise<void>,
  { expected = both.length, filter = "icmp" } = {},
): Promise<Capture> {
  const capture = await Capture.start(node.lab, "c", "eth0", filter);
  await act();
  await waitFor(() => capture.frames().length >= expected, { timeoutMs: 2000 }).catch(() => {});
  await capture.stop();
  return capture;
}

const ping = (node: DataPlaneNode) => async () => {
  expect(await node.received("a", b.ipv4)).toBe(3);
};

const counters = (node: DataPlaneNode) =>
  node.dp.tables.mirrors.get("tap")?.status["counters"] as { packets: number; bytes: number; drops: number };

for (const hook of ["tc", "xdp"] as const) {
  describe(`mirrors on the ${hook} hook`, () => {
    test.each([
      ["both", both],
      ["egress", [request, request, request]],
      ["ingress", [reply, reply, reply]],
    ])("copy what an interface's workload sends and gets: %s", async (direction, expected) => {
      await using node = await DataPlaneNode.start({ name: `mi-${hook}-${direction}`, hook });
      const mirrors = [{ ...tap, source: { interface: "va", direction } }];
      await node.dp.apply(node.document({}, { mirrors }));
      using capture = await captured(node, ping(node), { expected: expected.length });
      expect(echoes(capture)).toEqual(expected);
      expect(capture.badChecksums()).toEqual([]);
      expect(counters(node)).toMatchObject({ drops: 0 });
      expect(counters(node).packets).toBeGreaterThanOrEqual(expected.length);
      expect(node.drops("va")["mirror"]).toBeUndefined();
    });

    test("copy as the workload sent it and as it gets it", async () => {
      await using node = await DataPlaneNode.start({ name: `mb-${hook}`, hook });
      await node.dp.apply(node.document({ a: { mirror: "tap" } }, { mirrors: [tap] }));
      using seen = await Capture.start(node.lab, "a", "eth0", "icmp");
      using capture = await captured(node, ping(node));
      await seen.stop();
      const hex = (frames: Uint8Array[]) => frames.map((frame) => frame.toHex()).sort();
      expect(hex(capture.frames())).toEqual(hex(seen.frames()));
    });

    test("copy each packet of a rule's flows once, the first one too", async () => {
      await using node = await DataPlaneNode.start({ name: `mr-${hook}`, hook });
      const rules = [
        { action: "allow", direction: "ingress", proto: "icmp", mirror: "tap" },
        { action: "deny", direction: "ingress", proto: "udp", mirror: "tap" },
        { action: "reject", direction: "ingress", proto: "tcp", mirror: "tap" },
      ];
      const policies = [{ name: "p", default: { ingress: "allow", egress: "allow" }, rules }];
      await node.dp.apply(node.document({ b: { policies: ["p"] } }, { policies, mirrors: [tap] }));
      using capture = await captured(node, ping(node));
      expect(echoes(capture)).toEqual(both);
      expect([...node.dp.flows.entries({ proto: "icmp" })].map(({ mirror }) => mirror)).toEqual(["tap", "tap"]);
      const send = (text: string) => node.lab.exec("a", ["python3", "-c", text]);
      using refused = await captured(
        node,
        async () => {
          const udp = `import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 4000))`;
          await send(`${udp}; [s.sendto(b"x" * 40, ("${b.ipv4}", 4001)) for _ in range(3)]`);
          await send(`import socket; s = socket.socket(); s.settimeout(1); s.connect_ex(("${b.ipv4}", 4002))`);
        },
        { expected: 4, filter: "udp port 4001 or tcp port 4002" },
      );
      const lines = refused.tshark("-T", "fields", "-e", "udp.dstport", "-e", "tcp.flags.syn");
      expect(lines.filter((line) => line.startsWith("4001")).length).toBe(3);
      expect(lines.filter((line) => line.trim() === "True" || line.trim() === "1").length).toBe(1);
      expect(node.drops("va")["policy-deny"]).toBe(4);
    });

    test("copy a flow that the controller set or decided, and no other", async () => {
      await using node = await DataPlaneNode.start({ name: `mf-${hook}`, hook });
      await node.dp.apply(node.document({ b: { policies: [] } }, { mirrors: [tap] }));
      const asked: FlowMiss[] = [];
      using _ = node.dp.onFlowMiss((misses) => {
        for (const miss of misses) {
          asked.push(miss);
          miss.decide({ action: "forward", ...(miss.key.proto === "icmp" ? { mirror: "tap" } : {}) });
        }
      });
      using capture = await captured(node, ping(node));
      expect(echoes(capture)).toEqual(both);
      expect(asked.length).toBe(1);
      node.dp.flows.delete({});
      const key = { vrf: "red", proto: "icmp", src: a.ipv4, sport: 77, dst: b.ipv4, dport: 77 };
      const setting = { ...key, action: "forward", interface: "va", mirror: "tap" } as const;
      expect(node.dp.flows.set([setting])).toEqual(["ok"]);
      expect(node.dp.flows.get(key)).toMatchObject({ mirror: "tap" });
      expect(() => node.dp.flows.set([{ ...setting, mirror: "gone" }])).toThrow('there is no mirror "gone"');
      // A mirror that goes takes no copies with it, and the flows that name it are decided again.
      await node.dp.apply(node.document({ b: { policies: [] } }));
      expect([...node.dp.flows.entries()]).toEqual([]);
    });

    test("copy streams of large segments without harm to them, cut to size", async () => {
      await using node = await DataPlaneNode.start({ name: `ms-${hook}`, hook });
      const mirrors = [{ ...tap, source: { interface: "va" }, truncateBytes: 100 }];
      await node.dp.apply(node.document({}, { mirrors }));
      using capture = await captured(
        node,
        async () => {
          expect(await tcpEcho(node.lab, { client: "a", server: "b", address: b.ipv4 })).toBe("same");
        },
        { expected: 50, filter: TCP_ECHO_FILTER },
      );
      const frames = capture.frames();
      expect(frames.length).toBeGreaterThanOrEqual(50);
      expect(Math.max(...frames.map(({ byteLength }) => byteLength))).toBe(100);
    });

    test("go on without a controller, and are taken over by the next", async () => {
      await using node = await DataPlaneNode.start({ name: `mh-${hook}`, hook });
      const document = (mirror: object) => node.document({}, { mirrors: [{ ...tap, ...mirror }] });
      await node.dp.apply(document({ source: { interface: "va" } }));
      await node.close();
      using capture = await captured(node, ping(node));
      expect(echoes(capture)).toEqual(both);
      await node.open();
      const before = counters(node).packets;
      expect(before).toBeGreaterThanOrEqual(both.length);
      using again = await captured(node, ping(node));
      expect(echoes(again)).toEqual(both);
      await node.dp.apply(document({}));
      using none = await captured(node, ping(node), { expected: 0 });
      expect(echoes(none)).toEqual([]);
    });
  });
}

test("a copy that cannot be made is counted at the mirror and at the interface, and the packet goes its way", async () => {
  await using node = await DataPlaneNode.start({ name: "mirror-lost" });
  await node.dp.apply(node.document({}, { mirrors: [{ ...tap, source: { interface: "va", direction: "egress" } }] }));
  await node.lab.exec("node", ["ip", "link", "set", "vc", "mtu", "1000"]);
  const large = () => node.lab.ping("a", b.ipv4, { count: 2, intervalMs: 20, timeoutMs: 500, sizeBytes: 1200 });
  await waitFor(() => node.dp.tables.interfaces.get("vc")?.status["mtu"] === 1000);
  expect((await large()).received).toBe(2);
  expect(counters(node).drops).toBe(2);
  expect(node.drops("va")["mirror"]).toBe(2);
});
