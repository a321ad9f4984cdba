// SPDX-License-Identifier: Apache-2.0
/** Runs the weir command against a lab, from the sources or as the compiled binary. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, NODE, pods, waitFor } from "../../sdk/lab/index.ts";

const root = join(import.meta.dirname, "../..");

/** How the command is started. */
export const commands = {
  sources: [process.execPath, join(root, "server/cli/main.ts")],
  binary: [join(root, "dist/weir")],
} as const;

export type Form = keyof typeof commands;

/** What a command left. */
export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `weir serve`. */
export interface Serving {
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<number>;
  stderr(): Promise<string>;
}

/** A lab of pods, and an instance on its node. Disposing takes both down, whatever happened. */
export class CommandLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly instance: string;
  /** The command runs here, so that nothing is found by the working directory. */
  readonly directory = mkdtempSync(join(tmpdir(), "weir-cli-"));
  readonly #form: Form;
  readonly #children = new Set<Bun.Subprocess>();

  constructor(form: Form, name: string) {
    this.#form = form;
    this.instance = name;
    this.lab = Lab.create("pods", { prefix: `wg-${name}-` });
  }

  get socket(): string {
    return `/run/weir/${this.instance}.sock`;
  }

  #argv(args: readonly string[]): string[] {
    const enter = ["nsenter", `--net=${this.lab.path(NODE)}`];
    return [...enter, ...commands[this.#form], "--name", this.instance, ...args];
  }

  /** Runs a command on the node to its end. */
  async weir(...args: string[]): Promise<Result> {
    const child = Bun.spawn(this.#argv(args), { cwd: this.directory, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { status, stdout, stderr };
  }

  /** The JSON that a command prints. */
  async json<T = Record<string, unknown>[]>(...args: string[]): Promise<T> {
    const { status, stdout, stderr } = await this.weir(...args, "-o", "json");
    if (status !== 0) throw new Error(`weir ${args.join(" ")}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Starts `weir serve` and waits until it is ready. */
  async serve(...args: string[]): Promise<Serving> {
    const child = Bun.spawn(this.#argv(["serve", ...args]), {
      cwd: this.directory,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#children.add(child);
    const stderr = new Response(child.stderr).text();
    const ready = await Promise.race([
      waitFor(async () => (await this.ready()) === 200, { timeoutMs: 30_000, what: "weir serve" }).then(() => true),
      child.exited.then(() => false),
    ]);
    if (!ready) throw new Error(`weir serve ended: ${await stderr}`);
    return {
      pid: child.pid,
      kill: (signal) => child.kill(signal),
      exited: child.exited,
      stderr: () => stderr,
    };
  }

  /** Status of `/readyz`, 0 if nobody answers. */
  async ready(): Promise<number> {
    try {
      return (await fetch("http://weir/readyz", { unix: this.socket })).status;
    } catch {
      return 0;
    }
  }

  /** Writes a state document and gives its path. */
  state(text: string): string {
    const path = join(this.directory, "state.yaml");
    writeFileSync(path, text);
    return path;
  }

  /** True if pod `from` reaches pod `to` over IPv4 and IPv6. */
  async reaches(from: keyof typeof pods, to: keyof typeof pods): Promise<boolean> {
    for (const address of [pods[to].ipv4, pods[to].ipv6]) {
      const { received } = await this.lab.ping(from, address, { count: 1, timeoutMs: 1000 });
      if (received === 0) return false;
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all([...this.#children].map((child) => child.exited));
    await this.weir("down");
    this.lab.destroy();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What an instance keeps while it is up. */
export function tracesOf(instance: string): string[] {
  return [`/sys/fs/bpf/weir/${instance}`, `/run/weir/${instance}.sock`].filter((path) => existsSync(path));
}

/** A state that connects pods a and b with policy on, and keeps pod c out. */
export function podsState(lab: Lab): string {
  const workload = (name: keyof typeof pods, policies: string) => {
    const { device, mac, ipv4, ipv6 } = pods[name];
    const netns = lab.netns(name);
    return `  - { name: ${device}, role: workload, vrf: red, mac: "${mac}", addresses: [${ipv4}, "${ipv6}"], netns: ${netns}, policies: [${policies}] }`;
  };
  return `
vrfs:
  - { name: red }
interfaces:
${workload("a", "open")}
${workload("b", "web")}
${workload("c", "open")}
sets:
  - { name: friends, prefixes: [${pods.a.ipv4}/32, "${pods.a.ipv6}/128"] }
policies:
  - name: open
    default: allow
    rules: []
  - name: web
    default: { ingress: deny, egress: allow }
    rules:
      - { name: friends, action: allow, direction: ingress, proto: any, from: [{ set: friends }] }
`;
}
