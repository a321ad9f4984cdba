// SPDX-License-Identifier: Apache-2.0
/** Flows that are there when policy, sets or lists of policies change: those that a naive evaluation allows stay. */
import { expect, test } from "bun:test";
import type { FlowSetting } from "../../sdk/index.ts";
import { pods } from "../../sdk/lab/index.ts";
import type { PolicyInput, PolicyRuleInput } from "../../sdk/slowpath/index.ts";
import { decideNaively, type Flow as NaiveFlow } from "../wasm/policy/naive.ts";
import { Random } from "../wasm/policy/random.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

const FLOWS = 1500;
const CHANGES = 30;
const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58 } as const;
/** ICMP's timestamp request, and its answer. */
const TIMESTAMP = { request: 13 << 8, reply: 14 << 8 };

type Document = Pick<Known, "policies" | "list" | "members">;

interface Known {
  readonly policies: readonly [PolicyInput, PolicyInput];
  readonly list: readonly string[];
  readonly members: readonly string[];
}

const client = (r: Random, v6: boolean) => (v6 ? `fd00:9::${r.below(40) + 1}` : `10.9.0.${r.below(40) + 1}`);

function flowOf(r: Random): FlowSetting {
  const v6 = r.once(3);
  const proto = r.of(v6 ? (["tcp", "udp", "icmpv6"] as const) : (["tcp", "udp", "icmp"] as const));
  const port = () => 1000 + r.below(60);
  const [sport, dport] =
    proto === "tcp" || proto === "udp"
      ? [port(), port()]
      : proto === "icmp" && r.once(4)
        ? [TIMESTAMP.reply, TIMESTAMP.request]
        : Array(2).fill(1 + r.below(5000));
  const ends = { src: client(r, v6), dst: v6 ? pods.b.ipv6 : pods.b.ipv4, sport: sport ?? 0, dport: dport ?? 0 };
  return { vrf: "red", proto, ...ends, action: "forward", interface: "va" };
}

function naive({ proto, src, dst, sport, dport }: FlowSetting): NaiveFlow {
  const protocol = PROTOCOL_NUMBERS[proto as keyof typeof PROTOCOL_NUMBERS];
  const icmp = sport === dport ? (proto === "icmp" ? 8 << 8 : 128 << 8) : dport;
  return {
    source: src,
    destination: dst,
    protocol,
    sourcePort: sport,
    destinationPort: dport,
    icmp: proto.startsWith("icmp") ? icmp : undefined,
  };
}

function ruleOf(r: Random): PolicyRuleInput {
  const proto = r.of(["any", "tcp", "udp", "icmp", "icmpv6"] as const);
  const hasPorts = proto === "tcp" || proto === "udp";
  const first = 1000 + r.below(60);
  const range = () => `${first}-${first + r.below(20)}`;
  const peers = () =>
    r.once(3) ? [{ set: "some" }] : [`10.9.0.${r.below(8) * 8}/29`, `fd00:9::${(r.below(4) * 16).toString(16)}/124`];
  return {
    action: r.of(["allow", "deny", "deny", "reject", "log", "pass"] as const),
    direction: r.once(6) ? "egress" : "ingress",
    proto,
    ...(hasPorts && r.once(2) ? { ports: [range()] } : {}),
    ...(hasPorts && r.once(3) ? { sourcePorts: [range()] } : {}),
    ...(proto === "icmp" && r.once(2) ? { types: [r.of([8, 13, "13/0"])] } : {}),
    ...(r.once(2) ? {} : { from: peers() }),
    ...(proto !== "icmpv6" && r.once(4) ? { except: [`10.9.0.${r.below(20) * 2}/31`] } : {}),
  };
}

const membersOf = (r: Random) => [`10.9.0.${r.below(16) * 2}/31`, `10.9.0.${32 + r.below(8)}/32`, "fd00:9::20/123"];

const LISTS = [["p"], ["q"], ["p", "q"], ["q", "p"]] as const;

