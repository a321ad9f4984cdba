// SPDX-License-Identifier: Apache-2.0
/** The kernel's devices behind interfaces. */
import { parseMac } from "../../address.ts";
import type { Ethtool, LinkInfo, Netdev, Netlink } from "../../netlink/index.ts";
import { withNetns } from "../../runtime/netns.ts";
import type { NetSysfs } from "../../runtime/sysfs.ts";
import { type DeviceAccess, needText, openAccess, readFacts, reportOf } from "../drivers/index.ts";
import { type Interface, invalid } from "../schema/index.ts";

/** What Weir needs to know of a device. */
export interface Device {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: Uint8Array;
  /** Layer 3, in bytes. */
  readonly mtu: number;
  readonly up: boolean;
  /** The kernel asks for the MACs of who is on its link: it is neither `lo` nor has `arp off`. */
  readonly asksForNeighbours: boolean;
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
  /** Hardware whose driver runs XDP natively; virtual devices are better off with TC. */
  readonly nativeXdp: boolean;
  /** Why it does not as the device is set, and what mends it; `undefined`: nothing is in the way. */
  readonly xdpObstacle: string | undefined;
}

/** What `hook: auto` means: TC keeps segmentation offload on veths; XDP is faster on hardware that has it. */
export function automaticHook(device: Device): "tc" | "xdp" {
  return device.nativeXdp && device.xdpObstacle === undefined ? "xdp" : "tc";
}

/** Name of the device of an interface. */
export const deviceName = (object: Interface): string => object.device ?? object.name;

const NO_MAC = new Uint8Array(6);
/** linux/if.h */
const IFF_NOARP = 0x80;

/** Looks devices up in one network namespace. */
export class Devices implements DeviceAccess {
  readonly netlink: Netlink;
  readonly ethtool: Ethtool;
  readonly netdev: Netdev | undefined;
  readonly sysfs: NetSysfs;
  readonly #access: DeviceAccess;

  /** @param netns path of the namespace; `undefined`: the process's own. */
  constructor(netns: string | undefined) {
    this.#access = withNetns(netns, () => openAccess());
    ({ netlink: this.netlink, ethtool: this.ethtool, netdev: this.netdev, sysfs: this.sysfs } = this.#access);
  }

  find(key: string | number): Device | undefined {
    const link = this.netlink.link(key);
    return link === undefined ? undefined : this.#device(link);
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
    if (object.role === "host" && device.asksForNeighbours) {
      const reason = "on which the kernel asks for the MACs of workloads, and nobody answers";
      throw invalid(field, `names device "${name}", ${reason}`, `run: ip link set ${name} arp off, or use lo`);
    }
    return device;
  }

  #device(link: LinkInfo): Device {
    const isVirtual = link.kind !== undefined || link.loopback;
    return {
      name: link.name,
      ifindex: link.index,
      mac: (link.mac === undefined ? undefined : parseMac(link.mac)) ?? NO_MAC,
      mtu: link.mtu,
      up: link.up,
      asksForNeighbours: !link.loopback && (link.flags & IFF_NOARP) === 0,
      peerElsewhere: (link.kind === "veth" || link.kind === "netkit") && link.linkNetnsId !== undefined,
      peerIndex: link.peerIndex,
      peerNetnsId: link.linkNetnsId,
      kind: link.kind,
      rxQueues: this.receiveQueues(link.name) || link.rxQueues,
      ...(isVirtual ? { driver: link.kind ?? "", nativeXdp: false, xdpObstacle: undefined } : this.#hardware(link)),
    };
  }

  /** Receive queues in use now; a device may have been made with more, and XDP may add some. 0: not told. */
  receiveQueues(name: string): number {
    return this.sysfs.receiveQueues(name);
  }

  #hardware(link: LinkInfo): Pick<Device, "driver" | "nativeXdp" | "xdpObstacle"> {
    const facts = readFacts(this, link.index);
    if (facts === undefined) return { driver: "", nativeXdp: false, xdpObstacle: undefined };
    const { driver } = facts;
    const { xdp, needs } = reportOf(facts, "xdp");
    const obstacle = needs.find(({ isBlocking }) => isBlocking);
    return { driver, nativeXdp: xdp.native, xdpObstacle: obstacle === undefined ? undefined : needText(obstacle) };
  }

  [Symbol.dispose](): void {
    this.#access[Symbol.dispose]();
  }
}
