// SPDX-License-Identifier: Apache-2.0
/** What a command is: its name, its flags, and what it does. One file each in commands/. */

import type { ParseArgsOptionsConfig } from "node:util";
import { parseArgs } from "node:util";
import type { Endpoint } from "../endpoint.ts";
import { UsageError } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

/** The values that `parseArgs` gives for flags `O`. */
type Values<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true; strict: true }>
>["values"];

/** What every command gets beside its own flags. */
export interface Context {
  readonly terminal: Terminal;
  /** Name of the instance. */
  readonly instance: string;
  /** Where the instance is talked to. */
  readonly endpoint: Endpoint;
  /** Version of weir. */
  readonly version: string;
}

/** A command, its flags resolved. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the name: `-f FILE [--dry-run]`. */
  readonly usage: string;
  /** Lines of help, flag by flag. */
  readonly help: string;
  /** Parses `args` and runs. Resolves to the exit status. */
  readonly main: (args: readonly string[], context: Context) => Promise<number>;
}

/** What a command is declared with. */
export interface CommandDeclaration<O extends ParseArgsOptionsConfig> {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  readonly help?: string;
  readonly flags: O;
  /** Fewest and most arguments beside flags. Default: none. */
  readonly arguments?: readonly [least: number, most: number];
  readonly run: (
    call: { readonly flags: Values<O>; readonly args: readonly string[] },
    context: Context,
  ) => Promise<number>;
}

/** Declares a command. */
export function defineCommand<const O extends ParseArgsOptionsConfig>(d: CommandDeclaration<O>): Command {
  const usage = `weir ${d.name}${d.usage === "" ? "" : ` ${d.usage}`}`;
  const wrong = (reason: string) => new UsageError(`Cannot run weir ${d.name}: ${reason}; usage: ${usage}`);
  const [least, most] = d.arguments ?? [0, 0];
  return {
    name: d.name,
    summary: d.summary,
    usage: d.usage,
    help: d.help ?? "",
    main: async (args, context) => {
      const { values, positionals } = parse(args, d.flags, wrong);
      if (positionals.length < least) throw wrong("an argument is missing");
      const extra = positionals[most];
      if (extra !== undefined) throw wrong(`"${extra}" is one argument too many`);
      return d.run({ flags: values, args: positionals }, context);
    },
  };
}

function parse<O extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: O,
  wrong: (reason: string) => Error,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    // "Unknown option '--foo'. To specify a positional argument ..." : the first sentence says it.
    const reason = error instanceof Error ? (error.message.split(/\. |\n/, 1)[0] ?? "") : String(error);
    throw wrong(reason.charAt(0).toLowerCase() + reason.slice(1));
  }
}

/** The flag `-o json`. */
export const outputFlag = { output: { type: "string", short: "o" } } as const;

/** True for `-o json`, false without. Anything else is wrong usage. */
export function wantsJson(output: string | undefined): boolean {
  if (output === undefined || output === "json") return output === "json";
  throw new UsageError(`Cannot write output as "${output}": the only format is json; usage: -o json`);
}
