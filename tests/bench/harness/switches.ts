// SPDX-License-Identifier: Apache-2.0
/** Those that are compared when they set up new flows. */

import type { Rule } from "../../../sdk/index.ts";
import { conntrackLab, type NftRules } from "./conntrack.ts";
import { onFlowMiss } from "./forward_all.ts";
import { NewFlows, type Outcome, type Trial } from "./new_flows.ts";
import { OpenVSwitch } from "./openvswitch.ts";
import { installed } from "./process.ts";
import { SameNode } from "./topology.ts";
import { WeirNode } from "./weir.ts";

/** The generator has the other one: each contender does on this what can be moved to another CPU. */
const WORK_CPU = 1;

/** A way to set up flows; every trial finds an empty table. */
export interface Switch {
  readonly label: string;
  trial(trial: Trial): Promise<Outcome>;
}

/** What Weir does: its policy decides each flow once. `stack` keeps it until the end. */
export async function weirSwitch(stack: AsyncDisposableStack, rules: readonly Rule[] = []): Promise<Switch> {
  const lab = stack.use(await SameNode.create({ id: "w", routed: false }));
  const node = stack.use(await WeirNode.start(lab, { hook: "tc", policy: true, rules, workerCpus: [WORK_CPU] }));
  const newFlows = stack.use(await NewFlows.attach(lab));
  return {
    label: "Weir, TC hook",
    trial: async (trial) => {
      node.forgetFlows();
      return newFlows.run(trial);
    },
  };
}

/** Each flow is asked for: of a module in the worker, and of the same handler on the main thread. */
export async function askedSwitches(stack: AsyncDisposableStack): Promise<Switch[]> {
  const lab = stack.use(await SameNode.create({ id: "q", routed: false }));
  const rules = [{ name: "ask", action: "ask", direction: "egress", proto: "any" }] as const;
  const node = stack.use(await WeirNode.start(lab, { hook: "tc", policy: true, rules, workerCpus: [WORK_CPU] }));
  const newFlows = stack.use(await NewFlows.attach(lab));
  const { dataPlane } = node;
  const asking = (label: string, register: () => Promise<Disposable>): Switch => ({
    label,
    trial: async (trial) => {
      node.forgetFlows();
      using _ = await register();
      return await newFlows.run(trial);
    },
  });
  return [
    asking("handler in the worker", async () => {
      const module = dataPlane.onFlowMiss(new URL("./forward_all.ts", import.meta.url));
      await module.ready;
      return module;
    }),
    asking("handler on the main thread", async () => dataPlane.onFlowMiss(onFlowMiss)),
  ];
}

/** The only cheap way to an empty table is a new namespace. */
export function conntrackSwitch(label: string, rules?: NftRules): Switch {
  return {
    label,
    trial: async (trial) => {
      await using lab = await conntrackLab("n", rules);
      await using newFlows = await NewFlows.attach(lab);
      return await newFlows.run(trial);
    },
  };
}

/** Its user-space datapath with AF_XDP ports and OpenFlow rules. */
export async function openVSwitch(stack: AsyncDisposableStack, flows: readonly string[]): Promise<Switch> {
  const lab = stack.use(await SameNode.create({ id: "o", routed: false }));
  const ovs = stack.use(await OpenVSwitch.start(lab, flows));
  const newFlows = stack.use(await NewFlows.attach(lab));
  return {
    label: "Open vSwitch, AF_XDP",
    trial: async (trial) => {
      await ovs.flush();
      return newFlows.run(trial);
    },
  };
}

/** Which rivals this machine has; what it lacks goes to `notRun`. */
export async function rivalsHere(notRun: string[]): Promise<{ nftables: boolean; openvswitch: boolean }> {
  const nftables = await installed("nft");
  const openvswitch = await installed("ovs-vswitchd");
  if (!nftables) notRun.push("conntrack: nftables is not installed");
  if (!openvswitch) notRun.push("Open vSwitch: openvswitch-switch is not installed");
  return { nftables, openvswitch };
}
