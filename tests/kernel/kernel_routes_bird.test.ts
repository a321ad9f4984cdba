// SPDX-License-Identifier: Apache-2.0
// Runs alone: how soon routes go is measured.
import { expect, test } from "bun:test";
import { type LabNode, nodes, twoNodesTopology, waitFor } from "../../sdk/lab/index.ts";
import { Bird } from "./bird.ts";
import { applyBoth, type NodeName, OverlayNodes, otherNode, VNI } from "./overlay_nodes.ts";

const TABLE = 100;
const { n1, n2 } = nodes;
const [a2, b2] = n2.pods;

/** No routes, and no next hops: the nodes know nothing of each other but by BGP. */
function document(overlay: OverlayNodes, node: LabNode): object {
  return {
    node: { underlay: node.underlay4 },
    vrfs: [{ name: "red", kernelRoutes: { table: TABLE, encap: "vxlan", vni: VNI, export: true } }],
    interfaces: [...node.pods.map((pod) => overlay.workload(pod)), { name: "f0", role: "fabric" }],
    vnis: [{ vni: VNI, vrf: "red" }],
  };
}

test("two nodes that speak BGP reach each other's workloads over tunnels, and no more within a second of a withdrawal", async () => {
  await using overlay = await OverlayNodes.start({ name: "bird", topology: twoNodesTopology() });
  await applyBoth(overlay, document);
  const start = (node: LabNode) => Bird.start({ lab: overlay.lab, node, neighbour: otherNode(node), table: TABLE });
  await using bird1 = start(n1);
  await using bird2 = start(n2);
  const dp = overlay.plane("n1");
  const follows = (name: NodeName, count: number) => {
    const status = overlay.plane(name).tables.vrfs.get("red")?.status["kernelRoutes"];
    const { mirrored, pending } = status as { mirrored: number; pending: number };
    return mirrored === count && pending === 0;
  };
  for (const name of ["n1", "n2"] as const) {
    await waitFor(() => follows(name, 4), { what: `the other node's prefixes on ${name}`, timeoutMs: 30_000 });
  }
  expect(dp.tables.routes.get({ vrf: "red", prefix: `${a2.ipv4}/32` })).toMatchObject({
    via: `kernel:vxlan:${n2.underlay4}`,
    vni: VNI,
    owner: "kernel",
  });
  expect(dp.tables.routes.get({ vrf: "red", prefix: `${a2.ipv6}/128` })?.via).toBe(`kernel:vxlan:${n2.underlay6}`);
  const sent = (remote: string) => {
    const tunnel = dp.tables.nexthops.get(`kernel:vxlan:${remote}`);
    return (tunnel?.status["counters"] as { txPackets: number } | undefined)?.txPackets ?? 0;
  };
  for (const to of [a2.ipv4, a2.ipv6, b2.ipv4, b2.ipv6]) {
    await waitFor(async () => (await overlay.received("a1", to, 1)) === 1, { what: `an answer of ${to}` });
    expect([to, await overlay.received("b1", to)]).toEqual([to, 3]);
  }
  expect([sent(n2.underlay4) >= 8, sent(n2.underlay6) >= 8]).toEqual([true, true]);

  // A workload goes: Weir, BIRD, BIRD, Weir.
  await overlay.plane("n2").transaction().delete("interfaces", b2.device).commit();
  const gone = (prefix: string) => dp.tables.routes.get({ vrf: "red", prefix }) === undefined;
  await waitFor(() => gone(`${b2.ipv4}/32`) && gone(`${b2.ipv6}/128`), { what: "the prefix of the pod that went" });
  expect(await overlay.received("a1", b2.ipv4, 1)).toBe(0);
  expect(await overlay.received("a1", a2.ipv4)).toBe(3);

  // The session ends: from what the kernel tells of BIRD's withdrawal to the last packet that gets through.
  using netlink = overlay.lab.netlink("n1");
  let withdrawn = 0;
  using _ = netlink.watch(["route"], (event) => {
    const isIt = event.kind === "route" && event.change === "delete" && event.route.destination === `${a2.ipv4}/32`;
    if (isIt && event.route.table === TABLE) withdrawn = performance.now();
  });
  await bird1.command("disable", "bgp4");
  await waitFor(() => withdrawn > 0, { what: "BIRD to withdraw the route" });
  await waitFor(() => gone(`${a2.ipv4}/32`), { what: "Weir to follow" });
  expect(performance.now() - withdrawn).toBeLessThan(1000);
  expect(await overlay.received("a1", a2.ipv4, 1)).toBe(0);
  expect(performance.now() - withdrawn).toBeLessThan(2000);
  expect(await overlay.received("a1", a2.ipv6)).toBe(3);

  await bird1.command("enable", "bgp4");
  await waitFor(async () => (await overlay.received("a1", a2.ipv4, 1)) === 1, {
    what: "the way back",
    timeoutMs: 30_000,
  });
  await bird2.stop();
  await waitFor(() => follows("n2", 0), { what: "the routes of a BIRD that ended to go" });
}, 120_000);
