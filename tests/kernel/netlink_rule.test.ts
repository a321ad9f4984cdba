// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Netlink, type RuleInfo } from "../../sdk/netlink/index.ts";
import { settle, TestNamespace } from "./netlink_support.ts";

interface IpRule {
  priority: number;
  src: string;
  srclen?: number;
  dst?: string;
  dstlen?: number;
  iif?: string;
  oif?: string;
  fwmark?: string;
  fwmask?: string;
  tos?: string;
  ipproto?: string;
  sport?: number;
  sport_start?: number;
  sport_end?: number;
  dport?: number;
  dport_start?: number;
  dport_end?: number;
  table?: string;
  action?: string;
  goto?: number;
  not?: null;
  suppress_prefixlen?: number;
  l3mdev?: null;
}

const tables: Record<string, number> = { local: 255, main: 254, default: 253 };
const protocols: Record<string, number> = { tcp: 6, udp: 17 };

function ports(one: number | undefined, first: number | undefined, last: number | undefined): object | undefined {
  if (one !== undefined) return { first: one, last: one };
  return first === undefined ? undefined : { first, last };
}

/** What ip(8) shows, in our words. */
function expected(rule: IpRule, family: 4 | 6): object {
  const bits = family === 4 ? 32 : 128;
  const mask = rule.fwmask === undefined ? 0xffffffff : Number(rule.fwmask);
  return {
    family,
    priority: rule.priority,
    action: rule.goto !== undefined ? "goto" : (rule.action ?? "lookup"),
    table: rule.table === undefined ? 0 : (tables[rule.table] ?? Number(rule.table)),
    goto: rule.goto,
    source: rule.src === "all" ? undefined : `${rule.src}/${rule.srclen ?? bits}`,
    destination: rule.dst === undefined ? undefined : `${rule.dst}/${rule.dstlen ?? bits}`,
    inputDevice: rule.iif,
    outputDevice: rule.oif,
    mark: rule.fwmark === undefined ? undefined : { value: Number(rule.fwmark), mask },
    typeOfService: Number(rule.tos ?? 0),
    ipProtocol: rule.ipproto === undefined ? undefined : protocols[rule.ipproto],
    sourcePorts: ports(rule.sport, rule.sport_start, rule.sport_end),
    destinationPorts: ports(rule.dport, rule.dport_start, rule.dport_end),
    l3mdev: rule.l3mdev === null,
    inverted: rule.not === null,
    suppressPrefixLength: rule.suppress_prefixlen,
  };
}

function described({ protocol: _, ...rest }: RuleInfo): object {
  return rest;
}

describe("rules", () => {
  test("are listed as ip(8) lists them", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "bridge", name: "d0" });
    const add = (...words: string[]) => ns.run("ip", ...words);
    add("rule", "add", "from", "192.0.2.0/24", "table", "100", "priority", "100");
    add("rule", "add", "to", "198.51.100.7", "table", "70000", "priority", "101");
    add("rule", "add", "iif", "d0", "fwmark", "0x10/0xf0", "blackhole", "priority", "102");
    add(
      "rule",
      "add",
      "oif",
      "d0",
      "ipproto",
      "udp",
      "dport",
      "4789",
      "sport",
      "1000-2000",
      "table",
      "5",
      "pref",
      "103",
    );
    add("rule", "add", "not", "from", "192.0.2.1", "unreachable", "priority", "104");
    add("rule", "add", "tos", "0x04", "goto", "32766", "priority", "105");
    add("rule", "add", "table", "main", "suppress_prefixlength", "0", "priority", "106");
    add("rule", "add", "l3mdev", "priority", "107");
    add("-6", "rule", "add", "from", "2001:db8::/32", "fwmark", "7", "table", "200", "priority", "100");
    for (const family of [4, 6] as const) {
      const shown = ns.ip<IpRule>(`-${family}`, "rule", "show").map((rule) => expected(rule, family));
      expect(netlink.rules(family).map(described)).toEqual(shown);
    }
    expect(netlink.rules().filter(({ family }) => family === 4)).toHaveLength(11);
    expect(netlink.rules(6).map(({ priority }) => priority)).toEqual([0, 100, 32766]);
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
