// SPDX-License-Identifier: Apache-2.0
/** The command line before the command's own flags: `weir [--name NAME] COMMAND ...`. */

import { checkInstance, type Endpoint, parseEndpoint, socketOf } from "../endpoint.ts";
import { UsageError } from "./failure.ts";

/** A command line, taken apart. */
export interface CommandLine {
  /** Undefined if there is none. */
  readonly command: string | undefined;
  /** What is left for the command. */
  readonly args: readonly string[];
  readonly instance: string;
  readonly endpoint: Endpoint;
  readonly help: boolean;
  readonly version: boolean;
}

/** Name of the instance unless `--name` says otherwise. */
export const DEFAULT_INSTANCE = "default";

const valued = ["--name", "--connect"] as const;
type Valued = (typeof valued)[number];

/**
 * Takes the flags that every command has out of `argv`, wherever they stand before `--`.
 * @throws UsageError for a flag without its value, and for a name or an address that cannot be one.
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const values = new Map<Valued, string>();
  const rest: string[] = [];
  let help = false;
  let version = false;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (word === "--") {
      rest.push(...argv.slice(i));
      break;
    }
    const flag = valued.find((one) => word === one || word.startsWith(`${one}=`));
    if (flag !== undefined) {
      const value = word === flag ? argv[++i] : word.slice(flag.length + 1);
      if (value === undefined)
        throw new UsageError(`Cannot read the command line: ${flag} lacks its value; see: weir help`);
      values.set(flag, value);
    } else if (word === "--help" || word === "-h") help = true;
    else if (word === "--version" || word === "-V") version = true;
    else rest.push(word);
  }
  const [command, ...args] = rest;
  if (command?.startsWith("-")) {
    throw new UsageError(`Cannot read the command line: unknown flag ${command}; see: weir help`);
  }
  const connect = values.get("--connect");
  const instance = asUsage(() => checkInstance(values.get("--name") ?? DEFAULT_INSTANCE));
  const endpoint = connect === undefined ? socketOf(instance) : asUsage(() => parseEndpoint(connect));
  return { command, args, instance, endpoint, help, version };
}

/** Runs `read`; what it refuses was asked wrongly. */
export function asUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
