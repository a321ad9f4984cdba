// SPDX-License-Identifier: Apache-2.0
/** Three pods on a node whose data plane runs in the test's own process; one contract for both hooks. */
import { DataPlane, type OpenOptions } from "../../sdk/index.ts";
import { Lab, type LabProcess, NODE, type Pod, type PodsOptions, pods, podsTopology } from "../../sdk/lab/index.ts";

export type PodName = keyof typeof pods;
export type Hook = "tc" | "xdp";

/** Every contract of the pods tests is held by each of these. */
export const hooks: readonly Hook[] = ["tc", "xdp"];

/** The python that has scapy: the system's, whatever PATH says. */
export const PYTHON = "/usr/bin/python3";

/** How an address stands in a URL. */
export const inUrl = (address: string): string => (address.includes(":") ? `[${address}]` : address);

/** A workload interface for a pod, with `fields` besides. */
export function workload(lab: Lab, hook: Hook, { name, device, mac, ipv4, ipv6 }: Pod, fields: object = {}): object {
  const netns = lab.path(name);
  return { name: device, role: "workload", vrf: "red", hook, mac, addresses: [ipv4, ipv6], netns, ...fields };
}

/** All pods in one VRF. `fields` of an interface by pod; `rest` of the document. */
export function podsDocument(
  lab: Lab,
  hook: Hook,
  fields: Partial<Record<PodName, object>> = {},
  rest: object = {},
): object {
  const interfaces = (Object.keys(pods) as PodName[]).map((name) => workload(lab, hook, pods[name], fields[name]));
  return { vrfs: [{ name: "red" }], interfaces, ...rest };
}

export interface PodsNodeOptions extends PodsOptions {
  /** Tells tests apart that run at the same time. */
  readonly name: string;
  readonly hook: Hook;
  readonly open?: OpenOptions;
}

/** The lab, and the data plane on its node. Disposing takes both down. */
export class PodsNode implements AsyncDisposable {
  readonly lab: Lab;
  readonly hook: Hook;
  readonly instance: string;
  readonly dp: DataPlane;

  private constructor(lab: Lab, instance: string, hook: Hook, dp: DataPlane) {
    this.lab = lab;
    this.instance = instance;
    this.hook = hook;
    this.dp = dp;
  }

  static async start({ name, hook, open, ...topology }: PodsNodeOptions): Promise<PodsNode> {
    const id = `${process.pid}-${name}-${hook}`;
    const lab = Lab.create(podsTopology(topology), { prefix: `wJ-wj-${id}-` });
    try {
      const instance = `wj${id}`;
      const limits = { flows: 8192 };
      return new PodsNode(
        lab,
        instance,
        hook,
        await DataPlane.open({ instance, netns: lab.path(NODE), limits, ...open }),
      );
    } catch (error) {
      lab.destroy();
      throw error;
    }
  }

  document(fields: Partial<Record<PodName, object>> = {}, rest: object = {}): object {
    return podsDocument(this.lab, this.hook, fields, rest);
  }

  /** Dropped packets of an interface so far, for one reason. */
  dropped(device: string, reason: string): number {
    return this.dp.drops().find((count) => count.interface === device && count.reason === reason)?.packets ?? 0;
  }

  /** Runs a Python program in a pod to its end. */
  async python(pod: PodName, program: string, ...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.lab.exec(pod, [PYTHON, "-c", program, ...args], {
      timeoutMs: 60_000,
    });
    if (status !== 0) throw new Error(`python in pod ${pod} ended with ${status}: ${stderr}`);
    return stdout;
  }

  /** Starts a Python program in a pod; it has begun when it writes `ready`. */
  async serve(pod: PodName, program: string, ...args: readonly string[]): Promise<LabProcess> {
    const process = this.lab.spawn(pod, [PYTHON, "-u", "-c", program, ...args]);
    await process.waitForOutput(/ready/, { timeoutMs: 10_000 });
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.dp.destroy();
    } finally {
      await this.lab[Symbol.asyncDispose]();
    }
  }
}
