// SPDX-License-Identifier: Apache-2.0
/** A lab of two nodes with a data plane on each, both in this process, for the tests of the overlay as a whole. */
import { DataPlane } from "../../sdk/index.ts";
import { bothNodes, Lab, type LabNode, nodes, type Pod, type Topology, waitFor } from "../../sdk/lab/index.ts";

export type NodeName = keyof typeof nodes;
export type Encapsulation = "vxlan" | "mpls-udp" | "mpls-gre";
export type HookName = "tc" | "xdp";

export interface OverlayOptions {
  /** Tells tests apart that run at the same time. */
  readonly name: string;
  readonly topology: Topology;
  /** Nodes that get a data plane. Default: both. */
  readonly nodes?: readonly NodeName[];
}

/** VNI of VRF `red` in these tests. */
export const VNI = 77;

/** Label of VRF `red` in these tests. */
export const LABEL = 100;

/** The other node. */
export const otherNode = (node: LabNode): LabNode => (node === nodes.n1 ? nodes.n2 : nodes.n1);

/** The lab and its data planes. */
export class OverlayNodes implements AsyncDisposable {
  readonly lab: Lab;
  readonly #name: string;
  readonly #planes = new Map<NodeName, DataPlane>();

  private constructor(lab: Lab, name: string) {
    this.lab = lab;
    this.#name = name;
  }

