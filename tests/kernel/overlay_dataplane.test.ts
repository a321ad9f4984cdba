// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { nodes, twoNodesTopology, waitFor } from "../../sdk/lab/index.ts";
import { applyBoth, type Encapsulation, type HookName, OverlayNodes, routedDocument } from "./overlay_nodes.ts";

const [a1, b1] = nodes.n1.pods;
const [a2, b2] = nodes.n2.pods;

/** Waits until both tunnels have a path. */
async function resolved(overlay: OverlayNodes): Promise<void> {
  await waitFor(
    () =>
      overlay.plane("n1").tables.nexthops.get("to-n2")?.status["resolved"] === true &&
      overlay.plane("n2").tables.nexthops.get("to-n1")?.status["resolved"] === true,
    { what: "the fabric's neighbours" },
  );
}

async function routed(encap: Encapsulation, hook: HookName, underlay: 4 | 6, fields: object = {}): Promise<void> {
  const name = `${encap.replace("mpls-", "")}${hook}${underlay}${Object.keys(fields).length}`;
  await using overlay = await OverlayNodes.start({ name, topology: twoNodesTopology() });
  const policies = [
    {
      name: "web",
      default: { ingress: "deny", egress: "allow" },
      rules: ["icmp", "icmpv6"].map((proto) => ({ action: "allow", direction: "ingress", proto })),
    },
  ];
  await applyBoth(overlay, (_, node) => ({
    ...routedDocument(overlay, node, { encap, hook, underlay, fields }),
    policies,
  }));
  await resolved(overlay);
  for (const [from, to] of [
    [a1, a2],
    [b2, b1],
    [a2, b1],
  ] as const) {
    expect([to.ipv4, await overlay.received(from.name, to.ipv4), overlay.losses()]).toEqual([to.ipv4, 3, {}]);
    expect([to.ipv6, await overlay.received(from.name, to.ipv6), overlay.losses()]).toEqual([to.ipv6, 3, {}]);
  }
  const { counters, paths, mtu } = overlay.plane("n1").tables.nexthops.get("to-n2")?.status ?? {};
  expect(paths).toEqual([{ interface: "f0", mac: nodes.n2.fabricMac }]);
  expect(mtu).toBeGreaterThanOrEqual(1500);
  const { txPackets, rxPackets } = counters as Record<string, number>;
  expect(txPackets).toBeGreaterThanOrEqual(18);
  expect(rxPackets).toBeGreaterThanOrEqual(18);
}

describe("pods of two nodes reach each other, routed", () => {
  const cases: [Encapsulation, HookName, 4 | 6][] = [
    ["vxlan", "tc", 4],
    ["vxlan", "xdp", 6],
    ["mpls-udp", "tc", 6],
    ["mpls-udp", "xdp", 4],
    ["mpls-gre", "tc", 4],
    ["mpls-gre", "xdp", 6],
  ];
  for (const [encap, hook, underlay] of cases) {
    test(`by ${encap} on the ${hook} hook over IPv${underlay}`, () => routed(encap, hook, underlay), 60_000);
  }
  test("by vxlan with policy on both sides", () => routed("vxlan", "tc", 4, { policies: ["web"] }), 60_000);
});
