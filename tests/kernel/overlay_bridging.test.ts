// SPDX-License-Identifier: Apache-2.0
/** Pods on one network across nodes. */
import { describe, expect, test } from "bun:test";
import { BRIDGED_VNI, mixedVxlanTopology, nodes, twoNodesTopology, waitFor } from "../../sdk/lab/index.ts";
import { applyBoth, type BridgedOptions, bridgedDocument, OverlayNodes, tunnelsResolved } from "./overlay_nodes.ts";

const [a1, b1] = nodes.n1.pods;
const [a2, b2] = nodes.n2.pods;

async function reach(
  overlay: OverlayNodes,
  pairs: readonly (readonly [string, string])[],
  ...expected: string[]
): Promise<void> {
  for (const [from, to] of pairs) {
    expect([from, to, await overlay.received(from, to), overlay.losses(...expected)]).toEqual([from, to, 3, {}]);
  }
}

const across = [
  [a1.name, a2.ipv4],
  [b2.name, b1.ipv4],
  [a2.name, a1.ipv6],
  [b1.name, b2.ipv6],
  [a1.name, b1.ipv4],
] as const;

describe("pods of two nodes are on one network", () => {
  const cases: BridgedOptions[] = [
    { encap: "vxlan", hook: "tc" },
    { encap: "vxlan", hook: "xdp", macs: true },
    { encap: "vxlan", hook: "tc", underlay: 6, macs: true },
    { encap: "mpls-udp", hook: "tc", macs: true },
    { encap: "mpls-gre", hook: "xdp" },
    { encap: "mpls-udp", hook: "xdp", underlay: 6, macs: true },
    { encap: "mpls-gre", hook: "tc", underlay: 6 },
  ];
  for (const o of cases) {
    const name = `${o.encap} on the ${o.hook} hook over IPv${o.underlay ?? 4}, MACs ${o.macs === true ? "told" : "flooded to"}`;
    test(name, async () => {
      const short = `l2${o.encap.replace("mpls-", "")}${o.hook}${o.underlay ?? 4}`;
      await using overlay = await OverlayNodes.start({ name: short, topology: twoNodesTopology({ bridged: true }) });
      await applyBoth(overlay, (_, node) => bridgedDocument(overlay, node, o));
      await waitFor(() => overlay.plane("n1").tables.nexthops.get("to-n2")?.status["resolved"] === true, {
        what: "n2",
      });
      await waitFor(() => overlay.plane("n2").tables.nexthops.get("to-n1")?.status["resolved"] === true, {
        what: "n1",
      });
      await reach(overlay, across);
      const vrf = overlay.plane("n1").tables.vrfs.get("red")?.status["counters"];
      expect(vrf).toMatchObject({ [o.macs === true ? o.encap : "flood"]: { packets: expect.any(Number) } });
    }, 60_000);
  }
});

describe("what a tunnel takes is told to pods on one network, and what may be fragmented is", () => {
  const cases: BridgedOptions[] = [
    { encap: "vxlan", hook: "tc", macs: true },
    { encap: "mpls-udp", hook: "tc", macs: true },
    { encap: "mpls-gre", hook: "xdp", macs: true },
  ];
  for (const o of cases) {
    test(`by ${o.encap} on the ${o.hook} hook`, async () => {
      const name = `mtu2${o.encap.replace("mpls-", "")}${o.hook}`;
      const topology = twoNodesTopology({ bridged: true, fabricMtu: 1400 });
      await using overlay = await OverlayNodes.start({ name, topology });
      await applyBoth(overlay, (_, node) => bridgedDocument(overlay, node, o));
      await tunnelsResolved(overlay);
      // VXLAN, MPLS over UDP and over GRE, each with the Ethernet header and an outer IPv4 header.
      const mtu = 1400 - { vxlan: 50, "mpls-udp": 46, "mpls-gre": 42 }[o.encap];
      const ping = async (address: string, sizeBytes: number, fragment: "do" | "dont") => {
        const size = String(sizeBytes - (address.includes(":") ? 48 : 28));
        const argv = ["ping", "-n", "-c", "1", "-W", "1", "-M", fragment, "-s", size, address];
        return (await overlay.lab.exec("a1", argv)).stdout;
      };
      for (const address of [a2.ipv4, a2.ipv6]) {
        await waitFor(async () => (await ping(address, 100, "dont")).includes(" 1 received"), { what: address });
        expect(await ping(address, mtu, "do")).toContain(" 1 received");
        expect(await ping(address, mtu + 1, "do")).toMatch(new RegExp(`\\(mtu = ${mtu}\\)|Packet too big: mtu=${mtu}`));
      }
      await overlay.run("a1", "ip", "route", "flush", "cache");
      for (const size of [mtu + 1, 1500, 5000]) {
        expect([size, await ping(a2.ipv4, size, "dont")]).toEqual([size, expect.stringContaining(" 1 received")]);
      }
    }, 60_000);
  }
});

