// SPDX-License-Identifier: Apache-2.0
/**
 * A node made by hand: kernel programs on the devices of a lab's pods, tables filled by the test, and a slow
 * path. What DataPlane does is not used, so that a failure here is one of the slow path.
 */

import { parseAddress, parseMac } from "../../sdk/address.ts";
import { type Lab, type Pod, pods } from "../../sdk/lab/index.ts";
import {
  configCodec,
  interfaceCodec,
  interfaceCountersCodec,
  interfaceLayout,
  NEXTHOP_FLAG_PEER,
  NEXTHOP_FLAG_POLICY,
  NEXTHOP_FLAG_RESOLVE,
  NexthopTypeValue,
  nexthopCodec,
  nexthopLayout,
} from "../../sdk/layout/index.ts";
import {
  attachTc,
  attachXdp,
  type Collection,
  CollectionSpec,
  type Link,
  type Mapping,
} from "../../sdk/libbpf/index.ts";
import { Netlink } from "../../sdk/netlink/index.ts";
import { withNetns } from "../../sdk/runtime/netns.ts";
import { compilePolicy, type PolicyInput, SlowPath, type SlowPathOptions } from "../../sdk/slowpath/index.ts";

const VRF = 1;
const GATEWAY_MAC = "00:00:5e:00:01:00";
const INTERFACE_POLICY = 0x0001;
const INTERFACE_LEARN_MAC = 0x0004;
const INTERFACE_MAC_LEARNED = 0x0008;
const INTERFACE_XDP = 0x0020;
const ADDRESS_OWN = 1;
const ADDRESS_GATEWAY = 2;
const XSK_BASE = 16;
const GATEWAYS = ["169.254.1.1", "fe80::1"];

