// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Netlink, type RuleSpec } from "../../sdk/netlink/index.ts";
import { expectAgreement } from "./netlink_oracle.ts";
import { settle, TestNamespace, thrownBy } from "./netlink_support.ts";

const specs: readonly RuleSpec[] = [
  { family: 4, priority: 100, source: "192.0.2.0/24", table: 100 },
  { family: 4, priority: 101, destination: "198.51.100.7/32", table: 70000 },
  { family: 4, priority: 102, inputDevice: "d0", mark: { value: 0x10, mask: 0xf0 }, action: "blackhole" },
  {
    family: 4,
    priority: 103,
    outputDevice: "d0",
    ipProtocol: 17,
    destinationPorts: { first: 4789, last: 4789 },
    sourcePorts: { first: 1000, last: 2000 },
    table: 5,
  },
  { family: 4, priority: 104, inverted: true, source: "192.0.2.1/32", action: "unreachable" },
  { family: 4, priority: 105, typeOfService: 4, goto: 32766 },
  { family: 4, priority: 106, table: 254, suppressPrefixLength: 0 },
  { family: 4, priority: 107, l3mdev: true, protocol: 12 },
  { family: 6, priority: 100, source: "2001:db8::/32", mark: { value: 7 }, table: 200 },
];

describe("rules", () => {
  test("that are added are listed as ip(8) lists them, in the order in which they are tried", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "bridge", name: "d0" });
    for (const spec of specs) netlink.addRule(spec);
    expect(expectAgreement(ns, netlink, "rules")).toBe(specs.length + 5);
    for (const spec of specs) {
      const { mark, ...rest } = spec;
      const found = netlink.rules(spec.family).find(({ priority }) => priority === spec.priority);
      expect(found).toMatchObject(mark === undefined ? rest : { ...rest, mark });
    }
    expect(netlink.rules().filter(({ family }) => family === 4)).toHaveLength(11);
    expect(netlink.rules(6).map(({ priority }) => priority)).toEqual([0, 100, 32766]);
  });

  test("are deleted by their properties, and refused with the kernel's explanation", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "bridge", name: "d0" });
    const before = netlink.rules();
    for (const spec of specs) netlink.addRule(spec);
    expect(thrownBy(() => netlink.addRule({ family: 4, priority: 100, source: "192.0.2.0/24", table: 100 }))).toBe(
      "Cannot add IPv4 rule 100: EEXIST (it exists)",
    );
    expect(thrownBy(() => netlink.addRule({ family: 4, priority: 9, goto: 5 }))).toContain("EINVAL (");
    for (const spec of specs) netlink.deleteRule(spec);
    expect(netlink.rules()).toEqual(before);
    expect(thrownBy(() => netlink.deleteRule({ family: 6, priority: 100 }))).toContain("ENOENT");
  });

  test("are watched", async () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    const seen: string[] = [];
    using _ = netlink.watch(["rule"], (event) => {
      if (event.kind === "rule") seen.push(`${event.change} ${event.rule.source} table ${event.rule.table}`);
    });
    ns.run("ip", "rule", "add", "from", "192.0.2.0/24", "table", "100");
    ns.run("ip", "-6", "rule", "add", "from", "2001:db8::/32", "table", "200");
    ns.run("ip", "rule", "del", "from", "192.0.2.0/24", "table", "100");
    await settle(() => seen.length === 3);
    expect(seen).toEqual([
      "new 192.0.2.0/24 table 100",
      "new 2001:db8::/32 table 200",
      "delete 192.0.2.0/24 table 100",
    ]);
  });
});
