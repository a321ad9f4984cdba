// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { nodes, twoNodesTopology, waitFor } from "../../sdk/lab/index.ts";
import { routeProtocols } from "../../sdk/netlink/index.ts";
import { type Choices, document, inTable, learn, mirrored, settled, status, TABLE } from "./kernel_routes_support.ts";
import { applyBoth, OverlayNodes, otherNode } from "./overlay_nodes.ts";
import { patience } from "./patience.ts";

const { n1, n2 } = nodes;
const [a1] = n1.pods;
const [a2, b2] = n2.pods;

describe("a kernel table that a VRF follows", () => {
  for (const [encap, tag] of [
    ["vxlan", { vni: 77 }],
    ["mpls-udp", { label: 100 }],
  ] as const) {
    test(
      `leads into ${encap} tunnels to the routes' gateways, in both families, and back out of them`,
      async () => {
        await using overlay = await OverlayNodes.start({ name: `kr${encap}`, topology: twoNodesTopology() });
        await applyBoth(overlay, (it, node) => document(it, node, { encap, tag }));
        const revision = overlay.plane("n1").revision;
        for (const node of [n1, n2]) {
          using netlink = overlay.lab.netlink(node.name);
          learn(netlink, otherNode(node));
        }
        for (const name of ["n1", "n2"] as const) await settled(overlay.plane(name), 4);
        const dp = overlay.plane("n1");
        expect(dp.tables.routes.get({ vrf: "red", prefix: `${a2.ipv4}/32` })).toMatchObject({
          via: `kernel:${encap}:${n2.underlay4}`,
          owner: "kernel",
          preference: 100,
          ...tag,
        });
        await waitFor(() => dp.tables.nexthops.get(`kernel:${encap}:${n2.underlay6}`)?.status["resolved"] === true, {
          what: "the tunnel's path",
        });
        for (const to of [a2.ipv4, a2.ipv6, b2.ipv4]) expect([to, await overlay.received("a1", to)]).toEqual([to, 3]);
        // Nobody wrote a change of the state.
        expect(dp.revision).toBe(revision);

        using netlink = overlay.lab.netlink("n1");
        netlink.deleteRoute({ destination: `${a2.ipv4}/32`, table: TABLE });
        await settled(dp, 3);
        expect(await overlay.received("a1", a2.ipv4, 1)).toBe(0);
        expect(await overlay.received("a1", b2.ipv4, 1)).toBe(1);
      },
      patience(30_000),
    );
  }

  test(
    "has the prefixes of the VRF's workloads while their devices are up, and no more after export, VRF or instance end",
    async () => {
      await using overlay = await OverlayNodes.start({ name: "krexport", topology: twoNodesTopology(), nodes: ["n1"] });
      const dp = overlay.plane("n1");
      using netlink = overlay.lab.netlink("n1");
      const own = n1.pods.flatMap(({ ipv4, ipv6 }) => [`${ipv4}/32`, `${ipv6}/128`]).sort();
      const of = (pod: (typeof n1.pods)[number]) => [`${pod.ipv4}/32`, `${pod.ipv6}/128`].sort();
      const apply = (o: Choices, more: object = {}) =>
        dp.apply({ ...document(overlay, n1, { encap: "vxlan", tag: { vni: 77 }, ...o }), ...more });
      await apply({}, { routes: [{ vrf: "red", prefix: "10.50.0.0/16", via: a1.device }] });
      expect(inTable(netlink, routeProtocols.weir)).toEqual([...own, "10.50.0.0/16"].sort());
      expect(netlink.routes({ table: TABLE })[0]).toMatchObject({ nextHops: [{ gateway: undefined }] });
      // What Weir put there is no route that it learned.
      expect(status(dp)).toMatchObject({ routes: 0, mirrored: 0, exported: 5 });
      await apply({});
      expect(inTable(netlink, routeProtocols.weir)).toEqual(own);

      netlink.setLink(n1.pods[1].device, { up: false });
      await waitFor(() => status(dp)?.exported === 2, { what: "the routes of a device that is down to go" });
      expect(inTable(netlink, routeProtocols.weir)).toEqual(of(a1));
      netlink.setLink(n1.pods[1].device, { up: true });
      await waitFor(() => Bun.deepEquals(inTable(netlink, routeProtocols.weir), own), {
        what: "the routes to come back",
      });
      // Somebody else took one away.
      netlink.deleteRoute({ destination: `${a1.ipv4}/32`, table: TABLE });
      await waitFor(() => Bun.deepEquals(inTable(netlink, routeProtocols.weir), own), {
        what: "the route to come back",
      });

      await overlay.close("n1");
      expect(inTable(netlink, routeProtocols.weir)).toEqual(own);
      const again = await overlay.open("n1");
      expect(inTable(netlink, routeProtocols.weir)).toEqual(own);
      await again.apply(document(overlay, n1, { encap: "vxlan", tag: { vni: 77 }, export: false }));
      expect(inTable(netlink, routeProtocols.weir)).toEqual([]);
      await again.apply(document(overlay, n1, { encap: "vxlan", tag: { vni: 77 } }));
      expect(inTable(netlink, routeProtocols.weir)).toEqual(own);
      // What goes with the process is in no store.
      await again
        .transaction({ owner: "other", durable: false })
        .put("vrfs", { name: "blue", kernelRoutes: { table: TABLE + 1, export: true } })
        .put("routes", { vrf: "blue", prefix: "10.51.0.0/16", via: a1.device })
        .commit();
      expect(netlink.routes({ table: TABLE + 1 }).map(({ destination }) => destination)).toEqual(["10.51.0.0/16"]);
      await again.destroy();
      expect(netlink.routes({ table: TABLE })).toEqual([]);
      expect(netlink.routes({ table: TABLE + 1 })).toEqual([]);
    },
    patience(30_000),
  );

  test(
    "goes on leading packets while no controller runs, and is taken over by the next one without a lost packet",
    async () => {
      await using overlay = await OverlayNodes.start({ name: "krresume", topology: twoNodesTopology() });
      await applyBoth(overlay, (it, node) => document(it, node, { encap: "vxlan", tag: { vni: 77 } }));
      for (const node of [n1, n2]) {
        using netlink = overlay.lab.netlink(node.name);
        learn(netlink, otherNode(node));
      }
      for (const name of ["n1", "n2"] as const) await settled(overlay.plane(name), 4);
      await waitFor(async () => (await overlay.received("a1", a2.ipv4, 1)) === 1, {
        what: "the way to the other node",
      });
      const pings = overlay.lab.ping("a1", a2.ipv4, { count: 150, intervalMs: 20, timeoutMs: 700 });
      await overlay.close("n1");
      using netlink = overlay.lab.netlink("n1");
      // While nobody looks.
      netlink.deleteRoute({ destination: `${b2.ipv4}/32`, table: TABLE });
      const dp = await overlay.open("n1");
      expect(mirrored(dp)).toBe(3);
      expect(dp.tables.routes.get({ vrf: "red", prefix: `${b2.ipv4}/32` })).toBeUndefined();
      expect((await pings).received).toBe(150);
    },
    patience(30_000),
  );
});
