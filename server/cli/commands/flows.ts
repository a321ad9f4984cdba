// SPDX-License-Identifier: Apache-2.0
import type { StateObject } from "../../dataplane.ts";
import { Client } from "../client.ts";
import { flowColumns } from "../columns.ts";
import { defineCommand, outputFlag, wantsJson } from "../command.ts";
import { formatTable } from "../table.ts";

export const flows = defineCommand({
  name: "flows",
  summary: "list or delete flows of the kernel's flow table",
  usage: "[--vrf V] [--src A] [--dst A] [--proto P] [--sport N] [--dport N] [--delete] [-o json]",
  help: `
      --vrf V        only flows of VRF V
      --src A        only flows from an address or prefix; --dst A: to one
      --proto P      only tcp, udp, icmp, icmpv6, or a protocol number
      --sport N      only flows from a port; --dport N: to one
      --delete       delete them: their next packets are decided anew
  -o, --output json  one entry per direction, for programs`,
  flags: {
    vrf: { type: "string" },
    src: { type: "string" },
    dst: { type: "string" },
    proto: { type: "string" },
    sport: { type: "string" },
    dport: { type: "string" },
    delete: { type: "boolean" },
    ...outputFlag,
  },
  run: async ({ flags }, { terminal, endpoint }) => {
    const { delete: remove, output, ...query } = flags;
    const json = wantsJson(output);
    const client = new Client(endpoint);
    if (remove) {
      const answer = await client.json<{ deleted: number }>("DELETE", "/v1/flows", { query });
      await terminal.out(json ? `${JSON.stringify(answer)}\n` : `${answer.deleted} deleted\n`);
      return 0;
    }
    const response = await client.response("GET", "/v1/flows", { query });
    if (!json) {
      await terminal.out(formatTable(flowColumns, (await response.json()) as StateObject[]));
      return 0;
    }
    // A million flows pass through without being held here.
    if (response.body !== null) for await (const chunk of response.body) await terminal.out(chunk);
    await terminal.out("\n");
    return 0;
  },
});