/** One change of what a controller may change at once. */
function changed(r: Random, { policies: [p, q], list, members }: Document): Document {
  const edit = (policy: PolicyInput): PolicyInput => {
    const rules = [...(policy.rules ?? [])];
    const at = r.below(rules.length + 1);
    const how = r.below(3);
    if (how === 0) rules.splice(at, 1);
    else if (how === 1) rules.splice(at, 0, ...rules.splice(r.below(rules.length + 1), 1));
    else rules.splice(at, r.below(2), ruleOf(r));
    return { ...policy, rules };
  };
  const otherDefault = (policy: PolicyInput): PolicyInput => ({
    ...policy,
    default: policy.default === "allow" ? "deny" : "allow",
  });
  switch (r.below(8)) {
    case 0:
      return { policies: [otherDefault(p), q], list, members };
    case 1:
      return { policies: [p, q], list: r.of(LISTS), members };
    case 2:
    case 3:
      return { policies: [p, q], list, members: membersOf(r) };
    case 4:
      return { policies: [edit(p), edit(q)], list: r.of(LISTS), members: membersOf(r) };
    default:
      return { policies: r.once(2) ? [edit(p), q] : [p, edit(q)], list, members };
  }
}

test("of the flows that are there, exactly those end that changed policies, sets and lists of policies allow no more", async () => {
  await using node = await DataPlaneNode.start({ name: "review", hook: "tc" });
  const seed = 20_240_601;
  const r = new Random(seed);
  let now: Document = {
    policies: [
      { name: "p", default: "allow", rules: [ruleOf(r), ruleOf(r), ruleOf(r)] },
      { name: "q", default: "deny", rules: [ruleOf(r), ruleOf(r)] },
    ],
    list: ["p", "q"],
    members: membersOf(r),
  };
  const document = ({ policies, list, members }: Document) =>
    node.document({ b: { policies: [...list] } }, { policies, sets: [{ name: "some", prefixes: members }] });
  const allows = ({ policies, list, members }: Document, flow: FlowSetting) => {
    const inOrder = list.flatMap((name) => policies.filter((policy) => policy.name === name));
    return decideNaively(inOrder, naive(flow), "ingress", new Map([["some", members]])).action === "allow";
  };
  await node.dp.apply(document(now));
  const flows = Array.from({ length: FLOWS }, () => flowOf(r));
  let ended = 0;
  for (let i = 0; i < CHANGES; i++) {
    const before = now;
    const allowed = flows.filter((flow) => allows(before, flow));
    node.dp.flows.set(allowed);
    const generations = new Map(allowed.map((flow) => [flow, node.dp.flows.get(flow)?.generation]));
    now = changed(r, now);
    await node.dp.apply(document(now));
    const after = now;
    const wrong = allowed.filter((flow) => {
      const found = node.dp.flows.get(flow)?.generation;
      return allows(after, flow) ? found !== generations.get(flow) : found !== undefined;
    });
    expect({ seed, change: i, wrong: wrong.map(naive), before, after }).toMatchObject({ wrong: [] });
    ended += allowed.filter((flow) => !allows(after, flow)).length;
  }
  // Neither was nothing denied, nor everything.
  expect(ended).toBeGreaterThan(FLOWS / 2);
}, 60_000);

test("a flow that a rule left to the controller stays as decided, until another rule decides it", async () => {
  await using node = await DataPlaneNode.start({ name: "asked" });
  const document = (rules: readonly PolicyRuleInput[]) =>
    node.document({ b: { policies: ["asked"] } }, { policies: [{ name: "asked", rules }] });
  const rule = { direction: "ingress", proto: "icmp" } as const;
  const ask: PolicyRuleInput = { ...rule, name: "who", action: "ask" };
  await node.dp.apply(document([ask]));
  let asked = 0;
  using _ = node.dp.onFlowMiss((misses) => {
    for (const miss of misses) {
      asked++;
      miss.decide({ action: "forward" });
    }
  });
  await using ping = node.lab.spawn("a", ["ping", "-i", "0.05", "-e", "77", pods.b.ipv4]);
  await ping.waitForOutput(/icmp_seq=3/);
  const key = { vrf: "red", proto: "icmp", src: pods.a.ipv4, sport: 77, dst: pods.b.ipv4, dport: 77 };
  const { generation } = node.dp.flows.get(key) ?? {};
  // It matches the flow, and comes after the rule that decides.
  await node.dp.apply(document([ask, { ...rule, name: "more", action: "deny" }]));
  expect(node.dp.flows.get(key)?.generation).toBe(generation as number);
  expect(asked).toBe(1);
  await node.dp.apply(document([{ ...rule, name: "first", action: "deny" }, ask]));
  expect(node.dp.flows.get(key)?.generation).not.toBe(generation as number);
});

