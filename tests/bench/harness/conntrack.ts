// SPDX-License-Identifier: Apache-2.0
/** The kernel's own stateful forwarding as a rival: routing, nf_conntrack and an nftables chain. */

import { run } from "./process.ts";
import { SameNode } from "./topology.ts";

/** Rules of a stateful chain that forwards new connections unless one of `rules` drops them. */
function ruleset({ definitions, rules }: NftRules): string {
  return `table ip filter {
${definitions}
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ct state invalid drop
${rules}
    ct state new accept
  }
}
`;
}

/** Receive packet steering takes the work off the generator's CPU. */
const WORK_CPU = 1;

/** What is added to the table `ip filter`, and what new connections pass in its chain. */
export interface NftRules {
  readonly definitions: string;
  readonly rules: string;
}

/**
 * A routed lab with connection tracking. A namespace's connections are counted and freed with
 * it: a new lab is an empty table.
 */
export async function conntrackLab(id: string, rules: NftRules = { definitions: "", rules: "" }): Promise<SameNode> {
  const lab = await SameNode.create({ id, routed: true });
  try {
    await run(["nft", "-f", "-"], { netns: lab.node, input: ruleset(rules) });
    const queue = `/sys/class/net/${lab.clientDevice}/queues/rx-0/rps_cpus`;
    const mask = (1 << WORK_CPU).toString(16);
    await run(["ip", "netns", "exec", lab.node, "sh", "-c", `echo ${mask} > ${queue}`]);
    return lab;
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}
