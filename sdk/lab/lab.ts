// SPDX-License-Identifier: Apache-2.0
/** Network namespaces with links between them, to try things in. */

import { WeirError } from "../errors.ts";
import { Netlink, namespacePath } from "../netlink/index.ts";
import { withNetns } from "../runtime/netns.ts";
import { buildTopology } from "./build.ts";
import { builtInTopology, type TopologyName } from "./catalogue.ts";
import { checkTopology } from "./check.ts";
import { listManifests, readManifest, removeManifest, writeManifest } from "./manifest.ts";
import { deleteNamespace, namespaceExists } from "./namespace.ts";
import { killOrphans, LAB_VARIABLE } from "./orphans.ts";
import { type PingOptions, type PingResult, ping } from "./ping.ts";
import { DEFAULT_TIMEOUT_MS, type ExecOptions, type ExecResult, execSyncIn, LabProcess } from "./process.ts";
import type { Topology } from "./topology.ts";

/** In front of the names of a lab's namespaces unless told otherwise. */
export const DEFAULT_PREFIX = "weir-";

export interface LabOptions {
  /** In front of the names of all namespaces; labs with different prefixes live side by side. Default `weir-`. */
  readonly prefix?: string;
  /** Remove a lab that has the prefix first. Default false: it is an error. */
  readonly replace?: boolean;
}

/**
 * A lab that is up. Namespaces are named within the lab (`a`); outside they carry the prefix (`weir-a`) and
 * `ip netns` sees them.
 *
 * ```ts
 * await using lab = Lab.create("routed", { prefix: "try-" });
 * const { received } = await lab.ping("a", "10.97.0.2");
 * ```
 */
export class Lab implements Disposable, AsyncDisposable {
  readonly prefix: string;
  readonly topology: Topology;
  readonly #processes = new Set<LabProcess>();

  private constructor(prefix: string, topology: Topology) {
    this.prefix = prefix;
    this.topology = topology;
  }

  /**
   * Makes a lab; if that fails half-way, what was made is removed again.
   * @throws WeirError `EEXIST` if the prefix or a namespace is taken, `EINVAL` for a wrong topology, `EPERM`
   */
  static create(topology: Topology | TopologyName, o: LabOptions = {}): Lab {
    const prefix = checkPrefix(o.prefix ?? DEFAULT_PREFIX);
    const description = typeof topology === "string" ? builtInTopology(topology) : topology;
    checkTopology(description);
    if (o.replace === true) Lab.find(prefix)?.destroy();
    if (readManifest(prefix) === undefined) refuseStrangers(prefix, description);
    writeManifest(prefix, description);
    const lab = new Lab(prefix, description);
    try {
      buildTopology(description, prefix);
    } catch (error) {
      lab.destroy();
      throw error;
    }
    return lab;
  }

  /** The lab with a prefix, whoever made it, also if only part of it is there; `undefined` if there is none. */
  static find(prefix: string = DEFAULT_PREFIX): Lab | undefined {
    const topology = readManifest(checkPrefix(prefix));
    return topology === undefined ? undefined : new Lab(prefix, topology);
  }

  /** All labs. */
  static list(): Lab[] {
    return listManifests().flatMap((prefix) => Lab.find(prefix) ?? []);
  }

  /** Names of the namespaces within the lab. */
  get namespaces(): readonly string[] {
    return this.topology.namespaces.map(({ name }) => name);
  }

  /** Full name of a namespace, as `ip netns` knows it. @throws WeirError `ENOENT` */
  netns(name: string): string {
    if (this.namespaces.includes(name)) return this.prefix + name;
    throw new WeirError({
      code: "ENOENT",
      operation: `use namespace "${name}" of lab "${this.prefix}"`,
      reason: "there is no such namespace",
      hint: `choose one of ${this.namespaces.join(", ")}`,
    });
  }

  /** Path of a namespace, for `withNetns` and `nsenter --net=`. */
  path(name: string): string {
    return namespacePath(this.netns(name));
  }

  /** Runs a synchronous function inside a namespace. Sockets that it opens stay there. */
  run<T>(name: string, fn: () => T): T {
    return withNetns(this.path(name), fn);
  }

  /** The kernel's tables of a namespace; to be disposed by the caller. */
  netlink(name: string): Netlink {
    return Netlink.open({ netns: this.netns(name) });
  }

  /** Runs a program to its end. A status other than 0 is no error. */
  exec(name: string, argv: readonly string[], o?: ExecOptions): Promise<ExecResult> {
    return this.spawn(name, argv, { ...o, timeoutMs: o?.timeoutMs ?? DEFAULT_TIMEOUT_MS }).exited;
  }

  /** Like `exec`, but the event loop stands still. */
  execSync(name: string, argv: readonly string[], o?: ExecOptions): ExecResult {
    return execSyncIn(this.path(name), argv, this.#marked(o));
  }

  /** Starts a program, which is killed when the lab goes. */
  spawn(name: string, argv: readonly string[], o?: ExecOptions): LabProcess {
    return this.#track(LabProcess.start(this.path(name), argv, this.#marked(o)));
  }

  /** Pings from a namespace. */
  ping(name: string, address: string, o?: PingOptions): Promise<PingResult> {
    return ping((argv, options) => this.exec(name, argv, options), address, o);
  }

  /**
   * Kills the programs that were started in the lab, by this object or by another process, and removes all
   * devices and namespaces. May be called again, and for a lab of which only a part is there.
   */
  destroy(): void {
    for (const process of this.#processes) process.signal("SIGKILL");
    const names = this.namespaces.map((name) => this.prefix + name);
    killOrphans(
      this.prefix,
      names.filter(namespaceExists).map((name) => namespacePath(name)),
    );
    for (const name of names) deleteNamespace(name);
    removeManifest(this.prefix);
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = [...this.#processes].map((process) => process.exited);
    this.destroy();
    await Promise.allSettled(running);
  }

  #marked(o: ExecOptions = {}): ExecOptions {
    return { ...o, env: { ...o.env, [LAB_VARIABLE]: this.prefix } };
  }

  #track(process: LabProcess): LabProcess {
    this.#processes.add(process);
    const forget = () => this.#processes.delete(process);
    process.exited.then(forget, forget);
    return process;
  }
}

/** A prefix becomes part of file names. */
function checkPrefix(prefix: string): string {
  if (/^[A-Za-z0-9_.-]+$/.test(prefix) && !prefix.startsWith(".")) return prefix;
  throw new WeirError({
    code: "EINVAL",
    operation: `use lab prefix "${prefix}"`,
    reason: "a prefix consists of letters, digits, _ . - and does not start with a dot",
  });
}

/** Namespaces that no lab made are nobody's to remove. */
function refuseStrangers(prefix: string, topology: Topology): void {
  const stranger = topology.namespaces.find(({ name }) => namespaceExists(prefix + name));
  if (stranger === undefined) return;
  throw new WeirError({
    code: "EEXIST",
    operation: `make lab "${prefix}"`,
    reason: `network namespace "${prefix}${stranger.name}" exists and belongs to no lab`,
    hint: "delete it or choose another prefix",
  });
}
