#!/usr/bin/env bun
// SPDX-License-Identifier: Apache-2.0
/** The `weir` command: takes the command line apart, runs the command, turns errors into one line and an exit status. */

import manifest from "../../package.json" with { type: "json" };
import { parseCommandLine } from "./arguments.ts";
import { commands } from "./commands/index.ts";
import { describeError, UsageError } from "./failure.ts";
import { processTerminal, type Terminal } from "./terminal.ts";
import { commandHelp, overview } from "./usage.ts";

/** Runs `weir` with these arguments. Resolves to the exit status: 0, 1 (failed) or 2 (wrong usage). */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const { command: name, args, instance, endpoint, help, version } = parseCommandLine(argv);
    const asked = name === "help" ? args[0] : name;
    if (version || name === "version") {
      await terminal.out(`weir ${manifest.version}\n`);
      return 0;
    }
    const command = commands.find((one) => one.name === asked);
    if (asked !== undefined && command === undefined) {
      throw new UsageError(`Cannot run weir ${asked}: there is no such command; see: weir help`);
    }
    if (help || name === "help") {
      await terminal.out(command === undefined ? overview(commands) : commandHelp(command));
      return 0;
    }
    if (command === undefined) throw new UsageError("Cannot run weir: which command? see: weir help");
    return await command.main(args, { terminal, instance, endpoint, version: manifest.version });
  } catch (error) {
    terminal.err(`weir: ${describeError(error)}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

if (import.meta.main) process.exit(await main(process.argv.slice(2), processTerminal()));
