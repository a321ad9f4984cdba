// SPDX-License-Identifier: Apache-2.0
/** Two pods on one node: three namespaces and two veth pairs. */

import { readdirSync, readFileSync } from "node:fs";
import { Lab, type Topology } from "../../../sdk/lab/index.ts";
import { removeOnInterrupt } from "./interrupt.ts";
import { run } from "./process.ts";

const PREFIX = "wbench-";

/** Without router solicitations and the like, nothing but what is measured is on the links. */
const NO_IPV6 = { "net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1 };

export interface Workload {
  readonly address: string;
  readonly mac: string;
}

/** From one pod to another: what traffic needs to know. */
export interface Path {
  /** Namespaces of the pods. */
  readonly client: string;
  readonly server: string;
  readonly from: Workload;
  readonly to: Workload;
  /** MAC that the client sends to. */
  readonly via: string;
}

export const CLIENT: Workload = { address: "10.97.0.1", mac: "02:00:00:00:01:01" };
export const SERVER: Workload = { address: "10.97.0.2", mac: "02:00:00:00:02:01" };
/** A third pod, in labs that have one. */
export const NEIGHBOUR: Workload = { address: "10.97.0.3", mac: "02:00:00:00:03:01" };
/** What pods send to: Weir answers for it, or the node's devices have it in plain routing. */
export const GATEWAY: Workload = { address: "169.254.1.1", mac: "00:00:5e:00:01:00" };

/** The device of either pod, in its own namespace. */
export const POD_DEVICE = "eth0";

export interface SameNodeOptions {
  /** At most four characters; makes the names of namespaces and devices unique. */
  readonly id: string;
  /** The node's kernel routes between the pods; else the devices are left to Weir. */
  readonly routed: boolean;
  /** There is a third pod. Default: false. */
  readonly neighbour?: boolean;
}

export class SameNode implements Path, AsyncDisposable {
  readonly from: Workload = CLIENT;
  readonly to: Workload = SERVER;
  readonly via: string = GATEWAY.mac;
  readonly client: string;
  readonly node: string;
  readonly server: string;
  /** The node's ends of the two veth pairs. */
  readonly clientDevice: string;
  readonly serverDevice: string;
  /** The same of the third pod, if there is one. */
  readonly neighbourDevice: string;
  readonly #lab: Lab;
  readonly #gone: () => void;

  private constructor(lab: Lab, id: string) {
    this.#lab = lab;
    this.#gone = removeOnInterrupt(() => lab.destroy());
    this.client = lab.netns("a");
    this.node = lab.netns("node");
    this.server = lab.netns("b");
    this.clientDevice = `${id}h0`;
    this.serverDevice = `${id}h1`;
    this.neighbourDevice = `${id}h2`;
  }

  /** Makes it; what an earlier run left under the same names goes first. */
  static async create({ id, routed, neighbour = false }: SameNodeOptions): Promise<SameNode> {
    const lab = Lab.create(topology(id, routed, neighbour), { prefix: `${PREFIX}${id}-`, replace: true });
    const made = new SameNode(lab, id);
    try {
      if (routed) await made.#knowPods();
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
    return made;
  }

  /** Namespace of the third pod. @throws WeirError `ENOENT` where there is none */
  get neighbour(): string {
    return this.#lab.netns("c");
  }

  /** The sinks take ARP answers too, so the node must know the pods beforehand. */
  async #knowPods(): Promise<void> {
    const know = (pod: Workload, device: string) =>
      `neighbour replace ${pod.address} lladdr ${pod.mac} dev ${device} nud permanent`;
    const lines = [know(CLIENT, this.clientDevice), know(SERVER, this.serverDevice)];
    await run(["ip", "-batch", "-"], { netns: this.node, input: `${lines.join("\n")}\n` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab[Symbol.asyncDispose]();
    this.#gone();
  }
}

function topology(id: string, routed: boolean, neighbour: boolean): Topology {
  const pods = [
    { name: "a", pod: CLIENT, device: `${id}h0` },
    { name: "b", pod: SERVER, device: `${id}h1` },
    ...(neighbour ? [{ name: "c", pod: NEIGHBOUR, device: `${id}h2` }] : []),
  ];
  return {
    name: `bench-${id}`,
    namespaces: [
      { name: "node", sysctls: { ...NO_IPV6, "net.ipv4.ip_forward": routed ? 1 : 0 } },
      ...pods.map(({ name }) => ({ name, sysctls: NO_IPV6 })),
    ],
    links: pods.map(({ name, pod, device }) => ({
      ends: [
        { namespace: "node", device, ...(routed ? { mac: GATEWAY.mac, addresses: [`${GATEWAY.address}/32`] } : {}) },
        { namespace: name, device: POD_DEVICE, mac: pod.mac, addresses: [`${pod.address}/32`] },
      ],
    })),
    routes: pods.flatMap(({ name, pod, device }) => [
      { namespace: name, device: POD_DEVICE, destination: `${GATEWAY.address}/32` },
      { namespace: name, device: POD_DEVICE, destination: "0.0.0.0/0", gateway: GATEWAY.address },
      ...(routed ? [{ namespace: "node", device, destination: `${pod.address}/32` }] : []),
    ]),
  };
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
