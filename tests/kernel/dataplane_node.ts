// SPDX-License-Identifier: Apache-2.0
/** A lab of pods with a data plane on its node, for the tests of the data plane as a whole. */
import { DataPlane, type OpenOptions } from "../../sdk/index.ts";
import { Lab, NODE, type Pod, pods, podsTopology } from "../../sdk/lab/index.ts";

export type PodName = keyof typeof pods;

export interface NodeOptions {
  /** Tells tests apart that run at the same time. */
  readonly name: string;
  readonly hook?: "auto" | "tc" | "xdp";
  readonly mtu?: number;
  readonly open?: OpenOptions;
}

/** The lab, and the data plane while it is open. */
export class DataPlaneNode implements AsyncDisposable {
  readonly lab: Lab;
  readonly instance: string;
  readonly #o: NodeOptions;
  #dp: DataPlane | undefined;

  private constructor(lab: Lab, o: NodeOptions) {
    this.lab = lab;
    this.#o = o;
    this.instance = `wF-${process.pid}-${o.name}`;
  }

  static async start(o: NodeOptions): Promise<DataPlaneNode> {
    const lab = Lab.create(podsTopology(o.mtu === undefined ? {} : { mtu: o.mtu }), {
      prefix: `wF-${process.pid}-${o.name}-`,
    });
    const node = new DataPlaneNode(lab, o);
    try {
      await node.open();
      return node;
    } catch (error) {
      lab.destroy();
      throw error;
    }
  }

  get dp(): DataPlane {
    if (this.#dp === undefined) throw new Error("The data plane is closed");
    return this.#dp;
  }

  options(): OpenOptions {
    return { instance: this.instance, netns: this.lab.path(NODE), limits: { flows: 8192 }, ...this.#o.open };
  }

  async open(): Promise<DataPlane> {
    this.#dp = await DataPlane.open(this.options());
    return this.#dp;
  }

  async close(): Promise<void> {
    await this.#dp?.close();
    this.#dp = undefined;
  }

  /** A workload interface for a pod, with `fields` besides. */
  workload({ name, device, mac, ipv4, ipv6 }: Pod, fields: object = {}): object {
    return {
      name: device,
      role: "workload",
      vrf: "red",
      hook: this.#o.hook ?? "auto",
      mac,
      addresses: [ipv4, ipv6],
      netns: this.lab.path(name),
      ...fields,
    };
  }

  /** All pods in one VRF. `fields` of an interface by pod; `rest` of the document. */
  document(fields: Partial<Record<PodName, object>> = {}, rest: object = {}): object {
    const interfaces = (Object.keys(pods) as PodName[]).map((name) => this.workload(pods[name], fields[name]));
    return { vrfs: [{ name: "red" }], interfaces, ...rest };
  }

  /** Answers to `count` pings from one pod to an address. */
  async received(from: PodName, address: string, count = 3): Promise<number> {
    return (await this.lab.ping(from, address, { count, intervalMs: 20, timeoutMs: 500 })).received;
  }

  /** What dropped packets on an interface, by reason. */
  drops(device: string): Record<string, number> {
    const own = this.dp.drops().filter((count) => count.interface === device);
    return Object.fromEntries(own.map(({ reason, packets }) => [reason, packets]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await (this.#dp ?? (await this.open())).destroy();
    } finally {
      this.lab.destroy();
    }
  }
}
