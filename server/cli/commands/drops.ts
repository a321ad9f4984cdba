// SPDX-License-Identifier: Apache-2.0
import type { DropCounter } from "../../dataplane.ts";
import { Client } from "../client.ts";
import { dropColumns } from "../columns.ts";
import { defineCommand, outputFlag, wantsJson } from "../command.ts";
import { formatTable } from "../table.ts";

export const drops = defineCommand({
  name: "drops",
  summary: "count dropped packets by interface and reason",
  usage: "[-o json]",
  help: `
  -o, --output json  print for programs`,
  flags: outputFlag,
  run: async ({ flags }, { terminal, endpoint }) => {
    const json = wantsJson(flags.output);
    const counters = await new Client(endpoint).json<DropCounter[]>("GET", "/v1/drops");
    await terminal.out(json ? `${JSON.stringify(counters, null, 2)}\n` : formatTable(dropColumns, counters));
    return 0;
  },
});
