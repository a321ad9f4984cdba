// SPDX-License-Identifier: Apache-2.0
/** Running the measuring programs: in a namespace, on a CPU, and never longer than allowed. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { WeirError } from "../../../sdk/errors.ts";
import { removeOnInterrupt } from "./interrupt.ts";
import { Lines } from "./lines.ts";

const DEFAULT_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 3_000;

export interface Placement {
  /** Name of the network namespace; default: the caller's own. */
  readonly netns?: string;
  /** The only CPU it may run on; default: all. */
  readonly cpu?: number;
}

export interface RunOptions extends Placement {
  readonly timeoutMs?: number;
  /** Given to it as standard input. */
  readonly input?: string;
}

/** nsenter, not `ip netns exec`: that one hides bpffs. */
function placed(argv: readonly string[], where: Placement): string[] {
  const enter = where.netns === undefined ? [] : ["nsenter", `--net=/run/netns/${where.netns}`];
  const pin = where.cpu === undefined ? [] : ["taskset", "-c", String(where.cpu)];
  return [...enter, ...pin, ...argv];
}

function start(argv: readonly string[], where: Placement): ChildProcessWithoutNullStreams {
  const [program = "", ...args] = placed(argv, where);
  return spawn(program, args, { stdio: "pipe" });
}

function failed(argv: readonly string[], code: string, reason: string): WeirError {
  return new WeirError({ code, operation: `run "${argv.join(" ")}"`, reason });
}

/**
 * Runs a program to its end and returns its standard output.
 * @throws WeirError `EEXIT` when it fails, `ETIMEDOUT` when it takes too long.
 */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = start(argv, options);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  let stdout = "";
  let stderr = "";
  const timer = setTimeout(() => {
    child.kill("SIGKILL");
    reject(failed(argv, "ETIMEDOUT", `still running after ${timeoutMs} ms`));
  }, timeoutMs);
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.on("error", (error) => {
    clearTimeout(timer);
    reject(failed(argv, "ENOENT", error.message));
  });
  child.on("close", (status, signal) => {
    clearTimeout(timer);
    if (status === 0) resolve(stdout);
    else reject(failed(argv, "EEXIT", `${stderr.trim() || stdout.trim()} (${signal ?? `status ${status}`})`));
  });
  child.stdin.on("error", () => {}); // it may end before it has read all: its status tells
  child.stdin.end(options.input ?? "");
  return promise;
}

/** Runs a program that prints one JSON object. */
export async function measure<T>(argv: readonly string[], options: RunOptions = {}): Promise<T> {
  return JSON.parse(await run(argv, options)) as T;
}

/** Whether a program of that name is installed. */
export async function installed(program: string): Promise<boolean> {
  return run(["sh", "-c", `command -v ${program}`]).then(
    () => true,
    () => false,
  );
}

/** A program that runs beside the measurement and prints a JSON object a line. */
export class Tool implements AsyncDisposable {
  readonly #argv: readonly string[];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Lines;
  /** How it ended, once it has. */
  readonly #closed: Promise<string>;
  #stderr = "";

  private constructor(argv: readonly string[], where: Placement) {
    this.#argv = argv;
    this.#child = start(argv, where);
    this.#child.on("error", (error) => {
      this.#stderr += error.message;
    });
    this.#child.stderr.on("data", (chunk) => {
      this.#stderr += chunk;
    });
    this.#child.stdin.on("error", () => {}); // seen as the end of its output
    const gone = removeOnInterrupt(() => void this.#child.kill("SIGKILL"));
    this.#child.once("close", gone);
    this.#lines = new Lines(this.#child.stdout);
    this.#closed = new Promise((resolve) => {
      this.#child.once("close", (status, signal) => resolve(signal ?? `status ${status}`));
    });
  }

  /** Starts it and waits for its first line. */
  static async start(argv: readonly string[], where: Placement = {}): Promise<Tool> {
    const tool = new Tool(argv, where);
    try {
      await tool.next();
      return tool;
    } catch (error) {
      await tool[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The next object that it prints. */
  async next<T>(timeoutMs = 10_000): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(failed(this.#argv, "ETIMEDOUT", "no answer")), timeoutMs);
    try {
      const line = await Promise.race([this.#lines.next(), late]);
      if (line === undefined) throw await this.#ended();
      return JSON.parse(line) as T;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The error of a program that ended too early: what it said, which comes after the end of its output. */
  async #ended(): Promise<WeirError> {
    const status = await Promise.race([this.#closed, sleep(END_TIMEOUT_MS, "no status yet")]);
    return failed(this.#argv, "EEXIT", this.#stderr.trim() || `it ended without an answer (${status})`);
  }

  /** Sends it a line and returns its answer. */
  ask<T>(line = ""): Promise<T> {
    this.#child.stdin.write(`${line}\n`);
    return this.next<T>();
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) return;
    this.#child.stdin.end();
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_TIMEOUT_MS);
    await this.#closed;
    clearTimeout(timer);
  }
}
