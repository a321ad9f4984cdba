// SPDX-License-Identifier: Apache-2.0
/** What drivers say of XDP, against what they do. */
import { describe, expect, test } from "bun:test";
import { Ethtool, Netdev, Netlink } from "../../sdk/netlink/index.ts";
import { withNetns } from "../../sdk/runtime/netns.ts";
import { NetSysfs } from "../../sdk/runtime/sysfs.ts";
import { TestNamespace, thrownBy } from "./netlink_support.ts";

/** Linux 6.3 and newer pass it on. */
const tells = (() => {
  using netdev = Netdev.open();
  return netdev !== undefined;
})();

describe("the XDP features of a device", () => {
  test.skipIf(!tells)("are those of its driver: a veth takes redirected frames only with NAPI at its other end", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    using ethtool = Ethtool.open({ netns: ns.name });
    using netdev = Netdev.open({ netns: ns.name });
    const { index } = netlink.addLink({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
    const veth = { basic: true, redirect: true, zeroCopy: false, offload: false, frags: true };
    expect(netdev?.xdpFeatures(index)).toMatchObject({ ...veth, target: false });
    ethtool.setFeatures("v1", { gro: true });
    expect(netdev?.xdpFeatures(index)).toMatchObject({ ...veth, target: true });
  });

  test.skipIf(!tells)("are none for a device without, and undefined for one that is not there", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    using netdev = Netdev.open({ netns: ns.name });
    const { index } = netlink.addLink({ kind: "bridge", name: "b0" });
    expect(netdev?.xdpFeatures(index)).toMatchObject({ basic: false, redirect: false, frags: false });
    expect(netdev?.xdpFeatures(9999)).toBeUndefined();
  });
});

describe("the sysfs of a namespace", () => {
  test("is reached from outside, and tells how many queues are in use", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    using ethtool = Ethtool.open({ netns: ns.name });
    const queues = { rxQueues: 4, txQueues: 4 };
    netlink.addLink({ kind: "veth", name: "v0", ...queues, peer: { name: "v1", ...queues } });
    using sysfs = withNetns(`/run/netns/${ns.name}`, () => NetSysfs.open());
    expect(sysfs.receiveQueues("v0")).toBe(4);
    ethtool.setChannels("v0", { rx: 3 });
    expect(sysfs.receiveQueues("v0")).toBe(3);
    sysfs.write("v0", "queues/rx-1/rps_cpus", "3");
    // ip(8) mounts one of its own for the namespace.
    expect(ns.run("ip", "netns", "exec", ns.name, "cat", "/sys/class/net/v0/queues/rx-1/rps_cpus")).toBe("3\n");
    expect(sysfs.read("v0", "queues/rx-3/rps_cpus")).toBeUndefined();
    expect(sysfs.read("lo", "mtu")).toBe("65536");
    expect(sysfs.receiveQueues("no-such-device")).toBe(0);
  });
});

describe("rings", () => {
  test("are refused by a driver that has none", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "veth", name: "v0", peer: { name: "v1" } });
    using ethtool = Ethtool.open({ netns: ns.name });
    expect(thrownBy(() => ethtool.rings("v0"))).toContain('Cannot read the rings of "v0": EOPNOTSUPP');
  });
});
