// SPDX-License-Identifier: Apache-2.0
/** BIRD as the routing daemon of a node, which tells its neighbour what is in a table of the kernel's. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lab, LabNode, LabProcess } from "../../sdk/lab/index.ts";

const AS = 65000;

export interface BirdOptions {
  readonly lab: Lab;
  readonly node: LabNode;
  readonly neighbour: LabNode;
  /** Table of the kernel's that it fills, and takes Weir's prefixes from. */
  readonly table: number;
}

/** One session a family; a route of the neighbour's goes into the kernel's table, what Weir put there goes to the neighbour. */
function configuration({ node, neighbour, table }: BirdOptions): string {
  const family = (version: 4 | 6): string => {
    const address = (of: LabNode) => (version === 4 ? of.underlay4 : of.underlay6);
    const number = (of: LabNode) => AS + Number(of.name.slice(1));
    return `
ipv${version} table red${version};
protocol kernel kernel${version} {
  kernel table ${table};
  learn;
  scan time 60;
  ipv${version} { table red${version}; import where krt_source = 87; export where source = RTS_BGP; };
}
protocol bgp bgp${version} {
  local ${address(node)} as ${number(node)};
  neighbor ${address(neighbour)} as ${number(neighbour)};
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv${version} { table red${version}; import all; export where proto = "kernel${version}"; next hop self; };
}`;
  };
  return `router id ${node.underlay4};\nprotocol device { scan time 60; }\n${family(4)}\n${family(6)}\n`;
}

/** A running BIRD. */
export class Bird implements AsyncDisposable {
  readonly #o: BirdOptions;
  readonly #directory: string;
  readonly #process: LabProcess;

  private constructor(o: BirdOptions, directory: string, process: LabProcess) {
    this.#o = o;
    this.#directory = directory;
    this.#process = process;
  }

  static start(o: BirdOptions): Bird {
    const directory = mkdtempSync(join(tmpdir(), "weir-bird-"));
    const file = join(directory, "bird.conf");
    writeFileSync(file, configuration(o));
    const process = o.lab.spawn(o.node.name, ["bird", "-f", "-c", file, "-s", join(directory, "ctl")]);
    return new Bird(o, directory, process);
  }

  /** What it answers to a command of birdc(8). */
  async command(...words: string[]): Promise<string> {
    const socket = join(this.#directory, "ctl");
    const { status, stdout, stderr } = await this.#o.lab.exec(this.#o.node.name, ["birdc", "-s", socket, ...words]);
    if (status !== 0) throw new Error(`birdc ${words.join(" ")}: ${stderr}${stdout}${this.#process.stderr}`);
    return stdout;
  }

  /** Ends it in an orderly way: it takes its routes out of the kernel. */
  async stop(): Promise<void> {
    await this.#process.kill("SIGTERM");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
