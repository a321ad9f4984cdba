// SPDX-License-Identifier: Apache-2.0
// Runs alone: how soon other paths are taken is measured.
/** What happens to tunnels when the state or the fabric changes. */
import { expect, test } from "bun:test";
import { nodes, ROUTER, twoNodesTopology, twoUplinksTopology, waitFor } from "../../sdk/lab/index.ts";
import { applyBoth, LABEL, OverlayNodes, routedDocument, VNI } from "./overlay_nodes.ts";

const [a1] = nodes.n1.pods;
const [a2] = nodes.n2.pods;
const vxlan = { encap: "vxlan", hook: "tc", underlay: 4 } as const;

type Counted = { readonly counters: { readonly txPackets: number }; readonly paths?: readonly { interface: string }[] };

const statusOf = (overlay: OverlayNodes, name: string): Counted & { readonly resolved: boolean } =>
  overlay.plane("n1").tables.nexthops.get(name)?.status as never;

const sent = (overlay: OverlayNodes, name: string): number => statusOf(overlay, name).counters.txPackets;

const resolved = (overlay: OverlayNodes, name: string, is: boolean) =>
  waitFor(() => statusOf(overlay, name).resolved === is, { what: `${name} to be ${is ? "reached" : "lost"}` });

/** Sends one UDP packet of each of `count` flows, the same flows each time. */
async function sendFlows(overlay: OverlayNodes, count: number): Promise<void> {
  const program = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5555))
for port in range(10000, ${10_000 + count}):
    s.sendto(b"x", ("${a2.ipv4}", port))
    if port % 64 == 0: time.sleep(0.002)
