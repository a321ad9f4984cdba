// SPDX-License-Identifier: Apache-2.0
/** Open vSwitch's user-space datapath as a rival: an own instance between the node's two veths. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WeirError } from "../../../sdk/errors.ts";
import { run, Tool } from "./process.ts";
import type { SameNode } from "./topology.ts";

const SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";
const FLOW_LIMIT = "4000000";
/** Its poll-mode thread: the generator has the other CPU. */
const PMD_MASK = "0x2";

/** Touching every field of the 5-tuple makes each flow its own entry, decided by an upcall. */
const EXACT = ["IP_SRC", "IP_DST", "UDP_SRC", "UDP_DST"]
  .map((field, i) => `move:NXM_OF_${field}[]->NXM_NX_REG${i}[${field.startsWith("UDP") ? "0..15" : ""}]`)
  .join(",");

/** Forwards UDP from port 1 to port 2, each flow by its own entry. */
export const EXACT_FLOWS: readonly string[] = [
  "table=0,priority=0,actions=drop",
  `table=0,priority=100,in_port=1,udp,actions=${EXACT},output:2`,
];

/** The same with connection tracking, for what is new and not among `denied`: matches, the first one counts most. */
export function trackedFlows(denied: readonly string[]): string[] {
  const isNew = "table=1,in_port=1,ct_state=+trk+new";
  return [
    "table=0,priority=0,actions=drop",
    "table=1,priority=0,actions=drop",
    "table=0,priority=100,in_port=1,ip,ct_state=-trk,actions=ct(table=1)",
    "table=1,priority=60000,in_port=1,ip,ct_state=+trk+est,actions=output:2",
    ...denied.map((match, i) => `${isNew},priority=${50_000 - i},${match},actions=drop`),
    `${isNew},priority=10,udp,actions=${EXACT},ct(commit),output:2`,
  ];
}

export class OpenVSwitch implements AsyncDisposable {
  readonly #folder: string;
  readonly #processes: AsyncDisposableStack;

  private constructor(folder: string, processes: AsyncDisposableStack) {
    this.#folder = folder;
    this.#processes = processes;
  }

  /** Starts it with OpenFlow rules; port 1 leads to pod a, port 2 to pod b. */
  static async start(lab: SameNode, flows: readonly string[]): Promise<OpenVSwitch> {
    const folder = mkdtempSync(join(tmpdir(), "weir-bench-ovs-"));
    const processes = new AsyncDisposableStack();
    const ovs = new OpenVSwitch(folder, processes);
    const directories = ["RUNDIR", "LOGDIR", "DBDIR"].map((name) => `OVS_${name}=${folder}`);
    const daemon = (argv: string[]) => startDaemon(["env", ...directories, ...argv], lab);
    try {
      await run(["ovsdb-tool", "create", `${folder}/conf.db`, SCHEMA]);
      processes.use(await daemon(["ovsdb-server", `${folder}/conf.db`, `--remote=punix:${folder}/db.sock`]));
      await appears(`${folder}/db.sock`);
      await ovs.#vsctl(["--no-wait", "init"]);
      const control = [`--unixctl=${folder}/switch.ctl`, `--log-file=${folder}/switch.log`];
      processes.use(await daemon(["ovs-vswitchd", `unix:${folder}/db.sock`, ...control]));
      await appears(`${folder}/switch.ctl`);
      await ovs.#configure(lab, flows);
    } catch (error) {
      await ovs[Symbol.asyncDispose]();
      throw error;
    }
    return ovs;
  }

  async #configure(lab: SameNode, flows: readonly string[]): Promise<void> {
    const limits = [`other_config:flow-limit=${FLOW_LIMIT}`, `other_config:pmd-cpu-mask=${PMD_MASK}`];
    const bridge = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure"];
    const ports = [lab.clientDevice, lab.serverDevice].flatMap((device, i) => [
      ...["--", "add-port", "br0", device],
      ...["--", "set", "int", device, "type=afxdp", "options:n_rxq=1", `ofport_request=${i + 1}`],
    ]);
    await this.#vsctl(["set", "Open_vSwitch", ".", ...limits, "--", ...bridge, ...ports]);
    await run(["ovs-ofctl", "add-flows", `unix:${this.#folder}/br0.mgmt`, "-"], { input: `${flows.join("\n")}\n` });
    await this.#appctl(["upcall/set-flow-limit", FLOW_LIMIT]);
  }

  /** Forgets all flows and connections that packets have made. */
  async flush(): Promise<void> {
    await this.#appctl(["dpctl/flush-conntrack"]);
    await this.#appctl(["dpctl/del-flows"]);
  }

  #vsctl(argv: readonly string[]): Promise<string> {
    return run(["ovs-vsctl", `--db=unix:${this.#folder}/db.sock`, "--timeout=20", ...argv]);
  }

  #appctl(argv: readonly string[]): Promise<string> {
    return run(["ovs-appctl", "-t", `${this.#folder}/switch.ctl`, ...argv]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#processes.disposeAsync();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** In the foreground, so that it ends with us; the shell says that it was started. */
function startDaemon(argv: readonly string[], lab: SameNode): Promise<Tool> {
  const wait = `echo '{"ready":true}'; exec "$@"`;
  return Tool.start(["sh", "-c", wait, "sh", ...argv], { netns: lab.node });
}

/** Waits until a daemon has made its socket. */
async function appears(path: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (existsSync(path)) return;
    await sleep(50);
  }
  throw new WeirError({ code: "ETIMEDOUT", operation: `start Open vSwitch`, reason: `${path} did not appear` });
}
