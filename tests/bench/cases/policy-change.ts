// SPDX-License-Identifier: Apache-2.0
/** How soon a change of policy stops flows that are there, and what the others notice of it. */

import type { Rule } from "../../../sdk/index.ts";
import { aclRules, asPolicy } from "../harness/acl.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { NEW_FLOW_OBJECTS, NEW_FLOW_PROGRAMS } from "../harness/new_flows.ts";
import { type ChangeOutcome, PolicyChange, portsOf, type Watched } from "../harness/policy_change.ts";
import type { Figure, Result, Series } from "../harness/result.ts";
import { median } from "../harness/statistics.ts";
import { SameNode, SERVER } from "../harness/topology.ts";
import { CLIENT_INTERFACE, CLIENT_POLICY, VRF, WeirNode } from "../harness/weir.ts";

const RULES = 1000;
/** Of other interfaces. */
const OTHER_POLICIES = 100;
const OTHER_RULES = 100;
const FLOWS = 100_000;
const MANY_FLOWS = 1_000_000;
const SETUP_RATE = 60_000;
const RATE = 40_000;
const ONE_RATE = 5000;
const TARGET_MS = 100;
const MAX_ROUNDS = 3;

/** The flow that is denied alone, and the ports of about a tenth of all. */
const ONE = portsOf(77);
const ONE_FLOW: Watched = { source: [ONE.source, ONE.source], destination: [ONE.destination, ONE.destination] };
const A_TENTH: Watched = { source: [0, 65_535], destination: [8000, 8012] };

const denied = ({ source, destination }: Watched): Rule => ({
  action: "deny",
  direction: "egress",
  proto: "udp",
  sourcePorts: [source.join("-")],
  ports: [destination.join("-")],
});

/** A change, and what takes it back. */
interface Change {
  readonly label: string;
  readonly watched: Watched;
  make(node: WeirNode): Promise<unknown>;
}

const rules = (): Rule[] => asPolicy(aclRules(RULES));
const SET = "banned";

/** All flows go to one address: a member of the set concerns each, and only the rule's ports tell which one it denies. */
const base = (): Rule[] => [{ ...denied(ONE_FLOW), to: [{ set: SET }] }, ...rules()];

const putRules = (node: WeirNode, list: readonly Rule[]) =>
  node.dataPlane
    .transaction()
    .put("policies", { name: CLIENT_POLICY, default: "allow", rules: [...list] })
    .commit();

const putMembers = (node: WeirNode, prefixes: string[]) =>
  node.dataPlane.transaction().put("sets", { name: SET, prefixes }).commit();

const usePolicies = (node: WeirNode, policies: string[]) => {
  const { owner: _, status: __, ...object } = node.dataPlane.tables.interfaces.get(CLIENT_INTERFACE) ?? {};
  return node.dataPlane
    .transaction()
    .put("policies", { name: "other", default: "allow", rules: [denied(A_TENTH), ...rules()] })
    .put("interfaces", { ...(object as { name: string; role: "workload" }), policies })
    .commit();
};

const CHANGES: readonly Change[] = [
  {
    label: "one flow, by a rule",
    watched: ONE_FLOW,
    make: (node) => putRules(node, [denied(ONE_FLOW), ...base()]),
  },
  { label: "one flow, by a member of a set", watched: ONE_FLOW, make: (node) => putMembers(node, [SERVER.address]) },
  { label: "a tenth, by a rule", watched: A_TENTH, make: (node) => putRules(node, [denied(A_TENTH), ...base()]) },
  { label: "a tenth, by other policies", watched: A_TENTH, make: (node) => usePolicies(node, ["other"]) },
];

