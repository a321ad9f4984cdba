// SPDX-License-Identifier: Apache-2.0
/** A controller's module in the threads of the slow path's workers, from the main thread's side. */
import { isAbsolute } from "node:path";
import { fileURLToPath, pathToFileURL, URL } from "node:url";
import { runtime } from "#runtime";
import { WeirError } from "../../errors.ts";
import type { SlowPath } from "../../slowpath/index.ts";
import type { KernelTables } from "../kernel/tables.ts";
import type { Ids } from "../state/ids.ts";
import type { FromModule, ToModule } from "./module_messages.ts";

/**
 * A module that decides flows in the workers' threads. Disposing takes it away: then `otherwise` decides, until there is
 * another handler.
 */
export interface FlowMissModule extends Disposable {
  /**
   * Resolves when all workers hand their flows to it; those that are asked about before wait, at most for the time-out.
   * Rejects with a WeirError `EMODULE` when it cannot be imported, or has no function `onFlowMiss`; it is taken away
   * then.
   */
  readonly ready: Promise<void>;
  /**
   * Imports it anew, or another one, and hands flows over when all workers have it: none is decided by `otherwise` for
   * that. What it imports itself is not read again. Of calls that overlap the last one counts.
   * @throws WeirError `EMODULE`; the former one decides on. `ECLOSED` when it was disposed.
   */
  reload(module?: ModuleLocation): Promise<void>;
}

const OPERATION = "load a handler for flow misses";
const COMPILED = /^file:\/\/\/(\$bunfs|~BUN)\//;

/** Where a module is: a URL (of whatever library), or its text, or an absolute path. */
export type ModuleLocation = string | { readonly href: string };

/** @throws WeirError `EINVAL` for what is neither a URL nor an absolute path. */
export function moduleUrl(module: ModuleLocation): URL {
  if (typeof module !== "string") return new URL(module.href);
  if (isAbsolute(module)) return pathToFileURL(module);
  if (URL.canParse(module)) return new URL(module);
  throw new WeirError({
    code: "EINVAL",
    operation: OPERATION,
    reason: `${JSON.stringify(module)} is no URL and no absolute path`,
    hint: `give new URL(${JSON.stringify(module)}, import.meta.url)`,
  });
}

interface Loading {
  /** Workers that have not answered. */
  left: number;
  reason: string | undefined;
  readonly outcome: PromiseWithResolvers<void>;
}

/** Has workers import modules, and tells them which to use. */
export class WorkerModules implements Disposable {
  readonly #slowPath: SlowPath;
  readonly #tables: KernelTables;
  readonly #ids: Ids;
  readonly #onError: (worker: number, reason: string) => void;
  readonly #loading = new Map<number, Loading>();
  #version = 0;
  /** What the workers know is kept up to date. */
  #listening: Disposable | undefined;

  /** @param onError told when a handler begins to fail. */
  constructor(slowPath: SlowPath, tables: KernelTables, ids: Ids, onError: (worker: number, reason: string) => void) {
    this.#slowPath = slowPath;
    this.#tables = tables;
    this.#ids = ids;
    this.#onError = onError;
  }

  #post(message: ToModule): void {
    this.#slowPath.post(message);
  }

  /** What the workers know of the state is sent from the first module on. */
  #begin(): void {
    if (this.#listening !== undefined) return;
    const { maps, interfaces, nexthops, vrfs } = this.#tables;
    this.#post({
      kind: "begin",
      maps: {
        routes4: maps.routes4.id,
        routes6: maps.routes6.id,
        nexthops: maps.nexthops.id,
        members: maps.members.id,
        interfaces: maps.interfaces.id,
      },
      limits: [interfaces.length, nexthops.length, vrfs.length],
      names: this.#ids.all(),
    });
    this.#listening = this.#ids.listen((names) => this.#post({ kind: "names", names }));
  }

  /**
   * Has all workers import a module.
   * @returns its version, for `use`.
   * @throws WeirError `EMODULE`
   */
  async load(url: URL): Promise<number> {
    this.#begin();
    const version = ++this.#version;
    const outcome = Promise.withResolvers<void>();
    this.#loading.set(version, { left: this.#slowPath.workers, reason: undefined, outcome });
    this.#post({ kind: "load", version, url: versioned(url, version) });
    try {
      await outcome.promise;
      return version;
    } catch (cause) {
      this.#post({ kind: "forget", version });
      throw moduleError(url, cause);
    }
  }

  use(version: number, timeoutMs: number): void {
    this.#post({ kind: "use", version, timeoutMs });
  }

  forget(version: number): void {
    this.#post({ kind: "forget", version });
  }

  end(): void {
    this.#post({ kind: "end" });
  }

  /** Nobody will answer any more. */
  [Symbol.dispose](): void {
    this.#listening?.[Symbol.dispose]();
    for (const { outcome } of this.#loading.values()) outcome.reject(new Error("the instance was closed"));
    this.#loading.clear();
  }

  /** What a worker says. */
  receive(worker: number, message: FromModule): void {
    if (message.kind === "failed") {
      this.#onError(worker, message.reason);
      return;
    }
    const loading = this.#loading.get(message.version);
    if (loading === undefined) return;
    if (message.kind === "refused") loading.reason ??= message.reason;
    if (--loading.left > 0) return;
    this.#loading.delete(message.version);
    if (loading.reason === undefined) loading.outcome.resolve();
    else loading.outcome.reject(new Error(loading.reason));
  }
}

/** A module is imported once for each specifier: a later version has another one. */
function versioned(url: URL, version: number): string {
  // What is in a compiled controller does not change, and is found by its plain URL only.
  if (version === 1 || url.protocol !== "file:" || COMPILED.test(url.href)) return url.href;
  // Bun leaves the query of a file's URL out of account, and not that of a path.
  if (runtime.name === "bun") return `${fileURLToPath(url)}?version=${version}`;
  const again = new URL(url);
  again.searchParams.set("version", String(version));
  return again.href;
}

function moduleError(url: URL, cause: unknown): WeirError {
  const compiled = COMPILED.test(url.href);
  return new WeirError({
    code: "EMODULE",
    operation: `load the handler for flow misses "${url.protocol === "data:" ? "data:" : url.href}"`,
    reason: cause instanceof Error ? cause.message : String(cause),
    hint: compiled
      ? "make the module an entry point of the build too (bun build --compile MAIN MODULE), or name a file outside of it"
      : "see that the file is there, and exports a function onFlowMiss",
    cause,
  });
}