`;
  await overlay.run(a1.name, "python3", "-c", program);
}

test("a route that is withdrawn leads nowhere, and a next hop that changes takes its routes along", async () => {
  await using overlay = await OverlayNodes.start({ name: "withdraw", topology: twoNodesTopology() });
  await applyBoth(overlay, (_, node) => routedDocument(overlay, node, vxlan));
  await resolved(overlay, "to-n2", true);
  expect(await overlay.received("a1", a2.ipv4)).toBe(3);

  const plane = overlay.plane("n1");
  await plane
    .transaction()
    .delete("routes", { vrf: "red", prefix: `${a2.ipv4}/32` })
    .commit();
  expect(await overlay.received("a1", a2.ipv4)).toBe(0);
  expect(overlay.drops()["n1 va1 no-route"]).toBe(3);

  const to = { name: "to-n2", type: "tunnel", encap: "vxlan" } as const;
  const route = { vrf: "red", prefix: `${a2.ipv4}/32`, via: "to-n2", vni: VNI };
  await plane
    .transaction()
    .put("routes", route)
    .put("nexthops", { ...to, remote: "192.0.2.9" })
    .commit();
  expect(await overlay.received("a1", a2.ipv4)).toBe(0);
  await plane
    .transaction()
    .put("nexthops", { ...to, remote: nodes.n2.underlay4 })
    .commit();
  await resolved(overlay, "to-n2", true);
  expect(await overlay.received("a1", a2.ipv4)).toBe(3);
  await plane
    .transaction()
    .put("routes", { ...route, vni: VNI + 1 })
    .commit();
  expect(await overlay.received("a1", a2.ipv4)).toBe(0);
  expect(overlay.drops()["n2 f0 unknown-vni"]).toBe(3);

  expect(plane.transaction().delete("nexthops", "to-n2").commit()).rejects.toMatchObject({ code: "EREFERENCED" });
}, 60_000);

test("the first packets wait until the fabric's neighbour has answered", async () => {
  await using overlay = await OverlayNodes.start({ name: "first", topology: twoNodesTopology() });
  await overlay.run("n2", "ip", "link", "set", "f0", "arp", "off");
  await overlay.run("n1", "ip", "neigh", "flush", "dev", "f0");
  await applyBoth(overlay, (_, node) => routedDocument(overlay, node, vxlan));
  expect(statusOf(overlay, "to-n2").resolved).toBe(false);
  const ping = overlay.lab.ping("a1", a2.ipv4, { count: 2, intervalMs: 20, timeoutMs: 3000 });
  await Bun.sleep(300);
  await overlay.run("n2", "ip", "link", "set", "f0", "arp", "on");
  expect((await ping).received).toBe(2);
  expect(overlay.losses()).toEqual({});
}, 60_000);

test("a tunnel is lost with its link, and comes back with it", async () => {
  await using overlay = await OverlayNodes.start({ name: "lost", topology: twoNodesTopology() });
  await applyBoth(overlay, (_, node) => routedDocument(overlay, node, vxlan));
  await resolved(overlay, "to-n2", true);
  await overlay.run("n2", "ip", "link", "set", "f0", "down");
  await resolved(overlay, "to-n2", false);
  expect(await overlay.received("a1", a2.ipv4)).toBe(0);
  expect(overlay.drops()["n1 va1 no-nexthop"]).toBe(3);
  await overlay.run("n2", "ip", "link", "set", "f0", "up");
  await resolved(overlay, "to-n2", true);
  await waitFor(async () => (await overlay.received("a1", a2.ipv4, 1)) === 1, { what: "the tunnel" });
}, 60_000);

test("an ecmp of tunnels spreads flows by weight, and only the flows of a lost member move", async () => {
  await using overlay = await OverlayNodes.start({ name: "ecmp", topology: twoNodesTopology() });
  await applyBoth(overlay, (_, node) => {
    const document = routedDocument(overlay, node, vxlan) as Record<string, object[]>;
    if (node !== nodes.n1) return { ...document, labels: [{ label: LABEL, via: "red" }] };
    const remote = nodes.n2.underlay4;
    const members = [
      { nexthop: "to-n2", vni: VNI, weight: 3 },
      { nexthop: "by-udp", label: LABEL, weight: 2 },
      { nexthop: "by-gre", label: LABEL, weight: 1 },
    ];
    return {
      ...document,
      nexthops: [
        ...(document["nexthops"] ?? []),
        { name: "by-udp", type: "tunnel", encap: "mpls-udp", remote },
        { name: "by-gre", type: "tunnel", encap: "mpls-gre", remote },
        { name: "all", type: "ecmp", members },
      ],
      routes: [{ vrf: "red", prefix: `${a2.ipv4}/32`, via: "all" }],
    };
  });
  await resolved(overlay, "by-gre", true);
  const names = ["to-n2", "by-udp", "by-gre"] as const;
  const counts = () => names.map((name) => sent(overlay, name));
  const spread = async () => {
    const before = counts();
    await sendFlows(overlay, 12_000);
    return counts().map((count, i) => count - (before[i] ?? 0));
  };
  const first = await spread();
  for (const [i, share] of [6000, 4000, 2000].entries())
    expect(Math.abs((first[i] ?? 0) / share - 1)).toBeLessThan(0.05);
  expect(first.reduce((sum, count) => sum + count, 0)).toBe(12_000);

  const plane = overlay.plane("n1");
  const all = plane.tables.nexthops.get("all");
  const without = (all?.members ?? []).filter(({ nexthop }) => nexthop !== "by-gre");
  await plane.transaction().put("nexthops", { name: "all", type: "ecmp", members: without }).commit();
  const second = await spread();
  expect(second[2]).toBe(0);
  // Those of the others stayed, and only gained.
  expect(second[0]).toBeGreaterThan(first[0] ?? 0);
  expect(second[1]).toBeGreaterThan(first[1] ?? 0);
  expect(plane.tables.nexthops.get("all")?.status["members"]).toEqual([
    { nexthop: "to-n2", share: expect.closeTo(0.6, 1), alive: true },
    { nexthop: "by-udp", share: expect.closeTo(0.4, 1), alive: true },
  ]);
}, 90_000);

test("flows whose tunnel is lost find another member of their ecmp, also those that policy has decided", async () => {
  await using overlay = await OverlayNodes.start({ name: "avoid", topology: twoNodesTopology() });
  const second = "198.51.100.2";
  await overlay.run("n1", "ip", "route", "add", `${second}/32`, "via", nodes.n2.underlay4);
  await applyBoth(overlay, (_, node) => {
    const fields = { policies: ["all"] };
    const document = routedDocument(overlay, node, { ...vxlan, fields }) as Record<string, object[]>;
    const policies = [{ name: "all", default: "allow" }];
    if (node !== nodes.n1) return { ...document, policies, labels: [{ label: LABEL, via: "red" }] };
    const members = [
      { nexthop: "to-n2", vni: VNI },
      { nexthop: "by-udp", label: LABEL },
    ];
    return {
      ...document,
      policies,
      nexthops: [
        ...(document["nexthops"] ?? []),
        { name: "by-udp", type: "tunnel", encap: "mpls-udp", remote: second },
        { name: "both", type: "ecmp", members },
      ],
      routes: [{ vrf: "red", prefix: `${a2.ipv4}/32`, via: "both" }],
    };
  });
  // The far node's data plane notices its new address by itself.
  await overlay.run("n2", "ip", "address", "add", `${second}/32`, "dev", "f0");
  await resolved(overlay, "by-udp", true);
  const pings = Array.from({ length: 8 }, () =>
    overlay.lab.ping("a1", a2.ipv4, { count: 50, intervalMs: 20, timeoutMs: 500 }),
  );
  await Bun.sleep(400);
  expect(sent(overlay, "by-udp")).toBeGreaterThan(0);
  await overlay.run("n1", "ip", "route", "del", `${second}/32`);
  await resolved(overlay, "by-udp", false);
  const lost = sent(overlay, "by-udp");
  const received = (await Promise.all(pings)).reduce((sum, ping) => sum + ping.received, 0);
  // Flows may lose what is sent in 50 ms, and the packets of one more decision.
  expect(received).toBeGreaterThanOrEqual(8 * 50 - 8 * 4);
  expect(sent(overlay, "by-udp")).toBe(lost);
  const members = overlay.plane("n1").tables.nexthops.get("both")?.status["members"];
  expect(members).toContainEqual({ nexthop: "by-udp", share: 0.5, alive: false });
}, 90_000);

test("two uplinks carry a tunnel's flows, and one carries all within 50 ms of the other's loss", async () => {
  await using overlay = await OverlayNodes.start({ name: "uplinks", topology: twoUplinksTopology() });
  await applyBoth(overlay, (_, node) => {
    const document = routedDocument(overlay, node, vxlan) as Record<string, object[]>;
    return { ...document, interfaces: [...(document["interfaces"] ?? []), { name: "f1", role: "fabric", hook: "tc" }] };
  });
  const interfaces = () => (statusOf(overlay, "to-n2").paths ?? []).map((path) => path.interface).sort();
  await waitFor(() => interfaces().length === 2, { what: "both uplinks" });
  const tx = (name: string): number => {
    const status = overlay.plane("n1").tables.interfaces.get(name)?.status as Counted | undefined;
    return status?.counters.txPackets ?? 0;
  };
  const before = [tx("f0"), tx("f1")];
  await sendFlows(overlay, 1000);
  const flows = [tx("f0") - (before[0] ?? 0), tx("f1") - (before[1] ?? 0)];
  expect(flows[0]).toBeGreaterThan(400);
  expect(flows[1]).toBeGreaterThan(400);

  using router = overlay.lab.netlink(ROUTER);
  const start = performance.now();
  router.setLink("n1f0", { up: false });
  await waitFor(() => interfaces().join() === "f1", { what: "the loss of an uplink", intervalMs: 1 });
  expect(performance.now() - start).toBeLessThan(50);
  const after = tx("f1");
  await sendFlows(overlay, 500);
  expect(tx("f1") - after).toBeGreaterThanOrEqual(500);
  router.setLink("n1f0", { up: true });
  await waitFor(() => interfaces().length === 2, { what: "both uplinks again" });
  expect(await overlay.received("a1", a2.ipv6)).toBe(3);
}, 90_000);

test("each of thousands of tunnels has counters of its own, which begin at 0", async () => {
  await using overlay = await OverlayNodes.start({ name: "many", topology: twoNodesTopology() });
  const count = 5000;
  const others = Array.from({ length: count }, (_, i) => {
    return { name: `t${i}`, type: "tunnel", encap: "vxlan", remote: `198.18.${i >> 8}.${i & 255}` };
  });
  await applyBoth(overlay, (_, node) => {
    const document = routedDocument(overlay, node, vxlan) as Record<string, object[]>;
    return node === nodes.n1 ? { ...document, nexthops: [...others, ...(document["nexthops"] ?? [])] } : document;
  });
  await resolved(overlay, "to-n2", true);
  const plane = overlay.plane("n1");
  expect(plane.usage().tables.tunnels.used).toBe(count + 1);
  const countersOf = (name: string) => plane.tables.nexthops.get(name)?.status["counters"];
  expect(await overlay.received("a1", a2.ipv4)).toBe(3);
  // 50 bytes of headers around an echo of 84, of its Ethernet header 14.
  expect(countersOf("to-n2")).toEqual({ txPackets: 3, txBytes: 3 * 148, rxPackets: 3, rxBytes: 3 * 148 });
  const zero = { txPackets: 0, txBytes: 0, rxPackets: 0, rxBytes: 0 };
  for (const i of [0, 4094, 4095, 4096, count - 1]) expect([i, countersOf(`t${i}`)]).toEqual([i, zero]);

  // The number of one that goes is another's then.
  const document = routedDocument(overlay, nodes.n1, vxlan) as Record<string, object[]>;
  await plane.apply({ ...document, nexthops: others, routes: [], fdb: [] });
  await plane.apply({
    ...document,
    nexthops: [...others, { ...others[0], name: "next", remote: "198.19.0.1" }],
    routes: [],
    fdb: [],
  });
  expect(countersOf("next")).toEqual(zero);
}, 60_000);

test("tunnels, members and counters outlive a controller, and the next one takes them over as they are", async () => {
  await using overlay = await OverlayNodes.start({ name: "restart", topology: twoNodesTopology() });
  await applyBoth(overlay, (_, node) => {
    const document = routedDocument(overlay, node, vxlan) as Record<string, object[]>;
    if (node !== nodes.n1) return { ...document, labels: [{ label: LABEL, via: "red" }] };
    const members = [
      { nexthop: "to-n2", vni: VNI },
      { nexthop: "by-gre", label: LABEL },
    ];
    return {
      ...document,
      nexthops: [
        ...(document["nexthops"] ?? []),
        { name: "by-gre", type: "tunnel", encap: "mpls-gre", remote: nodes.n2.underlay4 },
        { name: "gone", type: "tunnel", encap: "mpls-udp", remote: "192.0.2.77" },
        { name: "both", type: "ecmp", members },
      ],
      routes: [`${a2.ipv4}/32`, `${a2.ipv6}/128`].map((prefix) => ({ vrf: "red", prefix, via: "both" })),
      fdb: [{ vrf: "red", mac: "02:00:00:00:09:09", via: "to-n2", vni: VNI }],
    };
  });
  await resolved(overlay, "by-gre", true);
  expect(await overlay.received("a1", a2.ipv4)).toBe(3);
  const before = sent(overlay, "to-n2") + sent(overlay, "by-gre");
  const flow = () => overlay.run(a1.name, "python3", "-c", UDP_FLOW);
  const used = async () => {
    const was = sent(overlay, "to-n2");
    await flow();
    return sent(overlay, "to-n2") > was ? "to-n2" : "by-gre";
  };
  const member = await used();

  await overlay.close("n1");
  expect(await overlay.received("a1", a2.ipv6, 5)).toBe(5);
  await overlay.open("n1");
  expect(sent(overlay, "to-n2") + sent(overlay, "by-gre")).toBeGreaterThanOrEqual(before + 5);
  expect(await overlay.received("a1", a2.ipv4)).toBe(3);
  expect(await used()).toBe(member);
  const { tables } = overlay.plane("n1");
  expect(tables.fdb.get({ vrf: "red", mac: "02:00:00:00:09:09" })?.status).toEqual({ active: true });
  expect([tables.vnis.size, tables.labels.size, tables.nexthops.size]).toEqual([1, 0, 5]);
  expect(overlay.losses()).toEqual({});
}, 90_000);

/** Packets of one flow, the same each time. */
const UDP_FLOW = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 33333))
for _ in range(5): s.sendto(b"x", ("${a2.ipv4}", 44444))
`;
