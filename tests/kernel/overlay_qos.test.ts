// SPDX-License-Identifier: Apache-2.0
/** Forwarding classes between nodes, as tshark sees them on the wire, and a rate of the fabric. */
import { describe, expect, test } from "bun:test";
import { type LabNode, nodes, twoNodesTopology } from "../../sdk/lab/index.ts";
import {
  applyBoth,
  type Encapsulation,
  type HookName,
  OverlayNodes,
  otherNode,
  routedDocument,
} from "./overlay_nodes.ts";
import { Capture } from "./pods_capture.ts";

const [a1, b1] = nodes.n1.pods;
const [a2] = nodes.n2.pods;
/** The class, and what it looks like at either end and between. */
const CLASS = 5;
const DSCP = { n1: 46, fabric: 34, n2: 26 } as const;
const EXP = 6;
const ECT = 2;

interface Interface {
  readonly role: string;
}

/** The document of a routed node, with a map for its pods and one for the fabric. */
function marked(overlay: OverlayNodes, node: LabNode, encap: Encapsulation, hook: HookName): object {
  const document = routedDocument(overlay, node, { encap, hook, underlay: 4 }) as { interfaces: Interface[] };
  return {
    ...document,
    interfaces: document.interfaces.map((one) =>
      one.role === "fabric"
        ? { ...one, qos: "core", netns: overlay.lab.path(otherNode(node).name) }
        : { ...one, qos: "edge" },
    ),
    qos: [
      { name: "edge", dscp: { [DSCP[node.name as "n1" | "n2"]]: CLASS } },
      { name: "core", dscp: { [DSCP.fabric]: CLASS }, exp: { [EXP]: CLASS } },
    ],
  };
}

const fields = (...names: readonly string[]) => ["-T", "fields", ...names.flatMap((name) => ["-e", name])];

/* tcpdump sees nothing of what XDP takes or sends: the second node, which it listens on, has its programs on TC. */
describe("a class is kept from pod to pod through a tunnel, and marked anew on each link", () => {
  for (const hook of ["tc", "xdp"] as const) {
    test.each(["vxlan", "mpls-udp", "mpls-gre"] as const)(
      `on the ${hook} hook, %s`,
      async (encap) => {
        await using overlay = await OverlayNodes.start({ name: `qos${hook}${encap}`, topology: twoNodesTopology() });
        await applyBoth(overlay, (_, node) => marked(overlay, node, encap, node === nodes.n1 ? hook : "tc"));
        expect(await overlay.received(a1.name, a2.ipv4)).toBe(3);
        using wire = await Capture.start(overlay.lab, "n2", "f0", "udp or ip proto 47");
        using far = await Capture.start(overlay.lab, a2.name, "eth0", "icmp");
        using near = await Capture.start(overlay.lab, a1.name, "eth0", "icmp");
        const tos = String((DSCP.n1 << 2) | ECT);
        await overlay.run(a1.name, "ping", "-c", "3", "-i", "0.05", "-Q", tos, a2.ipv4);
        for (const capture of [wire, far, near]) await capture.stop();
        for (const capture of [wire, far, near]) expect(capture.badChecksums()).toEqual([]);
        const dscp = (capture: Capture, filter: string) =>
          new Set(capture.tshark("-Y", filter, ...fields("ip.dsfield.dscp", "ip.dsfield.ecn", "mpls.exp")));
        const exp = encap === "vxlan" ? "" : String(EXP);
        // Outer, inner. The pod's answer has the TOS of the question that it got.
        expect(dscp(wire, "icmp.type == 8")).toEqual(new Set([`${DSCP.fabric},${DSCP.n1}\t${ECT},${ECT}\t${exp}`]));
        expect(dscp(wire, "icmp.type == 0")).toEqual(new Set([`${DSCP.fabric},${DSCP.n2}\t${ECT},${ECT}\t${exp}`]));
        expect(dscp(far, "icmp.type == 8")).toEqual(new Set([`${DSCP.n2}\t${ECT}\t`]));
        expect(dscp(near, "icmp.type == 0")).toEqual(new Set([`${DSCP.n1}\t${ECT}\t`]));
      },
      60_000,
    );

    test(`on the ${hook} hook the tag of a VLAN sub-interface has the priority of the class`, async () => {
      await using overlay = await OverlayNodes.start({
        name: `pcp${hook}`,
        topology: twoNodesTopology(),
        nodes: ["n1"],
      });
      await overlay.plane("n1").apply({
        vrfs: [{ name: "red" }],
        qos: [{ name: "voice", dscp: { 46: 5 }, exp: { 5: 5 }, pcp: { 6: 5 } }],
        interfaces: [
          overlay.workload(a1, { hook, qos: "voice" }),
          overlay.workload(b1, { hook, qos: "voice" }),
          {
            name: "va1.10",
            role: "workload",
            vrf: "red",
            parent: a1.device,
            vlan: 10,
            mac: "02:00:00:00:01:10",
            addresses: ["10.99.0.1"],
            qos: "voice",
          },
        ],
      });
      using capture = await Capture.start(overlay.lab, a1.name, "eth0", "vlan 10");
      for (const tos of ["0xb8", "0x28"])
        await overlay.lab.exec(b1.name, ["ping", "-c", "2", "-i", "0.05", "-W", "0.2", "-Q", tos, "10.99.0.1"]);
      await capture.stop();
      expect(capture.badChecksums()).toEqual([]);
      const tags = new Set(capture.tshark("-Y", "icmp", ...fields("vlan.id", "vlan.priority", "ip.dsfield.dscp")));
      expect(tags).toEqual(new Set(["10\t6\t46", "10\t0\t10"]));
    }, 60_000);
  }
});

test("segments in a tunnel cost the fabric's rate the headers of each", async () => {
  const RATE = 20_000_000;
  await using overlay = await OverlayNodes.start({ name: "qosrate", topology: twoNodesTopology() });
  await applyBoth(overlay, (_, node) => {
    const document = routedDocument(overlay, node, { encap: "vxlan", hook: "tc", underlay: 4 }) as {
      interfaces: Interface[];
    };
    const police = { egress: { bitsPerSecond: RATE, burstBytes: RATE / 8 / 10 } };
    const interfaces = document.interfaces.map((one) => (one.role === "fabric" ? { ...one, police } : one));
    return { ...document, interfaces };
  });
  await using server = overlay.lab.spawn(a2.name, ["iperf3", "-s", "-1", "--forceflush", "-B", a2.ipv4]);
  await server.waitForOutput(/listening/);
  // See dataplane_police.test.ts.
  const argv = ["iperf3", "-c", a2.ipv4, "-O", "2", "-t", "4", "-J", "--fq-rate", String(1.2 * RATE)];
  const { end } = JSON.parse(await overlay.run(a1.name, ...argv)) as {
    end: { sum_received: { bytes: number; seconds: number } };
  };
  const { bytes, seconds } = end.sum_received;
  // 1448 bytes in TCP, IPv4, Ethernet, VXLAN, UDP, IPv4, Ethernet.
  const share = (bytes * (1514 + 50) * 8) / 1448 / (seconds * RATE);
  expect(Math.abs(share - 1)).toBeLessThan(0.05);
  expect(overlay.plane("n1").tables.interfaces.get("f0")?.status["police"]).toHaveProperty("egress");
}, 60_000);
