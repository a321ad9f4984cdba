// SPDX-License-Identifier: Apache-2.0
/** The kernel's devices behind interfaces. */
import { formatMac, parseMac } from "../address.ts";
import { Ethtool, type LinkInfo, Netlink } from "../netlink/index.ts";
import { type Interface, invalid } from "./schema/index.ts";

/** What Weir needs to know of a device. */
export interface Device {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: Uint8Array;
  /** Layer 3, in bytes. */
  readonly mtu: number;
  readonly up: boolean;
  /** A veth or netkit end whose other end is in another namespace: `bpf_redirect_peer` may be used. */
  readonly peerElsewhere: boolean;
  /** Index of a veth's other end, in its namespace. */
  readonly peerIndex: number | undefined;
  /** Id of that namespace (`Netlink.namespaceId`); `undefined`: it is the device's own. */
  readonly peerNetnsId: number | undefined;
  /** Kind of a virtual device; `undefined` for hardware. */
  readonly kind: string | undefined;
  /** Receive queues in use. */
  readonly rxQueues: number;
  /** Name of the driver, such as `veth` or `ena`; empty where it does not tell. */
  readonly driver: string;
}

/** Drivers of the kernel that have native XDP and XDP redirect (linux v6.12, drivers/net). */
const NATIVE_XDP: ReadonlySet<string> = new Set([
  "ena",
  "gve",
  "virtio_net",
  "i40e",
  "ice",
  "ixgbe",
  "ixgbevf",
  "igb",
  "igc",
  "mlx4_en",
  "mlx5_core",
  "bnxt_en",
  "nfp",
  "sfc",
  "mana",
  "hv_netvsc",
  "vmxnet3",
  "stmmac",
  "mvneta",
  "mvpp2",
  "dpaa2-eth",
  "enetc",
  "qede",
  "tsnep",
]);

/** What `hook: auto` means: TC keeps segmentation offload on veths; XDP is faster on hardware that has it. */
export function automaticHook(device: Device): "tc" | "xdp" {
  return device.kind === undefined && NATIVE_XDP.has(device.driver) ? "xdp" : "tc";
}

/** Name of the device of an interface. */
export const deviceName = (object: Interface): string => object.device ?? object.name;

const NO_MAC = new Uint8Array(6);

/** Looks devices up in one network namespace. */
export class Devices implements Disposable {
  readonly netlink: Netlink;
  readonly ethtool: Ethtool;

  /** @param netns path of the namespace; `undefined`: the process's own. */
  constructor(netns: string | undefined) {
    this.netlink = Netlink.open({ netns });
    try {
      this.ethtool = Ethtool.open({ netns });
    } catch (error) {
      this.netlink.close();
      throw error;
    }
  }

  find(key: string | number): Device | undefined {
    const link = this.netlink.link(key);
    return link === undefined ? undefined : this.#device(link);
  }

  /**
   * The device of an interface that was `known` before. A rename is followed; a device that was made anew under the
   * name is the same one only if its MAC is, or if its peer is in the namespace that the object names.
   */
  follow(object: Interface, known: Device | undefined): Device | undefined {
    const same = known === undefined ? undefined : this.find(known.ifindex);
    if (same !== undefined) return same;
    const link = this.netlink.link(deviceName(object));
    if (link === undefined) return undefined;
    const device = this.#device(link);
    if (known === undefined || formatMac(known.mac) === formatMac(device.mac)) return device;
    if (object.netns === undefined || link.linkNetnsId === undefined) return undefined;
    return this.netlink.namespaceId(object.netns) === link.linkNetnsId ? device : undefined;
  }

  /**
   * The device of an interface that must be there.
   * @throws WeirError `EINVALIDSTATE` that names the field.
   */
  require(object: Interface, pointer: string): Device {
    const name = deviceName(object);
    const device = this.find(name);
    const field = `${pointer}/${object.device === undefined ? "name" : "device"}`;
    if (device === undefined) {
      throw invalid(
        field,
        `names device "${name}", which is not there`,
        "make it, correct the name, or set optional: true",
      );
    }
    if (device.mac === NO_MAC) {
      throw invalid(field, `names device "${name}", which has no MAC`, "use an Ethernet device");
    }
    return device;
  }

  #device(link: LinkInfo): Device {
    return {
      name: link.name,
      ifindex: link.index,
      mac: (link.mac === undefined ? undefined : parseMac(link.mac)) ?? NO_MAC,
      mtu: link.mtu,
      up: link.up,
      peerElsewhere: (link.kind === "veth" || link.kind === "netkit") && link.linkNetnsId !== undefined,
      peerIndex: link.peerIndex,
      peerNetnsId: link.linkNetnsId,
      kind: link.kind,
      rxQueues: this.#rxQueues(link),
      driver: link.kind ?? this.#driver(link.name),
    };
  }

  /** Receive queues in use; a device may have been made with more. */
  #rxQueues(link: LinkInfo): number {
    try {
      const { rx, combined } = this.ethtool.channels(link.name);
      return Math.max(rx + combined, 1);
    } catch {
      return link.rxQueues;
    }
  }

  #driver(name: string): string {
    try {
      return this.ethtool.driver(name).driver;
    } catch {
      return "";
    }
  }

  [Symbol.dispose](): void {
    this.ethtool.close();
    this.netlink.close();
  }
}
