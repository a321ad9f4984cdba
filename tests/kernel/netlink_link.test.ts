// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { kernelAtLeast } from "../../sdk/dataplane/device/preflight.ts";
import { WeirError } from "../../sdk/errors.ts";
import { type LinkSpec, Netlink } from "../../sdk/netlink/index.ts";
import { expectAgreement } from "./netlink_oracle.ts";
import { settle, TestNamespace, thrownBy } from "./netlink_support.ts";

/** Kinds that small kernels leave out. */
function optionalKinds(netlink: Netlink): LinkSpec[] {
  return [
    { kind: "dummy", name: "d0", mtu: 4000 },
    { kind: "vrf", name: "red", table: 1010 },
    { kind: "vlan", name: "v0.7", parent: netlink.link("v0")?.index ?? 0, vlan: 7 },
  ];
}

function addIfSupported(netlink: Netlink, spec: LinkSpec): void {
  try {
    netlink.addLink(spec);
  } catch (error) {
    if (!(error instanceof WeirError && error.code === "EOPNOTSUPP")) throw error;
  }
}

describe("links", () => {
  test("are listed with the properties that ip(8) shows", async () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "veth", name: "v0", peer: { name: "v1", up: true }, up: true, rxQueues: 3, txQueues: 2 });
    netlink.addLink({ kind: "bridge", name: "br0", mac: "02:00:00:00:0b:00", up: true });
    netlink.addLink({
      kind: "veth",
      name: "v2",
      mtu: 9000,
      master: netlink.link("br0")?.index,
      peer: { name: "v3", mtu: 9000 },
    });
    for (const spec of optionalKinds(netlink)) addIfSupported(netlink, spec);
    netlink.setLink("v3", { alias: "the other end", txQueueLength: 77 });
    netlink.setLink("v2", { packetLimits: { gso: 200_000, gro: 100_000, gsoIpv4: 90_000, groIpv4: 80_000 } });
    // Operational states follow a little later.
    await settle(() =>
      netlink.links().every((link) => !link.up || link.loopback || link.operationalState !== "unknown"),
    );

    expect(expectAgreement(ns, netlink, "links")).toBeGreaterThan(5);
  });

  test("take limits of their packets, those for IPv4 as the kernel has them", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "veth", name: "v0", peer: { name: "v1" } });
    const limits = () => netlink.link("v0")?.packetLimits;
    const driver = limits()?.driver ?? 0;
    const has = kernelAtLeast(6, 3);
    const ipv4 = (bytes: number) => (has ? bytes : undefined);
    expect(limits()).toEqual({ gso: 65536, gro: 65536, gsoIpv4: ipv4(65536), groIpv4: ipv4(65536), driver });
    const raised = { gso: 200_000, gro: 100_000, gsoIpv4: 90_000, groIpv4: 80_000 };
    netlink.setLink("v0", { packetLimits: raised });
    expect(limits()).toEqual({ ...raised, gsoIpv4: ipv4(90_000), groIpv4: ipv4(80_000), driver });
    // The kernel's own rule shows which number is whose: small ones are IPv4's too.
    ns.run("ip", "link", "set", "dev", "v0", "gso_max_size", "30000", "gro_max_size", "20000");
    expect(limits()).toEqual({ gso: 30_000, gro: 20_000, gsoIpv4: ipv4(30_000), groIpv4: ipv4(20_000), driver });
    expect(() => netlink.setLink("v0", { packetLimits: { gso: driver + 1 } })).toThrow(/Cannot change "v0"/);
  });

  test("are found by index, name and alternative name", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    const { index } = netlink.addLink({ kind: "bridge", name: "d0" });
    ns.run("ip", "link", "property", "add", "dev", "d0", "altname", "a-name-of-more-than-fifteen-bytes");
    expect(netlink.link(index)?.name).toBe("d0");
    expect(netlink.link("d0")?.index).toBe(index);
    const link = netlink.link("a-name-of-more-than-fifteen-bytes");
    expect(link?.index).toBe(index);
    expect(link?.alternativeNames).toEqual(["a-name-of-more-than-fifteen-bytes"]);
    expect(netlink.link("nothing")).toBeUndefined();
    expect(netlink.link(4711)).toBeUndefined();
  });

  test("of kind veth are made with their peer in another namespace, with MACs, MTU and queues", () => {
    using near = new TestNamespace();
    using far = new TestNamespace();
    using netlink = Netlink.open({ netns: near.name });
    using peerNetlink = Netlink.open({ netns: far.name });
    const link = netlink.addLink({
      kind: "veth",
      name: "va",
      mac: "02:00:00:00:00:0a",
      mtu: 3000,
      rxQueues: 4,
      txQueues: 4,
      up: true,
      peer: { name: "eth0", netns: far.name, mac: "02:00:00:00:01:0a", mtu: 2000, rxQueues: 2, txQueues: 2, up: true },
    });
    const peer = peerNetlink.link("eth0");
    expect(link).toMatchObject({ mac: "02:00:00:00:00:0a", mtu: 3000, rxQueues: 4, txQueues: 4, kind: "veth" });
    expect(peer).toMatchObject({ mac: "02:00:00:00:01:0a", mtu: 2000, rxQueues: 2, txQueues: 2, running: true });
    expect(link.peerIndex).toBe(peer?.index);
    expect(peer?.peerIndex).toBe(link.index);
    expect(link.linkNetnsId).toBe(netlink.namespaceId(far.name));
    expect(peer?.linkNetnsId).toBe(peerNetlink.namespaceId(near.name));

    netlink.deleteLink("va");
    expect(netlink.link("va")).toBeUndefined();
    expect(peerNetlink.link("eth0")).toBeUndefined();
  });

  test("are renamed, moved, brought up and down, and given another MAC, MTU and master", () => {
    using ns = new TestNamespace();
    using other = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    using there = Netlink.open({ netns: `/run/netns/${other.name}` });
    const bridge = netlink.addLink({ kind: "bridge", name: "br0" });
    const { index } = netlink.addLink({ kind: "veth", name: "d0", peer: { name: "d1" } });

    netlink.setLink(index, { up: true, mac: "02:00:00:00:00:77", mtu: 1300, master: bridge.index });
    expect(netlink.link(index)).toMatchObject({ up: true, mac: "02:00:00:00:00:77", mtu: 1300, master: bridge.index });
    netlink.setLink("d0", { up: false, name: "d9", master: null });
    expect(netlink.link("d0")).toBeUndefined();
    expect(netlink.link("d9")).toMatchObject({ index, up: false, master: undefined });
    netlink.setLink("d9", { netns: other.name, name: "moved" });
    expect(netlink.link("d9")).toBeUndefined();
    expect(there.link("moved")).toMatchObject({ mac: "02:00:00:00:00:77", up: false });
  });

  test("make no link-local address when told so", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "veth", name: "v0", peer: { name: "v1", up: true } });
    netlink.setLink("v0", { addressGeneration: "none", up: true });
    expect(netlink.addresses({ ifindex: netlink.link("v0")?.index })).toEqual([]);
    expect(netlink.addresses({ ifindex: netlink.link("v1")?.index })).toHaveLength(1);
  });

  test("show which XDP program they run and how", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "veth", name: "v0", peer: { name: "v1" } });
    expect(netlink.link("v0")?.xdp).toBeUndefined();
    const object = `/tmp/${ns.name}.o`;
    const source =
      '__attribute__((section("xdp"),used)) int pass(void*c){return 2;}char l[] __attribute__((section("license"),used))="GPL";';
    const clang = Bun.spawnSync(["clang", "-O2", "-target", "bpf", "-xc", "-c", "-o", object, "-"], {
      stdin: new TextEncoder().encode(source),
    });
    expect(clang.success).toBe(true);
    try {
      for (const [flag, mode] of [
        ["xdpdrv", "native"],
        ["xdpgeneric", "generic"],
      ] as const) {
        ns.run("ip", "link", "set", "v0", flag, "obj", object, "sec", "xdp");
        const shown = ns.ip<{ xdp: { prog: { id: number } } }>("link", "show", "dev", "v0")[0];
        expect(netlink.link("v0")?.xdp).toEqual({ mode, programId: shown?.xdp.prog.id ?? 0 });
        ns.run("ip", "link", "set", "v0", flag, "off");
      }
    } finally {
      Bun.spawnSync(["rm", "-f", object]);
    }
  });

  test("come in one listing also where they fill several datagrams", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    for (let i = 0; i < 60; i++) netlink.addLink({ kind: "veth", name: `v${i}`, peer: { name: `w${i}` } });
    expect(netlink.links().filter(({ kind }) => kind === "veth")).toHaveLength(120);
  });
});

describe("an error of the kernel", () => {
  test("says what was tried, on what, and why it failed", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "bridge", name: "d0" });
    expect(thrownBy(() => netlink.addLink({ kind: "bridge", name: "d0" }))).toBe(
      'Cannot add bridge link "d0": EEXIST (it exists)',
    );
    expect(thrownBy(() => netlink.setLink("d1", { up: true }))).toBe('Cannot change "d1": ENODEV (no such device)');
  });

  test("carries the kernel's own explanation where it gives one", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "bridge", name: "d0" });
    expect(thrownBy(() => netlink.setLink("d0", { mtu: 2 ** 31 }))).toMatch(/^Cannot change "d0": EINVAL \(mtu .*\)$/);
  });

  test("leaves the socket usable", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    expect(() => netlink.deleteLink("nothing")).toThrow();
    expect(netlink.links().map(({ name }) => name)).toEqual(["lo"]);
  });

  test("tells that a namespace does not exist", () => {
    expect(thrownBy(() => Netlink.open({ netns: "wB-nowhere" }))).toContain("/run/netns/wB-nowhere");
  });
});