/** Policies of other interfaces, which wait for devices: they are compiled and in force all the same. */
async function putOthers(node: WeirNode): Promise<void> {
  const transaction = node.dataPlane.transaction();
  const all = asPolicy(aclRules(OTHER_POLICIES * OTHER_RULES));
  for (let i = 0; i < OTHER_POLICIES; i++) {
    const name = `other-${i}`;
    transaction.put("policies", { name, rules: all.slice(i * OTHER_RULES, (i + 1) * OTHER_RULES) });
    transaction.put("interfaces", { name, role: "workload", vrf: VRF, optional: true, policies: [name] });
  }
  await transaction.commit();
}

async function takeBack(node: WeirNode): Promise<void> {
  await putRules(node, base());
  await putMembers(node, ["192.0.2.1"]);
  await usePolicies(node, [CLIENT_POLICY]);
}

interface Measured {
  readonly change: Change;
  readonly outcomes: readonly ChangeOutcome[];
}

async function measure(flows: number, changes: readonly Change[], settings: Settings): Promise<Measured[]> {
  await using lab = await SameNode.create({ id: "pc", routed: false });
  await using node = await WeirNode.start(lab, {
    hook: "tc",
    policy: true,
    flows: 2 ** Math.ceil(Math.log2(4 * flows)),
  });
  await putMembers(node, ["192.0.2.1"]);
  await putOthers(node);
  await takeBack(node);
  await using traffic = await PolicyChange.attach(lab);
  const outcomes: ChangeOutcome[][] = changes.map(() => []);
  for (let round = 1; round <= Math.min(settings.rounds, MAX_ROUNDS); round++) {
    for (const [i, change] of changes.entries()) {
      settings.progress(`round ${round}, ${flows} flows: ${change.label}`);
      await traffic.establish(flows, SETUP_RATE);
      await settings.patience.wait();
      outcomes[i]?.push(
        await traffic.run({ flows, rate: RATE, oneRate: ONE_RATE }, change.watched, () => change.make(node)),
      );
      await takeBack(node);
    }
  }
  return changes.map((change, i) => ({ change, outcomes: outcomes[i] ?? [] }));
}

async function run(settings: Settings): Promise<Result> {
  await build(NEW_FLOW_PROGRAMS, NEW_FLOW_OBJECTS);
  const few = await measure(FLOWS, CHANGES, settings);
  const many = await measure(MANY_FLOWS, CHANGES.slice(0, 1), { ...settings, rounds: 1 });
  const series = (measured: readonly Measured[], flows: number): Series[] =>
    measured.flatMap(({ change: { label }, outcomes }) => [
      {
        label: `${flows} flows, ${label}: last packet that passed`,
        unit: "ms",
        samples: outcomes.map(({ lastMs }) => lastMs),
      },
      {
        label: `${flows} flows, ${label}: main thread kept`,
        unit: "ms",
        samples: outcomes.map(({ blockedMs }) => blockedMs),
      },
    ]);
  const lost = [...few, ...many].reduce(
    (sum, { outcomes }) => sum + outcomes.reduce((total, each) => total + each.lost, 0),
    0,
  );
  const figures: Figure[] = few.map(({ change: { label }, outcomes }) => ({
    label: `${FLOWS} flows, ${label}: last packet that passed`,
    value: median(outcomes.map(({ lastMs }) => lastMs)),
    unit: "ms",
    target: { atMost: TARGET_MS },
  }));
  return {
    series: [...series(few, FLOWS), ...series(many, MANY_FLOWS)],
    figures: [
      ...figures,
      { label: "packets of other flows lost", value: lost, unit: "packets", target: { atMost: 0 } },
    ],
    notes: [
      `from the call of the change; ${RULES} rules, and ${OTHER_RULES} in each of ${OTHER_POLICIES} other policies; ${RATE} packets/s over all flows, ${ONE_RATE}/s of one that is denied`,
      "main thread kept: from the call until it returns its promise",
    ],
    notRun: [],
  };
}

export const policyChange: Benchmark = {
  name: "policy-change",
  title: "a change of policy under traffic: when denied flows stop",
  run,
};
