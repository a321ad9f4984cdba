// SPDX-License-Identifier: Apache-2.0
/** The kernel's own vxlan device as the far node. */
import { describe, expect, test } from "bun:test";
import { mixedVxlanTopology, nodes, ROUTED_VNI, routedHost, waitFor } from "../../sdk/lab/index.ts";
import { type HookName, OverlayNodes } from "./overlay_nodes.ts";
import { tcpEcho } from "./tcp_echo.ts";

const [a1] = nodes.n1.pods;

async function start(name: string, hook: HookName, underlay: 4 | 6, more: object = {}): Promise<OverlayNodes> {
  const overlay = await OverlayNodes.start({ name, topology: mixedVxlanTopology({ underlay }), nodes: ["n1"] });
  const of = (node: { underlay4: string; underlay6: string }) => (underlay === 4 ? node.underlay4 : node.underlay6);
  await overlay.plane("n1").apply({
    node: { underlay: of(nodes.n1) },
    vrfs: [{ name: "red" }],
    interfaces: [
      ...nodes.n1.pods.map((pod) => overlay.workload(pod, { hook })),
      { name: "f0", role: "fabric", hook, netns: overlay.lab.path("n2") },
    ],
    nexthops: [{ name: "host", type: "tunnel", encap: "vxlan", remote: of(nodes.n2), routerMac: routedHost.mac }],
    routes: [`${routedHost.ipv4}/32`, `${routedHost.ipv6}/128`].map((prefix) => ({
      vrf: "red",
      prefix,
      via: "host",
      vni: ROUTED_VNI,
    })),
    vnis: [{ vni: ROUTED_VNI, vrf: "red" }],
    ...more,
  });
  await waitFor(() => overlay.plane("n1").tables.nexthops.get("host")?.status["resolved"] === true, {
    what: "the far node",
  });
  return overlay;
}

describe("pods and a host behind the kernel's vxlan device reach each other, routed", () => {
  const cases: [HookName, 4 | 6][] = [
    ["tc", 4],
    ["tc", 6],
    ["xdp", 4],
    ["xdp", 6],
  ];
  for (const [hook, underlay] of cases) {
    test(`on the ${hook} hook over IPv${underlay}`, async () => {
      await using overlay = await start(`vx${hook}${underlay}`, hook, underlay);
      for (const [from, to] of [
        [a1.name, routedHost.ipv4],
        [a1.name, routedHost.ipv6],
        ["n2", a1.ipv4],
        ["n2", a1.ipv6],
      ] as const) {
        // Its bridge sends to its other segment, which is not in the state.
        expect([from, to, await overlay.received(from, to), overlay.losses("unknown-vni")]).toEqual([from, to, 3, {}]);
      }
      // Segments as large as the pod's MTU allows, both ways, checksums and all.
      const ends = { client: a1.name, server: "n2", address: routedHost.ipv4 };
      expect(await tcpEcho(overlay.lab, ends)).toBe("same");
    }, 60_000);
  }
});
