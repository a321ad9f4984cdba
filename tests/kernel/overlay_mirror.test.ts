// SPDX-License-Identifier: Apache-2.0
/** Copies that go to another node: the kernel's own vxlan device there, or a node of ours, which copies them no more. */
import { describe, expect, test } from "bun:test";
import { mixedVxlanTopology, nodes, ROUTED_VNI, routedHost, twoNodesTopology, waitFor } from "../../sdk/lab/index.ts";
import { type HookName, OverlayNodes, tunnelsResolved } from "./overlay_nodes.ts";
import { asOnWire, Capture, complaints, fieldsOf } from "./overlay_support.ts";

const [a1, b1] = nodes.n1.pods;
const [, b2] = nodes.n2.pods;
const MIRROR_VNI = 999;
const LABEL = 900;
/** Source port of each copy, which tells nodes of ours that it is one. */
const COPY_PORT = "65535";

const counters = (overlay: OverlayNodes, node: "n1" | "n2") =>
  overlay.plane(node).tables.mirrors.get("tap")?.status["counters"] as { packets: number; drops: number };

const waitForFrames = (capture: Capture, count: number) =>
  waitFor(() => capture.frames().length >= count, { timeoutMs: 3000 }).catch(() => {});

describe.each<[HookName, 4 | 6]>([
  ["tc", 4],
  ["xdp", 4],
  ["tc", 6],
  ["xdp", 6],
])("on the %s hook over IPv%d", (hook, underlay) => {
  const of = (node: { underlay4: string; underlay6: string }) => (underlay === 4 ? node.underlay4 : node.underlay6);

  async function start(name: string, mirror: object): Promise<OverlayNodes> {
    const overlay = await OverlayNodes.start({
      name: `${name}${hook}${underlay}`,
      topology: mixedVxlanTopology({ underlay }),
      nodes: ["n1"],
    });
    asOnWire(overlay.lab, "n1", "f0");
    asOnWire(overlay.lab, "n2", "f0");
    const device = ["ip", "link", "add", "vx999", "type", "vxlan", "id", String(MIRROR_VNI), "dstport", "4789"];
    await overlay.run("n2", ...device, "dev", "f0", "local", of(nodes.n2), "udp6zerocsumrx");
    await overlay.run("n2", "ip", "link", "set", "vx999", "addrgenmode", "none", "up");
    await overlay.plane("n1").apply({
      node: { underlay: of(nodes.n1) },
      vrfs: [{ name: "red" }],
      interfaces: [
        ...nodes.n1.pods.map((pod) => overlay.workload(pod, { hook })),
        { name: "f0", role: "fabric", hook, netns: overlay.lab.path("n2") },
      ],
      nexthops: [{ name: "host", type: "tunnel", encap: "vxlan", remote: of(nodes.n2), routerMac: routedHost.mac }],
      routes: [{ vrf: "red", prefix: `${routedHost.ipv4}/32`, via: "host", vni: ROUTED_VNI }],
      vnis: [{ vni: ROUTED_VNI, vrf: "red" }],
      mirrors: [{ name: "tap", via: "host", vni: MIRROR_VNI, ...mirror }],
    });
    await waitFor(() => overlay.plane("n1").tables.nexthops.get("host")?.status["resolved"] === true);
    return overlay;
  }

  test("the kernel's vxlan device takes what a pod sends and gets, out of tunnels too", async () => {
    await using overlay = await start("mk", { source: { interface: a1.device } });
    using pod = await Capture.start(overlay.lab, a1.name, "eth0", "icmp");
    using copies = await Capture.start(overlay.lab, "n2", "vx999", "icmp");
    using wire = await Capture.start(overlay.lab, "n2", "f0", "udp or ip6");
    expect(await overlay.received(a1.name, b1.ipv4)).toBe(3);
    expect(await overlay.received(a1.name, routedHost.ipv4)).toBe(3);
    await waitForFrames(copies, 12);
    for (const capture of [pod, copies, wire]) await capture.stop();
    const hex = (frames: Uint8Array[]) => frames.map((frame) => frame.toHex()).sort();
    expect(hex(copies.frames())).toEqual(hex(pod.frames()));
    const vnis = fieldsOf(wire.frames(), "vxlan.vni").map((fields) => fields["vxlan.vni"][0]);
    const sent = wire.frames().filter((_, i) => vnis[i] === String(MIRROR_VNI));
    expect(sent.length).toBeGreaterThanOrEqual(12);
    expect(complaints(sent)).toEqual([]);
    const ports = fieldsOf(sent, "udp.srcport").map((fields) => fields["udp.srcport"][0]);
    expect(new Set(ports)).toEqual(new Set([COPY_PORT]));
    expect(counters(overlay, "n1").drops).toBe(0);
    expect(overlay.losses("unknown-vni")).toEqual({});
  });

  test("copies of the fabric's own packets do not feed themselves", async () => {
    await using overlay = await start("mf", { source: { interface: "f0" }, truncateBytes: 128 });
    using copies = await Capture.start(overlay.lab, "n2", "vx999", `udp port 4789`);
    expect(await overlay.received(a1.name, routedHost.ipv4)).toBe(3);
    await waitForFrames(copies, 6);
    await copies.stop();
    const inside = fieldsOf(copies.frames(), "vxlan.vni").map((fields) => fields["vxlan.vni"][0]);
    expect(inside).toEqual(Array(6).fill(String(ROUTED_VNI)));
    // What TC has put into a tunnel too, which the kernel cuts only by XDP.
    const sizes = new Set(copies.frames().map(({ byteLength }) => byteLength));
    expect(sizes).toEqual(new Set([128]));
    const before = counters(overlay, "n1").packets;
    await Bun.sleep(200);
    // Neighbours are asked now and then; a loop would be thousands.
    expect(counters(overlay, "n1").packets - before).toBeLessThan(20);
  });
});

