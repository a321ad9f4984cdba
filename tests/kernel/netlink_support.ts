// SPDX-License-Identifier: Apache-2.0
/** A namespace for one test, and iproute2 and ethtool as the second opinion on it. */

import { createNamespace, deleteNamespace } from "../../sdk/lab/namespace.ts";
import { namespacePath } from "../../sdk/netlink/index.ts";

let counter = 0;

/** A namespace that goes with the test. */
export class TestNamespace implements Disposable {
  readonly name: string;

  constructor() {
    this.name = `wB-${process.pid}-${counter++}`;
    createNamespace(this.name);
  }

  /** Runs a program inside and returns what it writes. */
  run(...argv: string[]): string {
    const result = Bun.spawnSync(["nsenter", `--net=${namespacePath(this.name)}`, "--", ...argv]);
    if (!result.success) throw new Error(`${argv.join(" ")}: ${result.stderr.toString()}`);
    return result.stdout.toString();
  }

  /** The output of `ip -j ...`. */
  ip<T = Record<string, unknown>>(...args: string[]): T[] {
    const text = this.run("ip", "-j", ...args).trim();
    return text === "" ? [] : (JSON.parse(text) as T[]).filter((item) => Object.keys(item as object).length > 0);
  }

  [Symbol.dispose](): void {
    deleteNamespace(this.name);
  }
}

/** The error that `fn` throws, as text; fails the test if it throws none. */
export function thrownBy(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error("nothing was thrown");
}

/** Lets the event loop run until `predicate` holds. */
export async function settle(predicate: () => boolean, timeoutMs = 3000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!predicate()) {
    if (Date.now() > deadline) throw new Error(`did not settle within ${timeoutMs} ms`);
    await Bun.sleep(5);
  }
}
