// SPDX-License-Identifier: Apache-2.0
import type { Lab } from "../../../sdk/lab/index.ts";
import { DEFAULT_INSTANCE } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../failure.ts";

/** What `weir lab up` builds unless it is told. */
const DEFAULT_TOPOLOGY = "pods";

export const lab = defineCommand({
  name: "lab",
  summary: "namespaces to try it in",
  usage: "up|down [TOPOLOGY]",
  help: `
  TOPOLOGY           pods: a node and pods a, b, c that Weir is to connect (default)
                     routed: the same, connected by Linux's own routing
                     two-nodes: nodes n1 and n2, pods a1, b1 and a2, b2, a fabric
                     two-uplinks: the same, two fabric links each, through a router
                     outside: two nodes, and a host out behind n1
                     kernel-vxlan: two nodes, connected by Linux's own VXLAN
                     mixed-vxlan: two nodes, n2 with Linux's own VXLAN
      --name NAME    the lab weir-NAME-* instead of weir-*`,
  flags: {},
  arguments: [1, 2],
  run: async ({ args }, { terminal, instance }) => {
    const [action = "", wanted] = args;
    if (action !== "up" && action !== "down") {
      throw new UsageError(`Cannot run weir lab ${action}: it is up or down; usage: weir lab up|down [TOPOLOGY]`);
    }
    const { DEFAULT_PREFIX, Lab, topologyNames } = await import("../../../sdk/lab/index.ts");
    const topology = topologyNames.find((name) => name === (wanted ?? DEFAULT_TOPOLOGY));
    if (topology === undefined) {
      throw new UsageError(
        `Cannot build a lab "${wanted}": there is no such topology; they are: ${topologyNames.join(" ")}`,
      );
    }
    const prefix = instance === DEFAULT_INSTANCE ? DEFAULT_PREFIX : `${DEFAULT_PREFIX}${instance}-`;
    if (action === "up") await terminal.out(describeLab(Lab.create(topology, { prefix })));
    else Lab.find(prefix)?.destroy();
    return 0;
  },
});

/** The namespaces, and how to go on. */
function describeLab(lab: Lab): string {
  const lines = lab.namespaces.map((name) => `${lab.netns(name)}\n`);
  return `${lines.join("")}Enter one with: nsenter --net=/run/netns/NAME\n`;
}
