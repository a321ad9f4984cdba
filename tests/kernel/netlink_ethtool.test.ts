// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Ethtool, featureGroups, Netlink } from "../../sdk/netlink/index.ts";
import { TestNamespace, thrownBy } from "./netlink_support.ts";

function setUp(ns: TestNamespace): Ethtool {
  using netlink = Netlink.open({ netns: ns.name });
  netlink.addLink({
    kind: "veth",
    name: "v0",
    rxQueues: 4,
    txQueues: 4,
    peer: { name: "v1", rxQueues: 4, txQueues: 4 },
  });
  return Ethtool.open({ netns: ns.name });
}

/** `ethtool -k` by kernel names: its long names stand for one feature or for a group. */
function shownFeatures(ns: TestNamespace): Map<string, { active: boolean; fixed: boolean }> {
  const features = new Map<string, { active: boolean; fixed: boolean }>();
  for (const line of ns.run("ethtool", "-k", "v0").split("\n").slice(1)) {
    const match = line.match(/^\s*([\w-]+): (on|off)(.*)$/);
    if (match === null) continue;
    const [, name = "", state, rest = ""] = match;
    const group = featureGroups[name];
    if (group !== undefined && group.length > 1) continue;
    features.set(group?.[0] ?? name, { active: state === "on", fixed: rest.includes("fixed") });
  }
  return features;
}

describe("features", () => {
  test("are those that ethtool(8) shows", () => {
    using ns = new TestNamespace();
    using ethtool = setUp(ns);
    const features = ethtool.features("v0");
    const states = ethtool.featureStates("v0");
    const shown = shownFeatures(ns);
    expect(shown.size).toBeGreaterThan(40);
    for (const [name, { active, fixed }] of shown) {
      expect([name, features[name], states.get(name)?.changeable]).toEqual([name, active, !fixed]);
    }
  });

  test("change by kernel name and by group, and come back", () => {
    using ns = new TestNamespace();
    using ethtool = setUp(ns);
    const before = ethtool.features("v0");
    expect(before["tx-checksum-ip-generic"]).toBe(true);

    const previous = ethtool.setFeatures("v0", { tx: false, "generic-receive-offload": true });
    expect(previous).toEqual({ "tx-checksum-ip-generic": true, "tx-checksum-sctp": true, "rx-gro": false });
    const shown = shownFeatures(ns);
    expect(shown.get("tx-checksum-ip-generic")?.active).toBe(false);
    expect(shown.get("rx-gro")?.active).toBe(true);
    // Segmentation needs checksums: off in effect, still requested.
    expect(ethtool.featureStates("v0").get("tx-tcp-segmentation")).toMatchObject({ active: false, requested: true });

    ethtool.setFeatures("v0", previous);
    expect(ethtool.features("v0")).toEqual(before);
    expect(ethtool.setFeatures("v0", { tx: true })).toEqual({});
  });

  test("segmentation is turned off by itself", () => {
    using ns = new TestNamespace();
    using ethtool = setUp(ns);
    const previous = ethtool.setFeatures("v0", { "tx-tcp-segmentation": false, gso: false });
    expect(previous).toEqual({ "tx-tcp-segmentation": true, "tx-generic-segmentation": true });
    expect(shownFeatures(ns).get("tx-tcp-segmentation")?.active).toBe(false);
  });

  test("that are fixed or unknown are refused by name", () => {
    using ns = new TestNamespace();
    using ethtool = setUp(ns);
    expect(thrownBy(() => ethtool.setFeatures("v0", { "rx-hashing": true }))).toBe(
      'Cannot change the features of "v0": feature "rx-hashing": the driver has it fixed',
    );
    expect(thrownBy(() => ethtool.setFeatures("v0", { nonsense: true }))).toContain("the kernel does not know it");
    expect(thrownBy(() => ethtool.setFeatures("v0", { ntuple: true }))).toContain("all of it fixed");
  });

  test("of a device that is not there are an error", () => {
    using ns = new TestNamespace();
    using ethtool = setUp(ns);
    expect(thrownBy(() => ethtool.features("v9"))).toContain('Cannot read the features of "v9": ENODEV');
    expect(thrownBy(() => ethtool.driver("v9"))).toContain("ENODEV");
  });
});

describe("a device", () => {
  test("tells its driver", () => {
    using ns = new TestNamespace();
    using ethtool = setUp(ns);
    const shown = ns.run("ethtool", "-i", "v0");
    const { driver, version } = ethtool.driver("v0");
    expect(shown).toContain(`driver: ${driver}\nversion: ${version}\n`);
    expect(driver).toBe("veth");
  });

  test("tells its channels and changes them", () => {
    using ns = new TestNamespace();
    using ethtool = setUp(ns);
    expect(ethtool.channels("v0")).toMatchObject({ rx: 4, tx: 4, maximum: { rx: 4, tx: 4 } });
    ethtool.setChannels("v0", { rx: 2, tx: 3 });
    expect(ethtool.channels("v0")).toMatchObject({ rx: 2, tx: 3 });
    const current = ns.run("ethtool", "-l", "v0").split("Current hardware settings:")[1] ?? "";
    expect(current).toMatch(/RX:\s+2\s+TX:\s+3/);
  });
});