describe.each<HookName>(["tc", "xdp"])("between nodes of ours on the %s hook", (hook) => {
  test("a copy reaches a pod as it is, and is not copied there", async () => {
    await using overlay = await OverlayNodes.start({ name: `mo${hook}`, topology: twoNodesTopology() });
    const node = (name: "n1" | "n2", more: object) => ({
      node: { underlay: nodes[name].underlay4 },
      vrfs: [{ name: "red" }],
      nexthops: [
        {
          name: name === "n1" ? "to-n2" : "to-n1",
          type: "tunnel",
          encap: "mpls-udp",
          remote: nodes[name === "n1" ? "n2" : "n1"].underlay4,
        },
      ],
      interfaces: [
        ...nodes[name].pods.map((pod) => overlay.workload(pod, { hook, ...(name === "n2" ? { mirror: "tap" } : {}) })),
        { name: "f0", role: "fabric", hook, mirror: "tap" },
      ],
      ...more,
    });
    await overlay.plane("n1").apply({
      ...node("n1", {}),
      mirrors: [{ name: "tap", source: { interface: a1.device }, via: "to-n2", label: LABEL }],
    });
    // Each node copies all that it sees of the fabric to the other one, which would go on for ever.
    await overlay.plane("n2").apply(
      node("n2", {
        mirrors: [{ name: "tap", via: "to-n1", label: LABEL + 1 }],
        labels: [{ label: LABEL, via: b2.device, payload: "ethernet" }],
      }),
    );
    await overlay.plane("n1").apply({
      ...node("n1", {}),
      mirrors: [{ name: "tap", source: { interface: a1.device }, via: "to-n2", label: LABEL }],
      labels: [{ label: LABEL + 1, via: b1.device, payload: "ethernet" }],
    });
    await tunnelsResolved(overlay);
    const before = counters(overlay, "n2").packets;
    using pod = await Capture.start(overlay.lab, a1.name, "eth0", "icmp");
    using copies = await Capture.start(overlay.lab, b2.name, "eth0", "icmp");
    expect(await overlay.received(a1.name, b1.ipv4)).toBe(3);
    await waitForFrames(copies, 6);
    await pod.stop();
    await copies.stop();
    const hex = (frames: Uint8Array[]) => frames.map((frame) => frame.toHex()).sort();
    expect(hex(copies.frames())).toEqual(hex(pod.frames()));
    expect(counters(overlay, "n1").drops).toBe(0);
    // ARP between the nodes, and nothing of the copies.
    expect(counters(overlay, "n2").packets - before).toBeLessThan(6);
  });
});