  static async start(o: OverlayOptions): Promise<OverlayNodes> {
    const lab = Lab.create(o.topology, { prefix: `wM-${process.pid}-${o.name}-` });
    const overlay = new OverlayNodes(lab, o.name);
    try {
      for (const name of o.nodes ?? (["n1", "n2"] as const)) await overlay.open(name);
      return overlay;
    } catch (error) {
      await overlay[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Name of a node's instance. */
  instance(name: NodeName): string {
    return `wM-${process.pid}-${this.#name}-${name}`;
  }

  /** Starts a node's controller. */
  async open(name: NodeName): Promise<DataPlane> {
    const plane = await DataPlane.open({
      instance: this.instance(name),
      netns: this.lab.path(name),
      limits: { flows: 8192 },
    });
    this.#planes.set(name, plane);
    return plane;
  }

  /** Ends a node's controller; the kernel forwards on. */
  async close(name: NodeName): Promise<void> {
    await this.plane(name).close();
  }

  /** The data plane of a node. */
  plane(name: NodeName): DataPlane {
    const plane = this.#planes.get(name);
    if (plane === undefined) throw new Error(`Node ${name} has no data plane`);
    return plane;
  }

  /** A workload interface for a pod, with `fields` besides. */
  workload({ name, device, mac, ipv4, ipv6 }: Pod, fields: object = {}): object {
    const netns = this.lab.path(name);
    return { name: device, role: "workload", vrf: "red", mac, addresses: [ipv4, ipv6], netns, ...fields };
  }

  /** Answers to `count` pings from one namespace to an address. */
  async received(from: string, address: string, count = 3): Promise<number> {
    return (await this.lab.ping(from, address, { count, intervalMs: 20, timeoutMs: 700 })).received;
  }

  /** Packets that nodes dropped, by node, interface and reason. */
  drops(): Record<string, number> {
    const drops: Record<string, number> = {};
    for (const [name, plane] of this.#planes) {
      for (const { interface: on, reason, packets } of plane.drops()) drops[`${name} ${on} ${reason}`] = packets;
    }
    return drops;
  }

  /** The same without what Linux causes by itself: reports and solicitations to groups that nobody is in. */
  losses(...expected: string[]): Record<string, number> {
    const noise = new Set(["broadcast", "unknown-unicast", "unhandled-trap", ...expected]);
    const drops = Object.entries(this.drops());
    return Object.fromEntries(drops.filter(([key]) => !noise.has(key.slice(key.lastIndexOf(" ") + 1))));
  }

  /** Runs a program that must not fail. */
  async run(namespace: string, ...argv: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.lab.exec(namespace, argv);
    if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const plane of this.#planes.values()) await plane.destroy();
    } finally {
      this.lab.destroy();
    }
  }
}

/** What a node's state says in most tests. */
export interface RoutedOptions {
  readonly encap: Encapsulation;
  readonly hook: HookName;
  readonly underlay: 4 | 6;
  /** Fields of all workloads. */
  readonly fields?: object;
}

const addressOf = (node: LabNode, family: 4 | 6): string => (family === 4 ? node.underlay4 : node.underlay6);

/** The id that a tunnel's packets carry. */
export const tagOf = (encap: Encapsulation): object => (encap === "vxlan" ? { vni: VNI } : { label: LABEL });

/** Both pods of a node in VRF `red`, and a host route for each pod of the other one by a tunnel. */
export function routedDocument(overlay: OverlayNodes, node: LabNode, o: RoutedOptions): object {
  const far = otherNode(node);
  const remote = addressOf(far, o.underlay);
  return {
    node: { name: node.name, underlay: addressOf(node, o.underlay) },
    vrfs: [{ name: "red" }],
    interfaces: [
      ...node.pods.map((pod) => overlay.workload(pod, { hook: o.hook, ...o.fields })),
      { name: "f0", role: "fabric", hook: o.hook },
    ],
    nexthops: [
      { name: `to-${far.name}`, type: "tunnel", encap: o.encap, remote },
      { name: "red", type: "vrf", vrf: "red" },
    ],
    routes: far.pods
      .flatMap(({ ipv4, ipv6 }) => [`${ipv4}/32`, `${ipv6}/128`])
      .map((prefix) => ({ vrf: "red", prefix, via: `to-${far.name}`, ...tagOf(o.encap) })),
    ...(o.encap === "vxlan" ? { vnis: [{ vni: VNI, vrf: "red" }] } : { labels: [{ label: LABEL, via: "red" }] }),
  };
}

/** What the state says where pods are on one network. */
export interface BridgedOptions {
  readonly encap: Encapsulation;
  readonly hook: HookName;
  readonly underlay?: 4 | 6;
  /** Fields of all workloads. */
  readonly fields?: object;
  /** MACs of the other node's pods are in the state. Default: they are flooded to. */
  readonly macs?: boolean;
}

/** Pods that find each other by ARP and ND of their own, flooded over the tunnel. */
export function bridgedDocument(overlay: OverlayNodes, node: LabNode, o: BridgedOptions): object {
  const far = otherNode(node);
  const to = `to-${far.name}`;
  const tag = tagOf(o.encap);
  const members = [...node.pods.map(({ device }) => ({ nexthop: device })), { nexthop: to, ...tag }];
  return {
    node: { underlay: addressOf(node, o.underlay ?? 4) },
    vrfs: [{ name: "red", unknownUnicast: o.macs === true ? "drop" : "flood" }],
    interfaces: [
      ...node.pods.map((pod) => overlay.workload(pod, { hook: o.hook, proxyArp: false, ...o.fields })),
      { name: "f0", role: "fabric", hook: o.hook, netns: overlay.lab.path(far.name) },
    ],
    nexthops: [
      { name: to, type: "tunnel", encap: o.encap, remote: addressOf(far, o.underlay ?? 4) },
      { name: "all", type: "flood", members },
      { name: "red", type: "vrf", vrf: "red" },
    ],
    fdb: [
      { vrf: "red", mac: "ff:ff:ff:ff:ff:ff", via: "all" },
      ...(o.macs === true ? far.pods.map(({ mac }) => ({ vrf: "red", mac, via: to, ...tag })) : []),
    ],
    ...("vni" in tag ? { vnis: [{ ...tag, vrf: "red" }] } : { labels: [{ ...tag, via: "red", payload: "ethernet" }] }),
  };
}

/** Makes both nodes what `document` says of each. */
export async function applyBoth(
  overlay: OverlayNodes,
  document: (overlay: OverlayNodes, node: LabNode) => object,
): Promise<void> {
  for (const node of bothNodes) await overlay.plane(node.name as NodeName).apply(document(overlay, node));
}

/** Waits until both nodes' tunnels to each other have a path. */
export async function tunnelsResolved(overlay: OverlayNodes): Promise<void> {
  for (const [plane, tunnel] of [
    ["n1", "to-n2"],
    ["n2", "to-n1"],
  ] as const) {
    const resolved = () => overlay.plane(plane).tables.nexthops.get(tunnel)?.status["resolved"] === true;
    await waitFor(resolved, { what: tunnel });
  }
}
