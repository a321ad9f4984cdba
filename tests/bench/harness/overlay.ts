// SPDX-License-Identifier: Apache-2.0
/** Two nodes and a fabric link: pods across it by Weir's tunnels, or by the kernel's own VXLAN and bridge. */

import { DataPlane, destroyInstance, type State } from "../../../sdk/index.ts";
import { bothNodes, kernelVxlanTopology, Lab, type LabNode, nodes, twoNodesTopology } from "../../../sdk/lab/index.ts";
import { removeOnInterrupt } from "./interrupt.ts";
import { run } from "./process.ts";
import { GATEWAY, type Path, POD_DEVICE, type Workload } from "./topology.ts";

const LIMITS = { flows: 65_536, routes: 65_536, nexthops: 4096 };
const VRF = "red";
/** VNI or label of the VRF. */
const TAG = 77;
const [CLIENT_POD] = nodes.n1.pods;
const [SERVER_POD] = nodes.n2.pods;

export type TunnelEncap = "vxlan" | "mpls-udp";

export interface OverlayOptions {
  /** At most four characters; makes the names of namespaces unique. */
  readonly id: string;
  /** What connects the nodes; left out: Linux's VXLAN device and bridge, with the same MTUs. */
  readonly weir?: { readonly encap: TunnelEncap; readonly hook: "auto" | "tc" | "xdp" };
}

/** The path from a pod of the first node to one of the second. */
export class Overlay implements Path, AsyncDisposable {
  readonly client: string;
  readonly server: string;
  readonly from: Workload = { address: CLIENT_POD.ipv4, mac: CLIENT_POD.mac };
  readonly to: Workload = { address: SERVER_POD.ipv4, mac: SERVER_POD.mac };
  readonly via: string;
  readonly #lab: Lab;
  readonly #planes: DataPlane[] = [];
  readonly #gone: () => void;

  private constructor(lab: Lab, via: string) {
    this.#lab = lab;
    this.client = lab.netns(CLIENT_POD.name);
    this.server = lab.netns(SERVER_POD.name);
    this.via = via;
    this.#gone = removeOnInterrupt(() => this.#end());
  }

  /** Makes it, and waits until it forwards; what an earlier run left under the same names goes first. */
  static async create({ id, weir }: OverlayOptions): Promise<Overlay> {
    const topology = weir === undefined ? kernelVxlanTopology() : twoNodesTopology();
    const lab = Lab.create(topology, { prefix: `wbench-${id}-`, replace: true });
    const overlay = new Overlay(lab, weir === undefined ? SERVER_POD.mac : GATEWAY.mac);
    try {
      if (weir !== undefined) for (const node of bothNodes) await overlay.#open(node, weir);
      await overlay.#giveNapi();
      await overlay.#connect();
      return overlay;
    } catch (error) {
      await overlay[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #open(node: LabNode, weir: NonNullable<OverlayOptions["weir"]>): Promise<void> {
    const netns = this.#lab.netns(node.name);
    destroyInstance(netns, { netns });
    const plane = await DataPlane.open({ instance: netns, netns, limits: LIMITS, store: false });
    this.#planes.push(plane);
    await plane.apply(state(this.#lab, node, weir));
  }

  /** GRO gives a veth the NAPI without which frames that XDP redirects to it vanish: for all alike. */
  async #giveNapi(): Promise<void> {
    const gro = (netns: string, device: string) => run(["ethtool", "-K", device, "gro", "on"], { netns });
    for (const node of bothNodes) for (const pod of node.pods) await gro(this.#lab.netns(node.name), pod.device);
    for (const pod of [this.client, this.server]) await gro(pod, POD_DEVICE);
  }

  /** Neighbours are found, and bridges have learned. */
  async #connect(): Promise<void> {
    for (const [from, to] of [
      [this.client, SERVER_POD.ipv4],
      [this.server, CLIENT_POD.ipv4],
    ] as const) {
      await run(["ping", "-c", "3", "-i", "0.2", "-w", "10", to], { netns: from });
    }
  }

  async #end(): Promise<void> {
    try {
      for (const plane of this.#planes) await plane.destroy();
    } finally {
      this.#lab.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    this.#gone();
  }
}

function state(lab: Lab, node: LabNode, { encap, hook }: NonNullable<OverlayOptions["weir"]>): State {
  const far = node === nodes.n1 ? nodes.n2 : nodes.n1;
  const tag = encap === "vxlan" ? { vni: TAG } : { label: TAG };
  const tunnel = `to-${far.name}`;
  return {
    node: { name: node.name, underlay: node.underlay4, gatewayMac: GATEWAY.mac },
    vrfs: [{ name: VRF }],
    policies: [{ name: "all", default: "allow" }],
    interfaces: [
      ...node.pods.map(({ name, device, mac, ipv4 }) => ({
        ...({ name: device, role: "workload", vrf: VRF, hook, policies: ["all"] } as const),
        ...{ policies: ["all"], mac, addresses: [ipv4], netns: lab.path(name) },
      })),
      { name: "f0", role: "fabric", hook },
    ],
    nexthops: [
      { name: tunnel, type: "tunnel", encap, remote: far.underlay4 },
      { name: VRF, type: "vrf", vrf: VRF },
    ],
    routes: far.pods.map(({ ipv4 }) => ({ vrf: VRF, prefix: `${ipv4}/32`, via: tunnel, ...tag })),
    ...(encap === "vxlan" ? { vnis: [{ vni: TAG, vrf: VRF }] } : { labels: [{ label: TAG, via: VRF }] }),
  };
}
