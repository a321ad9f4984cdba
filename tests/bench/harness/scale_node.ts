// SPDX-License-Identifier: Apache-2.0
/** A node with as much on it as a large one has: VRFs, interfaces and tunnels by the thousand. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DataPlane, destroyInstance } from "../../../sdk/index.ts";
import { BpfMap } from "../../../sdk/libbpf/index.ts";
import { removeOnInterrupt } from "./interrupt.ts";
import { run as execute } from "./process.ts";
import { CLIENT, GATEWAY, type SameNode, SERVER } from "./topology.ts";
import { CLIENT_INTERFACE, SERVER_INTERFACE, VRF } from "./weir.ts";

export const VRFS = 4000;
export const TUNNELS = 100_000;
/** VLAN sub-interfaces, half of them on either pod's device. */
export const INTERFACES = 5000;
export const ROUTES = 1_000_000;

const UNDERLAY = "192.0.2.1";
const NEIGHBOUR = "192.0.2.254";
const FABRIC = "fabric0";
const FAR_END = "fabric1";
const FIRST_VLAN = 2;
const LIMITS = { flows: 65_536, routes: 1_048_576, nexthops: 131_072 };

/** Name of the VRF with this number. */
const vrfName = (index: number): string => `v${index}`;
/** Name of the sub-interface with this number; it is in the VRF with the same number, or that less {@link VRFS}. */
const interfaceName = (index: number): string => `i${index}`;
/** Underlay address of the node behind a tunnel. */
const remoteOf = (index: number): string => `100.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
const tunnelName = (index: number): string => `t${index}`;

/** Route by its number: each VRF has as many, each to a tunnel of its own. */
export function routeOf(index: number) {
  const vrf = index % VRFS;
  const prefix = `10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}/32`;
  return { vrf: vrfName(vrf), prefix, via: tunnelName(index % TUNNELS), vni: 1 + vrf };
}

/** Seconds that a commit took. */
async function committed(transaction: { commit(): Promise<unknown> }): Promise<number> {
  const start = performance.now();
  await transaction.commit();
  return (performance.now() - start) / 1000;
}

export class ScaleNode implements AsyncDisposable {
  readonly dataPlane: DataPlane;
  readonly #instance: string;
  readonly #gone: () => void;

  private constructor(dataPlane: DataPlane, instance: string) {
    this.dataPlane = dataPlane;
    this.#instance = instance;
    this.#gone = removeOnInterrupt(() => dataPlane.destroy());
  }

  /** Two pods and a fabric device whose far end never answers; what an earlier run left goes first. */
  static async start(lab: SameNode): Promise<ScaleNode> {
    const links = [
      `link add ${FABRIC} type veth peer name ${FAR_END}`,
      `link set ${FABRIC} up`,
      `link set ${FAR_END} up`,
      `address add ${UNDERLAY}/24 dev ${FABRIC}`,
      `neighbour add ${NEIGHBOUR} lladdr 02:00:00:00:ff:01 dev ${FABRIC} nud permanent`,
      `route add 100.64.0.0/10 via ${NEIGHBOUR}`,
    ];
    await execute(["ip", "-batch", "-"], { netns: lab.node, input: `${links.join("\n")}\n` });
    const instance = lab.node;
    destroyInstance(instance, { netns: lab.node });
    const dataPlane = await DataPlane.open({ instance, netns: lab.node, limits: LIMITS });
    const node = new ScaleNode(dataPlane, instance);
    try {
      const pod = { role: "workload", vrf: VRF, hook: "tc", gateways: [GATEWAY.address] } as const;
      await dataPlane.apply({
        node: { name: "bench", underlay: UNDERLAY, gatewayMac: GATEWAY.mac },
        vrfs: [{ name: VRF }],
        interfaces: [
          { name: FABRIC, role: "fabric", hook: "tc" },
          { ...pod, name: CLIENT_INTERFACE, device: lab.clientDevice, mac: CLIENT.mac, addresses: [CLIENT.address] },
          { ...pod, name: SERVER_INTERFACE, device: lab.serverDevice, mac: SERVER.mac, addresses: [SERVER.address] },
        ],
      });
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  /** Adds VRFs and sub-interfaces; returns the seconds that it took. */
  async addInterfaces(): Promise<number> {
    const transaction = this.dataPlane.transaction({ owner: "interfaces" });
    for (let i = 0; i < VRFS; i++) transaction.put("vrfs", { name: vrfName(i) });
    for (let i = 0; i < INTERFACES; i++) {
      const parent = i % 2 === 0 ? CLIENT_INTERFACE : SERVER_INTERFACE;
      const vlan = FIRST_VLAN + (i >> 1);
      const addresses = [`10.96.${i >> 8}.${i & 255}`];
      transaction.put("interfaces", {
        name: interfaceName(i),
        role: "workload",
        vrf: vrfName(i % VRFS),
        parent,
        vlan,
        addresses,
      });
    }
    return committed(transaction);
  }

  /** Adds the tunnels; returns the seconds that it took. */
  async addTunnels(): Promise<number> {
    const transaction = this.dataPlane.transaction({ owner: "tunnels" });
    for (let i = 0; i < TUNNELS; i++) {
      transaction.put("nexthops", { name: tunnelName(i), type: "tunnel", encap: "vxlan", remote: remoteOf(i) });
    }
    return committed(transaction);
  }

  /** Adds the routes; returns the seconds that they took to be put, and those from commit to resolved. */
  async addRoutes(durable: boolean): Promise<{ readonly put: number; readonly commit: number }> {
    const transaction = this.dataPlane.transaction({ owner: "bgp", durable });
    const start = performance.now();
    for (let i = 0; i < ROUTES; i++) transaction.put("routes", routeOf(i));
    const put = (performance.now() - start) / 1000;
    return { put, commit: await committed(transaction) };
  }

  /** Adds one route to what is there; returns the milliseconds from `transaction()` to the resolved commit. */
  async addOneRoute(): Promise<number> {
    const start = performance.now();
    const route = { ...routeOf(0), prefix: "11.0.0.0/32" };
    await this.dataPlane.transaction({ owner: "one" }).put("routes", route).commit();
    return performance.now() - start;
  }

  async removeRoutes(): Promise<void> {
    await this.dataPlane.transaction({ owner: "bgp", replace: true }).commit();
    await this.dataPlane.transaction({ owner: "one", replace: true }).commit();
  }

  /**
   * Sends a packet of every `step`-th sub-interface's workload to a route of its VRF, by the real programs on the
   * real tables; returns how many.
   * @throws when one does not leave in its route's tunnel.
   */
  forward(step: number): number {
    let sent = 0;
    for (let i = 0; i < INTERFACES; i += step) {
      const index = (i % VRFS) + VRFS * (i % (ROUTES / VRFS));
      const { prefix, via } = routeOf(index);
      const dst = prefix.slice(0, prefix.indexOf("/"));
      const { steps, verdict } = this.dataPlane.trace(interfaceName(i), { dst, proto: "udp" });
      const tunnel = steps.find((each) => each.stage === "encapsulate");
      if (verdict !== "forward" || tunnel?.tunnel !== via || tunnel.remote !== remoteOf(index % TUNNELS)) {
        throw new Error(
          `a packet of ${interfaceName(i)} to ${dst} ended as ${verdict}: ${JSON.stringify(steps.at(-1))}`,
        );
      }
      sent++;
    }
    return sent;
  }

  /** Memory of all maps, in bytes, as the kernel accounts it. */
  kernelMemory(): number {
    const directory = `/sys/fs/bpf/weir/${this.#instance}/maps`;
    let bytes = 0;
    for (const name of readdirSync(directory)) {
      using map = BpfMap.fromPin(join(directory, name));
      bytes += Number(/^memlock:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${map.fd}`, "utf8"))?.[1] ?? 0);
    }
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dataPlane.destroy();
    this.#gone();
  }
}
