// SPDX-License-Identifier: Apache-2.0
/** Two nodes whose VRF red follows a table of the kernel's. */
import type { DataPlane } from "../../sdk/index.ts";
import { type LabNode, waitFor } from "../../sdk/lab/index.ts";
import { type Netlink, routeProtocols } from "../../sdk/netlink/index.ts";
import type { Encapsulation, OverlayNodes } from "./overlay_nodes.ts";

/** Number of the table. */
export const TABLE = 100;

export interface Choices {
  readonly encap?: Encapsulation;
  readonly tag?: object;
  readonly export?: boolean;
}

/** Pods in VRF red, whose routes come from the kernel's table alone. */
export function document(overlay: OverlayNodes, node: LabNode, o: Choices): object {
  const kernelRoutes = { table: TABLE, ...(o.encap && { encap: o.encap }), ...o.tag, export: o.export ?? true };
  return {
    node: { underlay: node.underlay4 },
    vrfs: [{ name: "red", kernelRoutes }],
    interfaces: [...node.pods.map((pod) => overlay.workload(pod)), { name: "f0", role: "fabric" }],
    ...(o.encap === "vxlan"
      ? { vnis: [{ vni: 77, vrf: "red" }] }
      : { nexthops: [{ name: "red", type: "vrf", vrf: "red" }], labels: [{ label: 100, via: "red" }] }),
  };
}

/** What a routing daemon would do: the other node's pods, through its underlay addresses. */
export function learn(netlink: Netlink, far: LabNode): void {
  const ifindex = netlink.link("f0")?.index ?? 0;
  const common = { ifindex, table: TABLE, protocol: routeProtocols.bird };
  for (const { ipv4, ipv6 } of far.pods) {
    netlink.addRoute({ destination: `${ipv4}/32`, gateway: far.underlay4, ...common });
    netlink.addRoute({ destination: `${ipv6}/128`, gateway: far.underlay6, ...common });
  }
}

export const mirrored = (dp: DataPlane, vrf = "red") => status(dp, vrf)?.mirrored;
export const status = (dp: DataPlane, vrf = "red") =>
  dp.tables.vrfs.get(vrf)?.status["kernelRoutes"] as
    | { mirrored: number; routes: number; pending: number; ignored: object; exported: number }
    | undefined;

export async function settled(dp: DataPlane, count: number): Promise<void> {
  await waitFor(() => mirrored(dp) === count && status(dp)?.pending === 0, { what: `${count} mirrored routes` });
}

/** Routes of the kernel's table by destination, of one protocol. */
export const inTable = (netlink: Netlink, protocol: number): string[] =>
  netlink
    .routes({ table: TABLE, protocol })
    .map(({ destination }) => destination)
    .sort();
