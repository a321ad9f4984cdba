// SPDX-License-Identifier: Apache-2.0
/** Weir between the two pods of a lab, in this process. */

import { DataPlane, destroyInstance, type Rule, type State } from "../../../sdk/index.ts";
import { removeOnInterrupt } from "./interrupt.ts";
import { CLIENT, GATEWAY, type SameNode, SERVER } from "./topology.ts";

/** Names in the applied state. */
export const VRF = "red";
export const CLIENT_INTERFACE = "a";
export const SERVER_INTERFACE = "b";
/** Policy of the client's interface. */
export const CLIENT_POLICY = "from-a";

/** Flows of the largest trial take two entries each; a table that is half empty stays fast. */
const LIMITS = { flows: 1_048_576, routes: 262_144, nexthops: 4096 };

export interface WeirNodeOptions {
  readonly hook: "tc" | "xdp";
  /** Both pods have a policy that allows all: each flow is decided once, and then looked up. */
  readonly policy: boolean;
  /** Rules that the policy of pod a begins with. Default: none. */
  readonly rules?: readonly Rule[];
  /** Entries that there is room for in the flow tables. Default: 1 048 576. */
  readonly flows?: number;
  /** Idle time of UDP flows, in seconds. Default: Weir's own. */
  readonly udpSeconds?: number;
  /** The node's `bigTcp`. Default: Weir's own. */
  readonly bigTcp?: boolean;
  /** CPUs of the slow path's threads. Default: any. */
  readonly workerCpus?: readonly number[];
  /** Keep the desired state in SQLite, as by default; else in memory only. Default: false. */
  readonly persistent?: boolean;
}

export class WeirNode implements AsyncDisposable {
  readonly dataPlane: DataPlane;
  readonly #gone: () => void;

  private constructor(dataPlane: DataPlane) {
    this.dataPlane = dataPlane;
    this.#gone = removeOnInterrupt(() => dataPlane.destroy());
  }

  /** Starts it; what an earlier run left under the same name goes first. */
  static async start(lab: SameNode, options: WeirNodeOptions): Promise<WeirNode> {
    const instance = lab.node;
    destroyInstance(instance, { netns: lab.node });
    const store = options.persistent ? {} : ({ store: false } as const);
    const { workerCpus } = options;
    const limits = { ...LIMITS, flows: options.flows ?? LIMITS.flows };
    const dataPlane = await DataPlane.open({ instance, netns: lab.node, limits, workerCpus, ...store });
    const node = new WeirNode(dataPlane);
    try {
      await dataPlane.apply(state(lab, options));
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  /** Empties the flow table. */
  forgetFlows(): void {
    this.dataPlane.flows.delete({});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dataPlane.destroy();
    this.#gone();
  }
}

function state(lab: SameNode, options: WeirNodeOptions): State {
  const { policy, rules = [] } = options;
  const bigTcp = options.bigTcp === undefined ? {} : { bigTcp: options.bigTcp };
  const timeouts = options.udpSeconds === undefined ? {} : { timeouts: { udpSeconds: options.udpSeconds } };
  const workload = (names: readonly string[]) =>
    ({ role: "workload", vrf: VRF, hook: options.hook, ...(policy ? { policies: [...names] } : {}) }) as const;
  return {
    node: { name: "bench", gatewayMac: GATEWAY.mac, ...bigTcp, ...timeouts },
    vrfs: [{ name: VRF }],
    policies: [
      { name: CLIENT_POLICY, default: "allow", rules: [...rules] },
      { name: "all", default: "allow" },
    ],
    interfaces: [
      {
        ...workload([CLIENT_POLICY]),
        name: CLIENT_INTERFACE,
        device: lab.clientDevice,
        netns: lab.client,
        ...addressing(CLIENT),
      },
      {
        ...workload(["all"]),
        name: SERVER_INTERFACE,
        device: lab.serverDevice,
        netns: lab.server,
        ...addressing(SERVER),
      },
    ],
  };
}

function addressing(pod: { readonly address: string; readonly mac: string }) {
  return { mac: pod.mac, addresses: [pod.address], gateways: [GATEWAY.address] };
}
