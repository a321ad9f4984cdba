// SPDX-License-Identifier: Apache-2.0
/** Two pods on one node: three namespaces and two veth pairs. */

import { readdirSync, readFileSync } from "node:fs";
import { run } from "./process.ts";

const NAMESPACE_PREFIX = "wbench-";

export const CLIENT = { address: "10.97.0.1", mac: "02:00:00:00:01:01" } as const;
export const SERVER = { address: "10.97.0.2", mac: "02:00:00:00:02:01" } as const;
/** What pods send to: Weir answers for it, or the node's devices have it in plain routing. */
export const GATEWAY = { address: "169.254.1.1", mac: "00:00:5e:00:01:00" } as const;

/** The device of either pod, in its own namespace. */
export const POD_DEVICE = "eth0";

export interface SameNodeOptions {
  /** At most four characters; makes the names of namespaces and devices unique. */
  readonly id: string;
  /** The node's kernel routes between the pods; else the devices are left to Weir. */
  readonly routed: boolean;
  /** Default: the pods' veths have one queue. */
  readonly queues?: number;
}

export class SameNode implements AsyncDisposable {
  readonly client: string;
  readonly node: string;
  readonly server: string;
  /** The node's ends of the two veth pairs. */
  readonly clientDevice: string;
  readonly serverDevice: string;

  private constructor(id: string) {
    this.client = `${NAMESPACE_PREFIX}${id}-a`;
    this.node = `${NAMESPACE_PREFIX}${id}-node`;
    this.server = `${NAMESPACE_PREFIX}${id}-b`;
    this.clientDevice = `${id}h0`;
    this.serverDevice = `${id}h1`;
  }

  /** Makes it; what an earlier run left under the same names goes first. */
  static async create(options: SameNodeOptions): Promise<SameNode> {
    const lab = new SameNode(options.id);
    await lab[Symbol.asyncDispose]();
    try {
      for (const name of [lab.client, lab.node, lab.server]) await run(["ip", "netns", "add", name]);
      await lab.#wire(lab.client, lab.clientDevice, CLIENT, options);
      await lab.#wire(lab.server, lab.serverDevice, SERVER, options);
      if (options.routed) await run(["sysctl", "-qw", "net.ipv4.ip_forward=1"], { netns: lab.node });
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
    return lab;
  }

  async #wire(pod: string, device: string, workload: typeof CLIENT | typeof SERVER, o: SameNodeOptions): Promise<void> {
    const queues = `numrxqueues ${o.queues ?? 1} numtxqueues ${o.queues ?? 1}`;
    const peer = `name ${POD_DEVICE} address ${workload.mac} netns ${pod} ${queues}`;
    await batch(this.node, [
      "link set lo up",
      `link add ${device} ${queues} ${o.routed ? `address ${GATEWAY.mac}` : ""} type veth peer ${peer}`,
      `link set ${device} up`,
      ...(o.routed ? [`address add ${GATEWAY.address}/32 dev ${device}`] : []),
    ]);
    await batch(pod, [
      "link set lo up",
      `link set ${POD_DEVICE} up`,
      `address add ${workload.address}/32 dev ${POD_DEVICE}`,
      `route add ${GATEWAY.address} dev ${POD_DEVICE} scope link`,
      `route add default via ${GATEWAY.address}`,
    ]);
    if (!o.routed) return;
    await batch(this.node, [
      `route add ${workload.address}/32 dev ${device}`,
      `neighbour replace ${workload.address} lladdr ${workload.mac} dev ${device} nud permanent`,
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const names = (await run(["ip", "netns", "list"])).split("\n").map((line) => line.split(" ")[0]);
    for (const name of [this.client, this.node, this.server]) {
      if (names.includes(name)) await run(["ip", "netns", "delete", name]);
    }
  }
}

/** Several `ip` commands at once. */
export async function batch(netns: string, lines: readonly string[]): Promise<void> {
  await run(["ip", "-batch", "-"], { netns, input: `${lines.join("\n")}\n` });
}

/**
 * Gives the NAPI of a device its own kernel thread on one CPU, so that receiving does not share
 * the CPU of the generator. The device must have NAPI already (an XDP program or GRO).
 */
export async function threadNapi(netns: string, device: string, cpu: number): Promise<void> {
  // /sys shows the devices of the namespace that mounted it: here `ip netns exec` is what is needed.
  await run(["ip", "netns", "exec", netns, "sh", "-c", `echo 1 > /sys/class/net/${device}/threaded`]);
  for (const pid of kernelThreads(`napi/${device}-`)) await run(["taskset", "-pc", String(cpu), pid]);
}

function kernelThreads(prefix: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8").startsWith(prefix);
    } catch {
      return false; // it ended meanwhile
    }
  });
}
