// SPDX-License-Identifier: Apache-2.0
/** What the overlay adds to interfaces: VLAN sub-interfaces, reverse-path checks, foreign tunnels. */
import { describe, expect, test } from "bun:test";
import { nodes, twoNodesTopology, waitFor } from "../../sdk/lab/index.ts";
import { applyBoth, OverlayNodes, routedDocument } from "./overlay_nodes.ts";
import { taggedPing } from "./tagged_ping.ts";

const [a1, b1] = nodes.n1.pods;
const [a2] = nodes.n2.pods;
const vxlan = { encap: "vxlan", hook: "tc", underlay: 4 } as const;

async function routed(name: string, change: (document: Record<string, object[]>) => object): Promise<OverlayNodes> {
  const overlay = await OverlayNodes.start({ name, topology: twoNodesTopology() });
  await applyBoth(overlay, (_, node) => {
    const document = routedDocument(overlay, node, vxlan) as Record<string, object[]>;
    return node === nodes.n1 ? change(document) : document;
  });
  await waitFor(() => overlay.plane("n1").tables.nexthops.get("to-n2")?.status["resolved"] === true, { what: "n2" });
  return overlay;
}

describe("VLAN sub-interfaces", () => {
  for (const hook of ["tc", "xdp"] as const) {
    test(`are in VRFs of their own on the ${hook} hook, one of them across a tunnel`, async () => {
      await using overlay = await OverlayNodes.start({ name: `vlan${hook}`, topology: twoNodesTopology() });
      await applyBoth(overlay, (_, node) => {
        const document = routedDocument(overlay, node, { ...vxlan, hook }) as Record<string, object[]>;
        const vrfs = [...(document["vrfs"] ?? []), { name: "blue" }];
        const vnis = [...(document["vnis"] ?? []), { vni: 78, vrf: "blue" }];
        if (node !== nodes.n1) {
          // Pod a of the far node is in blue too, by another address.
          const interfaces = (document["interfaces"] ?? []).map((one) =>
            "name" in one && one.name === "va2" ? { ...one, vrf: "blue", addresses: ["10.88.0.2"] } : one,
          );
          const routes = [{ vrf: "blue", prefix: "10.99.0.1/32", via: "to-n1", vni: 78 }];
          return { ...document, vrfs, vnis, interfaces, routes };
        }
        const sub = { role: "workload", parent: "va1", mac: a1.mac, addresses: ["10.99.0.1"] };
        return {
          ...document,
          vrfs: [...vrfs, { name: "green" }],
          vnis,
          interfaces: [
            { ...sub, name: "va1.10", vlan: 10, vrf: "blue" },
            { ...sub, name: "va1.20", vlan: 20, vrf: "green" },
            ...(document["interfaces"] ?? []),
          ],
          routes: [{ vrf: "blue", prefix: "10.88.0.0/16", via: "to-n2", vni: 78 }],
        };
      });
      await waitFor(() => overlay.plane("n2").tables.nexthops.get("to-n1")?.status["resolved"] === true, {
        what: "n1",
      });
      await overlay.run("a2", "ip", "address", "add", "10.88.0.2/32", "dev", "eth0");
      const ping = (vlan: number) =>
        taggedPing(overlay.lab, { namespace: "a1", vlan, mac: a1.mac, source: "10.99.0.1", destination: "10.88.0.2" });
      expect([await ping(10), overlay.losses()]).toEqual([3, {}]);
      expect(await ping(20)).toBe(0);
      expect(overlay.drops()["n1 va1.20 no-route"]).toBe(3);
      // The parent itself, untagged, is where it was.
      expect(await overlay.received("a1", b1.ipv4)).toBe(3);

      const plane = overlay.plane("n1");
      await plane.transaction().delete("interfaces", "va1.10").commit();
      expect(await ping(10)).toBe(0);
      expect(await overlay.received("a1", b1.ipv4)).toBe(3);
      expect(plane.transaction().delete("interfaces", "va1").commit()).rejects.toMatchObject({ code: "EREFERENCED" });
    }, 60_000);
  }
});

test("a source that leads back elsewhere is dropped where the reverse path is checked", async () => {
  const rpf = (document: Record<string, object[]>, mode: string) => ({
    ...document,
    interfaces: (document["interfaces"] ?? []).map((one) =>
      "name" in one && one.name === "va1" ? { ...one, sourceCheck: false, rpf: mode } : one,
    ),
  });
  await using overlay = await routed("rpf", (document) => rpf(document, "strict"));
  const strange = async (source: string) => {
    const before = overlay.drops()["n1 va1 rpf"] ?? 0;
    await overlay.run("a1", "ip", "address", "add", `${source}/32`, "dev", "eth0");
    await overlay.lab.exec("a1", ["ping", "-c", "2", "-i", "0.05", "-W", "0.2", "-I", source, a2.ipv4]);
    await overlay.run("a1", "ip", "address", "del", `${source}/32`, "dev", "eth0");
    return (overlay.drops()["n1 va1 rpf"] ?? 0) - before;
  };
  expect(await overlay.received("a1", a2.ipv4)).toBe(3);
  expect(await strange(b1.ipv4)).toBe(2);
  expect(await strange("203.0.113.9")).toBe(2);

  const document = routedDocument(overlay, nodes.n1, vxlan) as Record<string, object[]>;
  await overlay.plane("n1").apply(rpf(document, "loose"));
  expect(await strange(b1.ipv4)).toBe(0);
  expect(await strange("203.0.113.9")).toBe(2);
  await overlay.plane("n1").apply(rpf(document, "off"));
  expect(await strange("203.0.113.9")).toBe(0);
}, 60_000);

test("a tunnel that is not Weir's goes to the host's stack, or is dropped where the node says so", async () => {
  await using overlay = await OverlayNodes.start({ name: "foreign", topology: twoNodesTopology(), nodes: ["n1"] });
  const state = (foreignTunnels: string) => ({
    node: { underlay: nodes.n1.underlay4, foreignTunnels },
    vrfs: [{ name: "red" }],
    interfaces: [overlay.workload(a1), { name: "f0", role: "fabric" }],
    vnis: [{ vni: 77, vrf: "red" }],
  });
  // The kernel's own tunnels, of another segment, between the hosts.
  for (const [node, far, address] of [
    [nodes.n1, nodes.n2, "172.16.0.1"],
    [nodes.n2, nodes.n1, "172.16.0.2"],
  ] as const) {
    const link = `ip link add vx9 type vxlan id 9 dstport 4789 local ${node.underlay4} remote ${far.underlay4} dev f0`;
    await overlay.run(node.name, ...link.split(" "));
    await overlay.run(node.name, "ip", "address", "add", `${address}/24`, "dev", "vx9");
    await overlay.run(node.name, "ip", "link", "set", "vx9", "up");
  }
  await overlay.plane("n1").apply(state("pass"));
  expect(await overlay.received("n2", "172.16.0.1")).toBe(3);
  await overlay.plane("n1").apply(state("drop"));
  expect(await overlay.received("n2", "172.16.0.1")).toBe(0);
  expect(overlay.drops()["n1 f0 unknown-tunnel"]).toBeGreaterThan(0);
}, 60_000);
