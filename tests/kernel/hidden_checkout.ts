// SPDX-License-Identifier: Apache-2.0
/** Runs the compiled binary where the checkout is not there: in a mount namespace that has an empty folder in its place. */

import { constants, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** What a command left. */
export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Brings `dist/weir` up to date. */
export function buildBinary(): void {
  const build = Bun.spawnSync([process.execPath, "scripts/build.ts"], { cwd: root });
  if (!build.success) throw new Error(`Cannot build dist/weir: ${build.stderr}`);
}

/** A copy of the binary, alone in an empty folder. Disposing ends what still runs there. */
export class HiddenCheckout implements AsyncDisposable {
  readonly directory: string;
  /** The copy. */
  readonly binary: string;
  /** Keeps the namespace; other programs enter it by this one's id. */
  readonly #holder: Bun.Subprocess;
  readonly #children = new Set<Bun.Subprocess>();

  private constructor(directory: string, holder: Bun.Subprocess) {
    this.directory = directory;
    this.binary = join(directory, "weir");
    this.#holder = holder;
  }

  static async start(): Promise<HiddenCheckout> {
    const directory = mkdtempSync(join(tmpdir(), "wk-binary-"));
    copyFileSync(join(root, "dist/weir"), join(directory, "weir"), constants.COPYFILE_FICLONE);
    // `unshare` makes mounts private: neither the empty folder nor the lab's namespaces are seen outside.
    const script = 'mount -t tmpfs none "$0" && echo hidden && exec sleep infinity';
    const holder = Bun.spawn(["unshare", "--mount", "sh", "-c", script, root], { cwd: directory, stdout: "pipe" });
    const { value } = await holder.stdout.getReader().read();
    if (value === undefined) throw new Error(`Cannot hide ${root}`);
    return new HiddenCheckout(directory, holder);
  }

  /** A command line inside, in a network namespace of a lab that was made inside, or in this process's. */
  #argv(argv: readonly string[], netns?: string): string[] {
    const enter = ["nsenter", `--mount=/proc/${this.#holder.pid}/ns/mnt`, `--wd=${this.directory}`, "--"];
    return netns === undefined ? [...enter, ...argv] : [...enter, "nsenter", `--net=/run/netns/${netns}`, ...argv];
  }

  /** Starts a program. PATH has no folder of the checkout. */
  spawn(argv: readonly string[], netns?: string): Bun.Subprocess<"ignore", "pipe", "pipe"> {
    const child = Bun.spawn(this.#argv(argv, netns), {
      cwd: this.directory,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: this.directory },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#children.add(child);
    return child;
  }

  /** Runs a program to its end. */
  async run(argv: readonly string[], netns?: string): Promise<Result> {
    const child = this.spawn(argv, netns);
    const [stdout, stderr, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { status, stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#children, this.#holder]) child.kill("SIGKILL");
    await Promise.all([...this.#children, this.#holder].map(({ exited }) => exited));
    rmSync(this.directory, { recursive: true, force: true });
  }
}
