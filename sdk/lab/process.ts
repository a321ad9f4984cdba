// SPDX-License-Identifier: Apache-2.0
/** Programs that run in a network namespace. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { WeirError } from "../errors.ts";

/** How to run a program. */
export interface ExecOptions {
  /** Time after which it is killed. Default 30 000 where its end is waited for (`exec`), never for `spawn`. */
  readonly timeoutMs?: number | undefined;
  /** What it reads from its standard input. Default: nothing. */
  readonly input?: string | Uint8Array | undefined;
  /** Environment variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Working directory. Default: this process's. */
  readonly cwd?: string | undefined;
}

/** How a program ended. */
export interface ExecResult {
  /** Exit status; 128 + the signal's number if a signal ended it, as shells say. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** It was killed because its time was over. */
  readonly timedOut: boolean;
}

/** Time that a program gets whose end is waited for. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** Signals that end programs here; others are told as 128. */
const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

function statusOf(code: number | null, signal: string | null): number {
  return code ?? 128 + (signalNumbers[signal ?? ""] ?? 0);
}

/**
 * nsenter changes the network namespace and nothing else, then becomes the program. `ip netns exec` would
 * also mount a new /sys, which hides bpffs.
 */
function commandIn(path: string, argv: readonly string[]): [string, string[]] {
  if (argv.length === 0) throw new WeirError({ code: "EINVAL", operation: "run a program", reason: "none is named" });
  return ["nsenter", [`--net=${path}`, "--", ...argv]];
}

function environment(o: ExecOptions): NodeJS.ProcessEnv {
  return { ...process.env, ...o.env };
}

function failure(argv: readonly string[], error: Error): WeirError {
  const code = (error as NodeJS.ErrnoException).code ?? "EIO";
  const hint = code === "ENOENT" ? "install util-linux (nsenter)" : undefined;
  return new WeirError({ code, operation: `run "${argv.join(" ")}"`, reason: error.message, hint, cause: error });
}

/** A program that was started in a namespace. Disposing kills it and waits for its end. */
export class LabProcess implements AsyncDisposable {
  /** Resolves when the program has ended and all its output has been read. */
  readonly exited: Promise<ExecResult>;
  readonly #child: ChildProcess;
  readonly #argv: readonly string[];
  readonly #waiters = new Set<() => void>();
  #stdout = "";
  #stderr = "";
  #timedOut = false;
  #ended = false;

  private constructor(path: string, argv: readonly string[], o: ExecOptions) {
    const [command, args] = commandIn(path, argv);
    this.#argv = argv;
    // In a process group of its own, so that what it starts ends with it.
    this.#child = spawn(command, args, {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: environment(o),
      ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
    });
    this.exited = this.#watch(o.timeoutMs);
    // Whoever waits gets the error; a program that nobody waits for must not end this process.
    this.exited.catch(() => {});
    // It may end without reading.
    this.#child.stdin?.on("error", () => {});
    this.#child.stdin?.end(o.input);
  }

  /**
   * @param path the namespace's, e.g. `/run/netns/weir-a`
   * @throws WeirError `EINVAL` if no program is named; that one cannot be started is told by `exited`
   */
  static start(path: string, argv: readonly string[], o: ExecOptions = {}): LabProcess {
    return new LabProcess(path, argv, o);
  }

  /** Process id; `undefined` if it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** What it has written so far. */
  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get running(): boolean {
    return !this.#ended;
  }

  /**
   * Waits until its output (stdout, then stderr) matches.
   * @throws WeirError `ETIMEDOUT`, or `ESRCH` if it ends before
   */
  async waitForOutput(pattern: RegExp, o: { readonly timeoutMs?: number } = {}): Promise<RegExpMatchArray> {
    const timeoutMs = o.timeoutMs ?? 5000;
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = this.#stdout.match(pattern) ?? this.#stderr.match(pattern);
      if (match !== null) return match;
      const left = deadline - Date.now();
      if (this.#ended || left <= 0) {
        throw new WeirError({
          code: this.#ended ? "ESRCH" : "ETIMEDOUT",
          operation: `wait for ${pattern} from "${this.#argv.join(" ")}"`,
          reason: this.#ended ? `it has ended: ${this.#stderr.trim()}` : `it did not come within ${timeoutMs} ms`,
        });
      }
      await this.#activity(left);
    }
  }

  /** Sends a signal to it and to what it started, and waits for its end. */
  async kill(signal: NodeJS.Signals = "SIGTERM"): Promise<ExecResult> {
    this.signal(signal);
    return this.exited;
  }

  /** Sends a signal to it and to what it started. Nothing happens if it has ended. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (this.#ended || pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      this.#child.kill(signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL").catch(() => {});
  }

  #watch(timeoutMs: number | undefined): Promise<ExecResult> {
    const child = this.#child;
    const wake = () => {
      for (const waiter of this.#waiters) waiter();
    };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      wake();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      wake();
    });
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            this.#timedOut = true;
            this.signal("SIGKILL");
          }, timeoutMs);
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#ended = true;
        wake();
      };
      child.on("error", (error) => {
        end();
        reject(failure(this.#argv, error));
      });
      child.on("close", (code, signal) => {
        end();
        const timedOut = this.#timedOut;
        resolve({ status: statusOf(code, signal), stdout: this.#stdout, stderr: this.#stderr, timedOut });
      });
    });
  }

  /** Resolves at the next output, at the end, or after `timeoutMs`. */
  #activity(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiters.add(done);
    });
  }
}

/** Runs a program to its end; the event loop stands still. */
export function execSyncIn(path: string, argv: readonly string[], o: ExecOptions = {}): ExecResult {
  const [command, args] = commandIn(path, argv);
  const result = spawnSync(command, args, {
    encoding: "utf8",
    env: environment(o),
    timeout: o.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    killSignal: "SIGKILL",
    maxBuffer: 256 * 1024 * 1024,
    ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
    ...(o.input === undefined ? {} : { input: o.input }),
  });
  const timedOut = (result.error as NodeJS.ErrnoException | undefined)?.code === "ETIMEDOUT";
  if (result.error !== undefined && !timedOut) throw failure(argv, result.error);
  return { status: statusOf(result.status, result.signal), stdout: result.stdout, stderr: result.stderr, timedOut };
}
