// SPDX-License-Identifier: Apache-2.0
/** Routes, rules and nexthop objects as ip(8) shows them. */

import type { Family } from "../../sdk/address.ts";
import { type Indexes, type Shown, scopeName } from "./netlink_oracle_links.ts";
import type { TestNamespace } from "./netlink_support.ts";

interface IpEncap {
  readonly encap?: string;
  readonly encap_id?: string;
  readonly encap_src?: string;
  readonly encap_dst?: string;
  readonly encap_ttl?: number;
  readonly encap_tos?: number;
  readonly encap_labels?: string;
}

interface IpHop extends IpEncap {
  readonly gateway?: string;
  readonly via?: { readonly host: string };
  readonly dev?: string;
  readonly weight?: number;
  readonly flags?: readonly string[];
}

interface IpRoute extends IpHop {
  readonly type: string;
  readonly dst: string;
  readonly from?: string;
  readonly tos?: string;
  readonly protocol: string;
  readonly scope: string;
  readonly table: string;
  readonly metric?: number;
  readonly prefsrc?: string;
  readonly nhid?: number;
  readonly nexthops?: readonly IpHop[];
  readonly metrics?: readonly Readonly<Record<string, number>>[];
  readonly pref?: string;
}

/** Numbers of `RTN_*`, in their order. */
const types = [
  "unspecified",
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
];

const metricNames: Readonly<Record<string, string>> = {
  mtu: "mtu",
  window: "window",
  ssthresh: "slowStartThreshold",
  cwnd: "congestionWindow",
  advmss: "advertisedMss",
  reordering: "reordering",
  hoplimit: "hopLimit",
  initcwnd: "initialCongestionWindow",
  initrwnd: "initialReceiveWindow",
  quickack: "quickAcknowledge",
};

/** ip(8) repeats the keys of the route in its encapsulation, so JSON.parse would take the wrong ones. */
function parse<T>(ns: TestNamespace, ...args: readonly string[]): T[] {
  const text = ns
    .run("ip", "-j", "-N", "-d", ...args)
    .trim()
    .replaceAll(
      /"encap":"(ip6?)","id":(\d+),"src":"([^"]*)","dst":"([^"]*)","(?:ttl|hoplimit)":(\d+),"(?:tos|tc)":(\d+)/g,
      '"encap":"$1","encap_id":"$2","encap_src":"$3","encap_dst":"$4","encap_ttl":$5,"encap_tos":$6',
    )
    .replaceAll(
      /"encap":"mpls","dst":"([^"]*)"(?:,"ttl":(\d+))?/g,
      (_, labels: string, ttl = "0") => `"encap":"mpls","encap_labels":"${labels}","encap_ttl":${ttl}`,
    );
  return text === "" ? [] : (JSON.parse(text) as T[]).filter((item) => Object.keys(item as object).length > 0);
}

function encapOf(hop: IpEncap): unknown {
  if (hop.encap === "mpls") {
    return { type: "mpls", labels: (hop.encap_labels ?? "").split("/").map(Number), ttl: hop.encap_ttl || undefined };
  }
  if (hop.encap !== "ip" && hop.encap !== "ip6") return undefined;
  return {
    type: hop.encap,
    id: hop.encap_id,
    source: hop.encap_src,
    destination: hop.encap_dst,
    ttl: hop.encap_ttl,
    typeOfService: hop.encap_tos,
  };
}

const encapTypes: Readonly<Record<string, number>> = { mpls: 1, ip: 2, ip6: 4 };

const hopState = (hop: IpHop): Shown => ({
  onlink: hop.flags?.includes("onlink") === true,
  dead: hop.flags?.includes("dead") === true,
  linkDown: hop.flags?.includes("linkdown") === true,
  encapType: encapTypes[hop.encap ?? ""] ?? 0,
  encap: encapOf(hop),
});

export function shownRoutes(ns: TestNamespace, indexes: Indexes): Shown[] {
  return ([4, 6] as const).flatMap((family) =>
    parse<IpRoute>(ns, `-${family}`, "route", "show", "table", "all").map((route) =>
      shownRoute(route, family, indexes),
    ),
  );
}

function shownRoute(route: IpRoute, family: Family, indexes: Indexes): Shown {
  const bits = family === 4 ? 32 : 128;
  const any = family === 4 ? "0.0.0.0/0" : "::/0";
  const prefix = (text: string) => (text === "default" ? any : text.includes("/") ? text : `${text}/${bits}`);
  const hops = route.nexthops ?? (route.dev === undefined && route.gateway === undefined ? [] : [route]);
  const metrics = Object.fromEntries(
    Object.entries(route.metrics?.[0] ?? {}).map(([name, value]) => [metricNames[name] ?? name, value]),
  );
  return {
    family,
    destination: prefix(route.dst),
    source: route.from === undefined ? undefined : prefix(route.from),
    typeOfService: Number(route.tos ?? 0),
    table: Number(route.table),
    protocol: Number(route.protocol),
    scope: scopeName(route.scope),
    type: types[Number(route.type)],
    priority: route.metric ?? 0,
    preferredSource: route.prefsrc,
    preference: route.pref,
    mtu: metrics["mtu"],
    metrics,
    nexthopId: route.nhid,
    nextHops: hops.map((hop) => ({
      ifindex: indexes.get(hop.dev ?? ""),
      gateway: hop.gateway ?? hop.via?.host,
      weight: hop.weight ?? 1,
      ...hopState(hop),
    })),
  };
}

