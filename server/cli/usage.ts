// SPDX-License-Identifier: Apache-2.0
/** What `weir help` prints. */

import type { Command } from "./command.ts";

const everywhere = `
Every command:
      --name NAME     the instance (default: default); several live side by side on one host
      --connect ADDR  where it is talked to: unix:PATH or HOST:PORT (default: unix:/run/weir/NAME.sock;
                      the token of a TCP listener is taken from WEIR_TOKEN)
  -h, --help          help on a command

Exit status: 0, 1 (failed), 2 (wrong usage).
`;

/** The list of commands. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `Weir: an eBPF data plane for network controllers.\n\nUsage: weir COMMAND [FLAGS]\n\n${lines.join("")}${everywhere}`;
}

/** Help on one command. */
export function commandHelp({ name, summary, usage, help }: Command): string {
  const flags = help === "" ? "" : `${help}\n`;
  return `weir ${name}: ${summary}\n\nUsage: weir ${name}${usage === "" ? "" : ` ${usage}`}\n${flags}${everywhere}`;
}