test("what a change of a rule and of an interface's list would concern is foreseen", async () => {
  await using node = await DataPlaneNode.start({ name: "foreseen", hook: "tc" });
  const deny = (port: number) => ({ action: "deny", direction: "ingress", proto: "udp", ports: [port] });
  const policy = (name: string, ...ports: number[]) => ({ name, default: "allow", rules: ports.map(deny) });
  const state = (list: string[], ...policies: object[]) => node.document({ b: { policies: list } }, { policies });
  await node.dp.apply(state(["one"], policy("one", 1), policy("two", 1)));
  const ends = { vrf: "red", proto: "udp", src: pods.a.ipv4, dst: pods.b.ipv4 };
  const flow = (port: number): FlowSetting => ({
    ...ends,
    sport: port,
    dport: port,
    action: "forward",
    interface: "va",
  });
  node.dp.flows.set(Array.from({ length: 100 }, (_, i) => flow(100 + i)));
  const touched = async (list: string[], ...policies: object[]) => (await node.dp.plan(state(list, ...policies))).flows;
  expect(await touched(["one"], policy("one", 1), policy("two", 1))).toBe(0);
  expect(await touched(["one"], policy("one", 1, 110), policy("two", 1))).toBe(2);
  expect(await touched(["two"], policy("one", 1), policy("two", 1, 111))).toBe(2);
  expect(await touched(["two"], policy("one", 1, 110), policy("two", 1, 111))).toBe(4);
  expect(await touched(["one", "new"], policy("one", 1), policy("two", 1), policy("new", 112, 113))).toBe(4);
  expect(await touched(["one"], { ...policy("one", 1), default: "deny" }, policy("two", 1))).toBe(200);
  await node.dp.apply(state(["one", "new"], policy("one", 1), policy("two", 1), policy("new", 112, 113)));
  expect([...node.dp.flows.entries({ proto: "udp" })].length).toBe(196);
});

test("a change of routes or next hops concerns the flows that they lead, in either direction, and no others", async () => {
  await using node = await DataPlaneNode.start({ name: "ways", hook: "tc" });
  const hop = (name: string) => ({ name, type: "interface", device: pods.b.device });
  const route = (prefix: string, via: string, vrf = "red") => ({ vrf, prefix, via });
  const state = (...routes: object[]) =>
    node.document(
      { b: { policies: ["open"] } },
      {
        vrfs: [{ name: "red" }, { name: "blue" }],
        policies: [{ name: "open", default: "allow" }],
        nexthops: [hop("one"), hop("two")],
        routes: [route("198.51.100.0/24", "one"), route("2001:db8::/64", "one"), ...routes],
      },
    );
  await node.dp.apply(state());
  const flow = (src: string, dst: string, sport: number): FlowSetting => {
    const key = { vrf: "red", proto: "udp", src, sport, dst, dport: 9 };
    return { ...key, action: "forward", interface: "va" };
  };
  const flows = Array.from({ length: 400 }, (_, i) => [
    flow(pods.a.ipv4, `198.51.100.${i % 256}`, i),
    flow(pods.a.ipv6, `2001:db8::${(i % 256).toString(16)}`, i),
  ]).flat();
  expect(new Set(node.dp.flows.set(flows))).toEqual(new Set(["ok"]));
  // Two entries each; of 256 addresses the first 144 have two flows.
  const touched = async (...routes: object[]) => (await node.dp.plan(state(...routes))).flows;
  expect(await touched(route("198.51.100.0/28", "two"))).toBe(2 * 2 * 16);
  expect(await touched(route("198.51.100.192/26", "two"))).toBe(2 * 64);
  expect(await touched(route("2001:db8::80/121", "two"))).toBe(2 * (128 + 16));
  expect(await touched(route("198.51.100.7/32", "two"), route("2001:db8::7/128", "two"))).toBe(2 * 2 * 2);
  // By their sources: in the way of their answers.
  expect(await touched(route("10.97.0.0/30", "two"))).toBe(2 * 400);
  expect(await touched(route("203.0.113.0/24", "two"))).toBe(0);
  expect(await touched(route("198.51.100.0/28", "two", "blue"))).toBe(0);
  // What one of so many prefixes holds is not told apart: all look for their way.
  const many = Array.from({ length: 5000 }, (_, i) => route(`100.64.${i >> 8}.${i & 255}/32`, "two"));
  expect(await touched(...many)).toBe(2 * flows.length);
  const { nexthops, ...rest } = state() as { nexthops: object[] };
  const discarding = { ...rest, nexthops: [{ name: "one", type: "discard" }, hop("two")] };
  expect((await node.dp.plan(discarding)).flows).toBe(2 * flows.length);
});
