// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DataPlane } from "../../sdk/index.ts";
import { nodes, twoNodesTopology, waitFor } from "../../sdk/lab/index.ts";
import { type Netlink, routeProtocols } from "../../sdk/netlink/index.ts";
import { document, learn, settled, status, TABLE } from "./kernel_routes_support.ts";
import { OverlayNodes } from "./overlay_nodes.ts";
import { patience } from "./patience.ts";

const { n1, n2 } = nodes;
const [a1] = n1.pods;
const [a2] = n2.pods;

describe("mirrored routes", () => {
  let overlay: OverlayNodes;
  let dp: DataPlane;
  let netlink: Netlink;

  beforeAll(async () => {
    overlay = await OverlayNodes.start({ name: "krone", topology: twoNodesTopology(), nodes: ["n1"] });
    dp = overlay.plane("n1");
    netlink = overlay.lab.netlink("n1");
  }, patience(30_000));
  afterAll(async () => {
    netlink.close();
    await overlay[Symbol.asyncDispose]();
  }, patience(30_000));

  /** The node's pods in VRF red, which follows the table; nothing is left of an earlier test. */
  async function begin(kernelRoutes: object = {}): Promise<void> {
    await dp.apply({});
    for (const { destination, priority } of netlink.routes({ table: TABLE })) {
      netlink.deleteRoute({ destination, priority, table: TABLE });
    }
    const { vrfs: _, ...rest } = document(overlay, n1, { encap: "vxlan" }) as { vrfs: unknown };
    await dp.apply({ ...rest, vrfs: [{ name: "red", kernelRoutes: { table: TABLE, ...kernelRoutes } }] });
  }
  const route = (prefix: string) => dp.tables.routes.get({ vrf: "red", prefix });
  const via = (prefix: string) => route(prefix)?.via;

  test(
    "that EVPN left carry the router MACs of their gateways, and a VNI of their own comes first",
    async () => {
      await begin({ encap: "vxlan", vni: 77 });
      const ip = (line: string) => {
        const { status, stderr } = overlay.lab.execSync("n1", ["ip", ...line.split(" ")]);
        expect([status, stderr]).toEqual([0, ""]);
      };
      ip("link add br77 up type bridge");
      ip("link add vx up type vxlan external dstport 4799");
      ip(`route add 10.70.0.0/16 via 192.0.2.2 dev br77 onlink table ${TABLE}`);
      ip(`route add 10.71.0.0/16 encap ip id 4242 dst 192.0.2.3 dev vx table ${TABLE}`);
      await settled(dp, 2);
      expect(route("10.70.0.0/16")).toMatchObject({ via: "kernel:vxlan:192.0.2.2", vni: 77 });
      expect(route("10.71.0.0/16")).toMatchObject({ via: "kernel:vxlan:192.0.2.3", vni: 4242 });
      for (const mac of ["02:00:00:00:99:02", "02:00:00:00:99:03"]) {
        ip(`neigh replace 192.0.2.2 dev br77 lladdr ${mac} nud noarp extern_learn`);
        await waitFor(() => via("10.70.0.0/16") === `kernel:vxlan:192.0.2.2@${mac}`, { what: "the router's MAC" });
        expect(dp.tables.nexthops.get(via("10.70.0.0/16") ?? "")).toMatchObject({
          remote: "192.0.2.2",
          routerMac: mac,
        });
      }
      ip("neigh delete 192.0.2.2 dev br77");
      await waitFor(() => via("10.70.0.0/16") === "kernel:vxlan:192.0.2.2", { what: "the router's MAC to go" });
      for (const device of ["br77", "vx"]) ip(`link delete ${device}`);
      await settled(dp, 0);
    },
    patience(30_000),
  );

  test(
    "of several ways become an ecmp with their weights, which follows the kernel's nexthop objects",
    async () => {
      await begin({ encap: "vxlan", vni: 77 });
      const ifindex = netlink.link("f0")?.index ?? 0;
      const hops = [
        { gateway: "192.0.2.2", ifindex, weight: 3 },
        { gateway: "192.0.2.3", ifindex },
      ];
      netlink.addRoute({ destination: "10.60.0.0/16", nextHops: hops, table: TABLE });
      await settled(dp, 1);
      const name = via("10.60.0.0/16") ?? "";
      expect(dp.tables.nexthops.get(name)).toMatchObject({
        type: "ecmp",
        members: [
          { nexthop: "kernel:vxlan:192.0.2.2", vni: 77, weight: 3 },
          { nexthop: "kernel:vxlan:192.0.2.3", vni: 77, weight: 1 },
        ],
      });

      netlink.addNexthop({ id: 1, gateway: "192.0.2.2", ifindex });
      netlink.addNexthop({ id: 2, gateway: "192.0.2.3", ifindex });
      netlink.addNexthop({
        id: 10,
        members: [
          { id: 1, weight: 3 },
          { id: 2, weight: 1 },
        ],
      });
      netlink.addRoute({ destination: "10.61.0.0/16", nexthopId: 10, table: TABLE });
      await waitFor(() => via("10.61.0.0/16") === name, { what: "the same choice to be the same next hop" });
      netlink.replaceNexthop({ id: 1, gateway: "192.0.2.4", ifindex });
      await waitFor(() => via("10.61.0.0/16") !== name, { what: "the new gateway" });
      const changed = dp.tables.nexthops.get(via("10.61.0.0/16") ?? "") as { members?: object[] } | undefined;
      expect(changed?.members?.[0]).toMatchObject({ nexthop: "kernel:vxlan:192.0.2.4" });
      netlink.deleteNexthop(1);
      await waitFor(() => via("10.61.0.0/16") === "kernel:vxlan:192.0.2.3", { what: "the way that is left" });
      netlink.deleteNexthop(10);
      await waitFor(() => via("10.61.0.0/16") === undefined, { what: "the route to go with its nexthop object" });
      netlink.deleteRoute({ destination: "10.60.0.0/16", table: TABLE });
      await waitFor(() => [...dp.tables.nexthops.entries()].every(({ owner }) => owner !== "kernel"), {
        what: "the next hops to go that nothing needs",
      });
    },
    patience(30_000),
  );

  test(
    "without encap go plainly to the neighbour, and to workloads that a route names by their device",
    async () => {
      await begin();
      const ifindex = netlink.link("f0")?.index ?? 0;
      netlink.addRoute({ destination: "0.0.0.0/0", gateway: n2.underlay4, ifindex, table: TABLE });
      netlink.addRoute({ destination: "10.50.0.0/16", ifindex: netlink.link(a1.device)?.index, table: TABLE });
      netlink.addRoute({ destination: "10.66.0.0/16", type: "blackhole", table: TABLE });
      netlink.addRoute({ destination: "10.67.0.0/16", ifindex, table: TABLE });
      netlink.addRoute({ destination: "10.68.0.0/16", type: "throw", table: TABLE });
      await waitFor(() => status(dp)?.routes === 5 && status(dp)?.pending === 0, { what: "all routes" });
      expect(status(dp)).toMatchObject({ mirrored: 3, ignored: { "no-gateway": 1, type: 1 } });
      expect(via("0.0.0.0/0")).toBe("kernel:f0:192.0.2.2");
      expect(via("10.50.0.0/16")).toBe(a1.device);
      expect(via("10.66.0.0/16")).toBe("discard");
      // The other node's stack is the neighbour; it answers to its own address.
      using far = overlay.lab.netlink("n2");
      far.addRoute({ destination: `${a1.ipv4}/32`, gateway: n1.underlay4, ifindex: far.link("f0")?.index });
      await dp
        .transaction()
        .put("routes", { vrf: "underlay", prefix: `${a1.ipv4}/32`, via: a1.device })
        .commit();
      await waitFor(async () => (await overlay.received("a1", n2.underlay4, 1)) === 1, { what: "an answer" });
    },
    patience(30_000),
  );

  test(
    "of the lowest metric count, and give way to routes that somebody wrote",
    async () => {
      await begin({ encap: "vxlan", vni: 77 });
      const ifindex = netlink.link("f0")?.index ?? 0;
      const destination = "10.60.0.0/16";
      const add = (gateway: string, priority: number) =>
        netlink.addRoute({ destination, gateway, ifindex, priority, table: TABLE });
      add("192.0.2.9", 90);
      add("192.0.2.5", 50);
      await waitFor(() => via(destination) === "kernel:vxlan:192.0.2.5", { what: "the lower metric" });
      netlink.deleteRoute({ destination, priority: 50, table: TABLE });
      await waitFor(() => via(destination) === "kernel:vxlan:192.0.2.9", { what: "the route that is left" });
      await dp
        .transaction({ owner: "other" })
        .put("routes", { vrf: "red", prefix: destination, via: a1.device })
        .commit();
      expect(route(destination)).toMatchObject({ via: a1.device, owner: "other" });
      await dp.transaction({ owner: "other" }).delete("routes", { vrf: "red", prefix: destination }).commit();
      expect(via(destination)).toBe("kernel:vxlan:192.0.2.9");
    },
    patience(30_000),
  );

  test(
    "go when their link goes down, of which the kernel tells nothing, and come back with it",
    async () => {
      await begin({ encap: "vxlan", vni: 77 });
      netlink.setLink("f0", { up: true });
      learn(netlink, n2);
      await settled(dp, 4);
      netlink.setLink("f0", { up: false });
      await settled(dp, 0);
      expect(netlink.routes({ table: TABLE }).filter(({ protocol }) => protocol !== routeProtocols.weir)).toEqual([]);
      netlink.setLink("f0", { up: true });
      netlink.addAddress({ ifindex: netlink.link("f0")?.index ?? 0, address: `${n1.underlay6}/64`, noDad: true });
      learn(netlink, n2);
      await settled(dp, 4);
      // The last address takes the routes along.
      netlink.deleteAddress({ ifindex: netlink.link("f0")?.index ?? 0, address: `${n1.underlay4}/24` });
      await waitFor(() => route(`${a2.ipv4}/32`) === undefined, { what: "the IPv4 routes to go" });
      netlink.addAddress({ ifindex: netlink.link("f0")?.index ?? 0, address: `${n1.underlay4}/24` });
    },
    patience(30_000),
  );

  test(
    "hold up nobody who deletes their interface, VRF or the node's address, or takes the table away",
    async () => {
      await begin();
      const ifindex = netlink.link("f0")?.index ?? 0;
      netlink.addRoute({ destination: "10.60.0.0/16", gateway: "192.0.2.2", ifindex, table: TABLE });
      netlink.addRoute({ destination: "10.50.0.0/16", ifindex: netlink.link(a1.device)?.index, table: TABLE });
      await settled(dp, 2);
      await dp.transaction().delete("interfaces", "f0", a1.device).commit();
      expect([via("10.60.0.0/16"), via("10.50.0.0/16")]).toEqual([undefined, undefined]);
      expect(status(dp)).toMatchObject({ routes: 2, mirrored: 0, ignored: { "no-interface": 2 } });
      await dp.transaction().put("interfaces", { name: "f0", role: "fabric" }).commit();
      expect(via("10.60.0.0/16")).toBe("kernel:f0:192.0.2.2");

      const vrf = (kernelRoutes?: object) => ({ name: "red", ...(kernelRoutes && { kernelRoutes }) });
      await dp
        .transaction()
        .put("vrfs", vrf({ table: TABLE, encap: "vxlan", vni: 78 }))
        .commit();
      expect(route("10.60.0.0/16")).toMatchObject({ via: "kernel:vxlan:192.0.2.2", vni: 78 });
      await dp.transaction().put("node", {}).commit();
      expect(route("10.60.0.0/16")).toBeDefined();
      await dp.transaction().put("vrfs", vrf()).commit();
      expect(via("10.60.0.0/16")).toBeUndefined();
      expect([...dp.tables.nexthops.entries()].filter(({ owner }) => owner === "kernel")).toEqual([]);
      await dp
        .transaction()
        .put("vrfs", vrf({ table: TABLE, encap: "vxlan", vni: 78 }))
        .commit();
      expect(via("10.60.0.0/16")).toBe("kernel:vxlan:192.0.2.2");
      await dp.apply({});
      expect([...dp.tables.routes.entries()]).toEqual([]);
      expect([...dp.tables.nexthops.entries()]).toEqual([]);
    },
    patience(30_000),
  );

  test("are refused by one clear line where the table is configured wrongly", async () => {
    await begin();
    const wrong = async (...kernelRoutes: object[]) => {
      const vrfs = kernelRoutes.map((one, i) => ({ name: `v${i}`, kernelRoutes: one }));
      return dp.plan({ vrfs }).then(
        () => "accepted",
        (error: Error) => error.message,
      );
    };
    expect(await wrong({ table: 0 })).toContain("/vrfs/0/kernelRoutes/table must be an integer from 1 to 4294967295");
    expect(await wrong({ table: 255 })).toContain(
      "/vrfs/0/kernelRoutes/table is 255, the table of the kernel's own addresses",
    );
    expect(await wrong({ table: 7, encap: "vxlan" })).toContain('/vrfs/0/kernelRoutes lacks the field "vni"');
    expect(await wrong({ table: 7, vni: 7 })).toContain("/vrfs/0/kernelRoutes/vni has no meaning without encap");
    expect(await wrong({ table: 7, encap: "mpls-udp", vni: 7 })).toContain("has no meaning for encap mpls-udp");
    expect(await wrong({ table: 7, export: true }, { table: 7, export: true })).toContain(
      '/vrfs/1/kernelRoutes/export writes into table 7, as VRF "v0" does',
    );
    expect(await wrong({ table: 7, export: true }, { table: 7 })).toBe("accepted");
    await expect(dp.plan({ nexthops: [{ name: "kernel:vxlan:192.0.2.2", type: "discard" }] })).rejects.toThrow(
      '/nexthops/0/name is "kernel:vxlan:192.0.2.2", and Weir itself uses names that begin with "kernel:"',
    );
  });
});