interface IpRule {
  readonly priority: number;
  readonly src: string;
  readonly srclen?: number;
  readonly dst?: string;
  readonly dstlen?: number;
  readonly iif?: string;
  readonly oif?: string;
  readonly fwmark?: string;
  readonly fwmask?: string;
  readonly tos?: string;
  readonly ipproto?: string;
  readonly sport?: number;
  readonly sport_start?: number;
  readonly sport_end?: number;
  readonly dport?: number;
  readonly dport_start?: number;
  readonly dport_end?: number;
  readonly table?: string;
  readonly action?: string;
  readonly goto?: number;
  readonly not?: null;
  readonly suppress_prefixlen?: number;
  readonly l3mdev?: null;
  readonly protocol?: string;
}

/** Numbers of `FR_ACT_*`, in their order. */
const actions = [
  "unspecified",
  "lookup",
  "goto",
  "nop",
  "reserved",
  "reserved",
  "blackhole",
  "unreachable",
  "prohibit",
];

export function shownRules(ns: TestNamespace): Shown[] {
  return ([4, 6] as const).flatMap((family) =>
    parse<IpRule>(ns, `-${family}`, "rule", "show").map((rule) => shownRule(rule, family)),
  );
}

function shownRule(rule: IpRule, family: Family): Shown {
  const bits = family === 4 ? 32 : 128;
  const mask = rule.fwmask === undefined ? 0xffffffff : Number(rule.fwmask);
  const action = rule.action === undefined ? undefined : (actions[Number(rule.action)] ?? rule.action);
  return {
    family,
    priority: rule.priority,
    action: rule.goto !== undefined ? "goto" : (action ?? "lookup"),
    table: Number(rule.table ?? 0),
    goto: rule.goto,
    source: rule.src === "all" ? undefined : `${rule.src}/${rule.srclen ?? bits}`,
    destination: rule.dst === undefined ? undefined : `${rule.dst}/${rule.dstlen ?? bits}`,
    inputDevice: rule.iif,
    outputDevice: rule.oif,
    mark: rule.fwmark === undefined ? undefined : { value: Number(rule.fwmark), mask },
    typeOfService: Number(rule.tos ?? 0),
    ipProtocol: rule.ipproto === undefined ? undefined : Number(rule.ipproto.replace("ipproto-", "")),
    sourcePorts: ports(rule.sport, rule.sport_start, rule.sport_end),
    destinationPorts: ports(rule.dport, rule.dport_start, rule.dport_end),
    l3mdev: rule.l3mdev === null,
    inverted: rule.not === null,
    suppressPrefixLength: rule.suppress_prefixlen,
    protocol: Number(rule.protocol ?? 0),
  };
}

function ports(one: number | undefined, first: number | undefined, last: number | undefined): object | undefined {
  if (one !== undefined) return { first: one, last: one };
  return first === undefined ? undefined : { first, last };
}

interface IpNexthop extends IpHop {
  readonly id: number;
  readonly group?: readonly { readonly id: number; readonly weight?: number }[];
  readonly type?: string;
  readonly resilient_args?: {
    readonly buckets: number;
    readonly idle_timer: number;
    readonly unbalanced_timer: number;
  };
  readonly blackhole?: null;
  readonly fdb?: null;
  readonly protocol?: string;
}

export function shownNexthops(ns: TestNamespace, indexes: Indexes): Shown[] {
  return parse<IpNexthop>(ns, "nexthop", "show").map((nexthop) => {
    const { group, resilient_args: resilient } = nexthop;
    return {
      id: nexthop.id,
      ifindex: nexthop.dev === undefined ? undefined : indexes.get(nexthop.dev),
      gateway: nexthop.gateway,
      members: group?.map(({ id, weight }) => ({ id, weight: weight ?? 1 })),
      groupType: group === undefined ? undefined : nexthop.type === "resilient" ? "resilient" : "multipath",
      resilient: resilient && {
        buckets: resilient.buckets,
        idleSeconds: resilient.idle_timer,
        unbalancedSeconds: resilient.unbalanced_timer,
      },
      blackhole: nexthop.blackhole === null,
      fdb: nexthop.fdb === null,
      protocol: Number(nexthop.protocol ?? 0),
      ...hopState(nexthop),
    };
  });
}