test("pods and those of a node with the kernel's bridge and vxlan device are on one network", async () => {
  await using overlay = await OverlayNodes.start({ name: "l2mixed", topology: mixedVxlanTopology(), nodes: ["n1"] });
  const tunnel = { nexthop: "to-n2", vni: BRIDGED_VNI };
  await overlay.plane("n1").apply({
    node: { underlay: nodes.n1.underlay4 },
    vrfs: [{ name: "red", unknownUnicast: "flood" }],
    interfaces: [
      ...nodes.n1.pods.map((pod) => overlay.workload(pod, { proxyArp: false })),
      { name: "f0", role: "fabric" },
    ],
    nexthops: [
      { name: "to-n2", type: "tunnel", encap: "vxlan", remote: nodes.n2.underlay4 },
      { name: "all", type: "flood", members: [{ nexthop: "va1" }, { nexthop: "vb1" }, tunnel] },
    ],
    fdb: [{ vrf: "red", mac: "ff:ff:ff:ff:ff:ff", via: "all" }],
    vnis: [{ vni: BRIDGED_VNI, vrf: "red" }],
  });
  await waitFor(() => overlay.plane("n1").tables.nexthops.get("to-n2")?.status["resolved"] === true, { what: "n2" });
  // Its other segment is not in the state.
  await reach(overlay, across, "unknown-vni");
}, 60_000);

test("MACs behind an interface are learned, shown, and forgotten when they are old", async () => {
  await using overlay = await OverlayNodes.start({
    name: "learn",
    topology: twoNodesTopology({ bridged: true }),
    nodes: ["n1"],
  });
  const plane = overlay.plane("n1");
  const learning = { mac: undefined, addresses: undefined, learn: true, learnAgeSeconds: 1, proxyArp: false };
  await plane.apply({
    vrfs: [{ name: "red", unknownUnicast: "flood" }],
    interfaces: nodes.n1.pods.map((pod) => {
      const { mac: _mac, addresses: _addresses, ...rest } = overlay.workload(pod) as Record<string, unknown>;
      return { ...rest, ...JSON.parse(JSON.stringify(learning)) };
    }),
    nexthops: [{ name: "all", type: "flood", members: [{ nexthop: "va1" }, { nexthop: "vb1" }] }],
    fdb: [{ vrf: "red", mac: "ff:ff:ff:ff:ff:ff", via: "all" }],
  });
  // A second host behind pod a's device.
  const second = "02:00:00:00:01:99";
  await overlay.run(
    "a1",
    "ip",
    "link",
    "add",
    "mv0",
    "link",
    "eth0",
    "address",
    second,
    "type",
    "macvlan",
    "mode",
    "bridge",
  );
  await overlay.run("a1", "ip", "address", "add", "10.97.1.99/16", "dev", "mv0");
  await overlay.run("a1", "ip", "link", "set", "mv0", "up");
  const ping = (device: string) => overlay.run("a1", "ping", "-c", "3", "-i", "0.05", "-W", "1", "-I", device, b1.ipv4);
  await ping("mv0");
  await ping("eth0");
  const entry = () => plane.tables.fdb.get({ vrf: "red", mac: second });
  expect(entry()).toMatchObject({ via: "va1", owner: "learned", status: { active: true } });
  expect([...plane.tables.fdb.entries()].map(({ mac }) => mac)).toContain(b1.mac);
  await waitFor(() => entry() === undefined, { what: "the old entry to go", timeoutMs: 12_000 });

  await ping("mv0");
  await plane
    .transaction()
    .delete("interfaces", "va1")
    .put("nexthops", { name: "all", type: "flood", members: [] })
    .commit();
  expect(entry()).toBeUndefined();
}, 60_000);