const u32s = (...values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
const mapped = (text: string): Uint8Array => parseAddress(text)?.bytes ?? new Uint8Array(16);
const mac = (text: string): Uint8Array => parseMac(text) ?? new Uint8Array(6);

/** Interface ids of the pods. */
export const ids = { a: 1, b: 2, c: 3 } as const;
type PodName = keyof typeof ids;

export interface NodeOptions extends Partial<SlowPathOptions> {
  readonly hook?: "tc" | "xdp";
  /** Workers. */
  readonly queues?: number;
  /** Entries of each flow table. Default 4096. */
  readonly flows?: number;
  /** False: the test starts the workers. */
  readonly run?: boolean;
}

export class TestNode implements Disposable {
  /** Nodes that were not disposed: that of a test which timed out would decide the packets of those that follow. */
  static readonly #all = new Set<TestNode>();

  static disposeAll(): void {
    for (const node of TestNode.#all) node[Symbol.dispose]();
  }

  readonly lab: Lab;
  readonly slowPath: SlowPath;
  readonly collection: Collection;
  readonly #hook: "tc" | "xdp";
  readonly #links: Link[] = [];
  readonly #interfaces: Mapping;
  readonly #nexthops: Mapping;
  readonly #config: Mapping;

  private constructor(lab: Lab, o: NodeOptions) {
    this.lab = lab;
    this.#hook = o.hook ?? "tc";
    const queues = o.queues ?? 1;
    const spec = CollectionSpec.fromFile(`${import.meta.dirname}/../../assets/weir.bpf.o`);
    for (const name of ["nexthops", "routes4", "routes6", "flows4", "flows6"]) {
      const map = spec.maps.get(name);
      if (map !== undefined) map.maxEntries = name.startsWith("flows") ? (o.flows ?? 4096) : 4096;
    }
    this.collection = spec.load();
    this.#interfaces = this.collection.map("interfaces").mmap();
    this.#nexthops = this.collection.map("nexthops").mmap();
    this.#config = this.collection.map("config").mmap();
    const far = this.#makeTrapLink(queues);
    const { hook: _hook, queues: _queues, flows: _flows, run = true, ...options } = o;
    try {
      this.slowPath = this.#openSlowPath(far, queues, options);
    } catch (error) {
      this.#closeKernelObjects();
      throw error;
    }
    configCodec.trapBytes.set(new DataView(this.#config.view), 0, this.slowPath.largestPacket);
    for (const name of Object.keys(ids) as PodName[]) this.#addPod(name);
    if (run) this.slowPath.run();
    TestNode.#all.add(this);
  }

  #openSlowPath(far: number, queues: number, options: Partial<SlowPathOptions>): SlowPath {
    const { lab } = this;
    return SlowPath.open({
      netns: lab.path("node"),
      maps: {
        interfaces: this.collection.map("interfaces"),
        nexthops: this.collection.map("nexthops"),
        decisions: this.collection.map("decisions"),
        flow_slots4: this.collection.map("flow_slots4"),
        flow_slots6: this.collection.map("flow_slots6"),
        miss_rings: this.collection.map("miss_rings"),
        xsks: this.collection.map("xsks"),
      },
      flowUpdate: this.collection.program("weir_flow_update"),
      trapDevice: { name: "wx", ifindex: far, queues },
      onFailure: (reason) => console.error(reason),
      ...options,
    });
  }

  #attach(link: () => Link): void {
    this.#links.push(withNetns(this.lab.path("node"), link));
  }

  #makeTrapLink(queues: number): number {
    using netlink = Netlink.open({ netns: this.lab.netns("node") });
    const shape = { rxQueues: queues, txQueues: queues, mtu: 1600 };
    netlink.addLink({ kind: "veth", name: "wt", ...shape, peer: { name: "wx", ...shape } });
    for (const device of ["wt", "wx"]) {
      this.lab.execSync("node", ["sysctl", "-qw", `net.ipv6.conf.${device}.disable_ipv6=1`]);
      this.lab.execSync("node", ["ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "sg", "off"]);
    }
    const near = netlink.link("wt")?.index ?? 0;
    const far = netlink.link("wx")?.index ?? 0;
    const { collection } = this;
    this.#attach(() => attachXdp({ program: collection.program("weir_trap_xdp"), ifindex: far, mode: "native" }));
    this.#attach(() => attachXdp({ program: collection.program("weir_inject_xdp"), ifindex: near, mode: "native" }));
    this.#attach(() =>
      attachTc({ program: collection.program("weir_inject_tc"), ifindex: near, direction: "ingress" }),
    );
    // In this order, as in sdk/dataplane/instance/trap_link.ts.
    netlink.setLink(far, { up: true });
    netlink.setLink(near, { up: true });
    const view = new DataView(this.#config.view);
    configCodec.abiVersion.set(view, 0, 1);
    configCodec.generation.set(view, 0, 1);
    configCodec.workers.set(view, 0, queues);
    configCodec.trapIfindex.set(view, 0, near);
    configCodec.holdTimeoutMs.set(view, 0, 5000);
    return far;
  }

  #addPod(name: PodName): void {
    const id = ids[name];
    const pod: Pod = pods[name];
    using netlink = Netlink.open({ netns: this.lab.netns("node") });
    const link = netlink.link(pod.device);
    const ifindex = link?.index ?? 0;
    const view = new DataView(this.#interfaces.view);
    const bytes = new Uint8Array(this.#interfaces.view);
    const base = id * interfaceLayout.size;
    interfaceCodec.ifindex.set(view, base, ifindex);
    interfaceCodec.vrf.set(view, base, VRF);
    interfaceCodec.nexthop.set(view, base, id);
    interfaceCodec.role.set(view, base, 1);
    interfaceCodec.mac.set(bytes, base, mac(pod.mac));
    interfaceCodec.gatewayMac.set(bytes, base, mac(GATEWAY_MAC));
    interfaceCodec.gateway4.set(view, base, 0xa9fe0101);
    interfaceCodec.gateway6.set(bytes, base, mapped("fe80::1"));
    interfaceCodec.flags.set(view, base, this.#hook === "xdp" ? INTERFACE_XDP : 0);
    const nexthop = id * nexthopLayout.size;
    const hops = new DataView(this.#nexthops.view);
    nexthopCodec.type.set(hops, nexthop, NexthopTypeValue.interface);
    nexthopCodec.interface.set(hops, nexthop, id);
    nexthopCodec.ifindex.set(hops, nexthop, ifindex);
    nexthopCodec.flags.set(hops, nexthop, this.#hook === "tc" ? NEXTHOP_FLAG_PEER : 0);
    nexthopCodec.destinationMac.set(new Uint8Array(this.#nexthops.view), nexthop, mac(pod.mac));
    nexthopCodec.sourceMac.set(new Uint8Array(this.#nexthops.view), nexthop, mac(GATEWAY_MAC));

    const maps = this.collection;
    // A devmap looks the index up in the namespace of the caller.
    withNetns(this.lab.path("node"), () => maps.map("tx_ports").update(u32s(id), u32s(ifindex)));
    for (const address of [pod.ipv4, pod.ipv6]) this.#addAddress(id, address, ADDRESS_OWN);
    for (const address of GATEWAYS) this.#addAddress(id, address, ADDRESS_GATEWAY);
    this.addRoute(pod.ipv4, 4, id);
    this.addRoute(pod.ipv6, 6, id);
    const program = maps.program("weir_tc");
    this.#attach(() => attachTc({ program, ifindex, direction: "ingress" }));
    if (this.#hook === "xdp") {
      this.lab.execSync(name, ["ethtool", "-K", "eth0", "tx", "off", "gro", "on"]);
      const { mode } = this.addDirect(name, ifindex);
      if (mode !== "copy") throw new Error(`mode ${mode}`);
      interfaceCodec.xskBase.set(view, base, XSK_BASE * id);
      interfaceCodec.xskCount.set(view, base, 1);
      this.#attach(() => attachXdp({ program: maps.program("weir_xdp"), ifindex, mode: "native" }));
    }
    maps.map("devices").update(u32s(ifindex, 0), u32s(id));
  }

  /** Opens a pod's own socket. */
  addDirect(name: PodName, ifindex = this.ifindex(name)) {
    const xskBase = XSK_BASE * ids[name];
    const { device } = pods[name];
    return this.slowPath.addDirect({ interfaceId: ids[name], device, ifindex, queues: 1, xskBase, mode: "auto" });
  }

  /** Of the node's end. */
  ifindex(name: PodName): number {
    return interfaceCodec.ifindex.get(new DataView(this.#interfaces.view), ids[name] * interfaceLayout.size);
  }

  #addAddress(id: number, address: string, flags: number): void {
    const key = new Uint8Array(20);
    key.set(u32s(id));
    key.set(mapped(address), 4);
    this.collection.map("interface_addresses").update(key, u32s(flags));
  }

  addRoute(address: string, family: 4 | 6, nexthop: number): void {
    const bytes = family === 4 ? mapped(address).slice(12) : mapped(address);
    const key = new Uint8Array(8 + bytes.length);
    key.set(u32s(32 + bytes.length * 8));
    key.set([0, 0, 0, VRF], 4);
    key.set(bytes, 8);
    this.collection.map(`routes${family}`).update(key, u32s(nexthop, 0, 0, 0));
  }

  /** Makes a node whose workers begin to run. */
  static begin(lab: Lab, o: NodeOptions = {}): TestNode {
    return new TestNode(lab, o);
  }

  /** Makes a node whose workers run. */
  static async start(lab: Lab, o: NodeOptions = {}): Promise<TestNode> {
    const node = TestNode.begin(lab, o);
    await node.slowPath.ready();
    return node;
  }

  /** Puts policies in force: the sets of the named pods, in order. */
  protect(sets: Partial<Record<PodName, readonly PolicyInput[]>>): ReturnType<typeof compilePolicy> {
    const names = Object.keys(sets) as PodName[];
    const compiled = compilePolicy({ revision: 1, sets: names.map((name) => sets[name] ?? []) });
    this.slowPath.setPolicy(compiled);
    const view = new DataView(this.#interfaces.view);
    const hops = new DataView(this.#nexthops.view);
    for (const [index, name] of names.entries()) {
      const base = ids[name] * interfaceLayout.size;
      interfaceCodec.policy.set(view, base, index + 1);
      interfaceCodec.flags.set(view, base, interfaceCodec.flags.get(view, base) | INTERFACE_POLICY);
      const nexthop = ids[name] * nexthopLayout.size;
      nexthopCodec.flags.set(hops, nexthop, nexthopCodec.flags.get(hops, nexthop) | NEXTHOP_FLAG_POLICY);
    }
    return compiled;
  }

  /** Makes the node forget a pod's MAC, and learn it from what the pod sends. */
  forgetMac(name: PodName): void {
    const view = new DataView(this.#interfaces.view);
    const base = ids[name] * interfaceLayout.size;
    const hops = new DataView(this.#nexthops.view);
    const nexthop = ids[name] * nexthopLayout.size;
    nexthopCodec.flags.set(hops, nexthop, nexthopCodec.flags.get(hops, nexthop) | NEXTHOP_FLAG_RESOLVE);
    nexthopCodec.destinationMac.set(new Uint8Array(this.#nexthops.view), nexthop, new Uint8Array(6));
    interfaceCodec.mac.set(new Uint8Array(this.#interfaces.view), base, new Uint8Array(6));
    const flags = interfaceCodec.flags.get(view, base) & ~INTERFACE_MAC_LEARNED;
    interfaceCodec.flags.set(view, base, flags | INTERFACE_LEARN_MAC);
  }

  /** Packets that the kernel programs have sent to the slow path from a pod. */
  traps(name: PodName): number {
    const map = this.collection.map("interface_counters");
    const value = new Uint8Array(map.valueBytes);
    map.lookup(u32s(ids[name]), value);
    const view = new DataView(value.buffer);
    let traps = 0;
    for (let cpu = 0; cpu < map.cpus; cpu++) {
      traps += interfaceCountersCodec.trapPackets.getNumber(view, cpu * map.valueStride);
    }
    return traps;
  }

  /** Decided entries in the flow tables. */
  flows(): number {
    let count = 0;
    for (const name of ["flows4", "flows6"]) for (const _ of this.collection.map(name).entries()) count++;
    return count;
  }

  #closeKernelObjects(): void {
    using cleanup = new DisposableStack();
    cleanup.use(this.collection);
    for (const mapping of [this.#interfaces, this.#nexthops, this.#config]) cleanup.use(mapping);
    for (const link of this.#links) cleanup.use(link);
  }

  [Symbol.dispose](): void {
    if (!TestNode.#all.delete(this)) return;
    try {
      this.slowPath.close();
    } finally {
      this.#closeKernelObjects();
    }
  }
}
