// SPDX-License-Identifier: Apache-2.0
/**
 * The way from the kernel programs to the slow path and back: a veth pair in the node's namespace.
 *
 * Node's end `wt-NAME`: TC ingress runs the pipeline on what the slow path injects. Far end `wx-NAME`: XDP hands
 * what arrives to the AF_XDP socket of its queue. One queue a worker.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attachTc, attachXdp, head, type Link, type Program } from "../../libbpf/index.ts";
import type { LinkInfo } from "../../netlink/index.ts";
import { withNetns } from "../../runtime/netns.ts";
import { adopt, removeLink } from "../device/attach.ts";
import type { Devices } from "../device/devices.ts";
import type { InstancePaths } from "./instance.ts";
import type { Pipeline } from "./loader.ts";

/** Bytes of the header in front of each packet on the link (`struct trap_meta`, `struct inject_meta`). */
const HEADER = 32;

/** Longest device name. */
const NAME_LENGTH = 15;

/** The kernel finishes checksums and segments before XDP on the far end sees a packet. */
const OFF = { tx: false, tso: false, gso: false, sg: false } as const;

/** `wt-NAME`, shortened with a hash where a device name is too short for it. */
export function trapDeviceName(prefix: "wt" | "wx", instance: string): string {
  const name = `${prefix}-${instance}`;
  if (name.length <= NAME_LENGTH) return name;
  let hash = 0x811c9dc5; // FNV-1a, 32 bits
  for (let i = 0; i < instance.length; i++) hash = Math.imul(hash ^ instance.charCodeAt(i), 0x01000193) >>> 0;
  return `${prefix}-${instance.slice(0, NAME_LENGTH - 3 - 7)}${hash.toString(36).padStart(7, "0")}`;
}

/** The trap link of an instance. */
export class TrapLink implements Disposable {
  /** Node's end. */
  readonly near: LinkInfo;
  /** Far end; its queues belong to the workers. */
  readonly far: LinkInfo;
  readonly #devices: Devices;
  readonly #links: Link[];
  #mtu: number;

  private constructor(devices: Devices, near: LinkInfo, far: LinkInfo, links: Link[]) {
    this.#devices = devices;
    this.near = near;
    this.far = far;
    this.#links = links;
    this.#mtu = near.mtu;
  }

  /**
   * Makes the link, or takes over the one that is there.
   * @param netns path of the node's namespace.
   * @param queues number of workers.
   */
  static open(o: {
    readonly paths: InstancePaths;
    readonly devices: Devices;
    readonly pipeline: Pipeline;
    readonly netns: string | undefined;
    readonly queues: number;
  }): TrapLink {
    const { near, far } = ends(o);
    const links: Link[] = [];
    const pinned = (name: string, program: Program, attach: () => Link) => {
      const path = join(o.paths.links, name);
      const known = adopt(path);
      if (known !== undefined) {
        known.update(program);
        links.push(known);
        return;
      }
      const link = attach();
      links.push(link);
      link.pin(path);
    };
    const xdp = (program: Program, end: LinkInfo) => () =>
      attachXdp({ program, ifindex: end.index, device: end.name, mode: "native" });
    const trap = o.pipeline.program("weir_trap_xdp");
    const injectXdp = o.pipeline.program("weir_inject_xdp");
    const injectTc = o.pipeline.program("weir_inject_tc");
    pinned("trap_far_xdp", trap, xdp(trap, far));
    pinned("trap_near_xdp", injectXdp, xdp(injectXdp, near));
    pinned("trap_near_tc", injectTc, () =>
      attachTc({ program: injectTc, ifindex: near.index, device: near.name, direction: "ingress", order: head() }),
    );
    // The first end up has no carrier, and gets its queue later, from a worker of the kernel's (net/core/link_watch.c):
    // until then all that TC sends there is lost without a trace. Only TC on the near end sends by way of the queue.
    for (const end of [far, near]) o.devices.netlink.setLink(end.index, { up: true });
    return new TrapLink(o.devices, near, far, links);
  }

  /** Lets packets of `mtu` bytes of layer 3 through, header included. */
  admit(mtu: number): void {
    const wanted = mtu + HEADER;
    if (wanted <= this.#mtu) return;
    for (const end of [this.near, this.far]) this.#devices.netlink.setLink(end.index, { mtu: wanted });
    this.#mtu = wanted;
  }

  /** Detaches and deletes both ends. */
  destroy(): void {
    for (const link of this.#links) removeLink(link);
    this.#devices.netlink.deleteLink(this.near.index);
  }

  [Symbol.dispose](): void {
    for (const link of this.#links) link[Symbol.dispose]();
  }
}

/** Largest packet that the link takes from the start: Ethernet's usual one and the header. */
const FIRST_MTU = 1500 + HEADER;

function ends(o: {
  readonly paths: InstancePaths;
  readonly devices: Devices;
  readonly netns: string | undefined;
  readonly queues: number;
}): { near: LinkInfo; far: LinkInfo } {
  const { netlink, ethtool } = o.devices;
  const name = trapDeviceName("wt", o.paths.name);
  const peer = trapDeviceName("wx", o.paths.name);
  const old = netlink.link(name);
  if (old !== undefined && old.rxQueues !== o.queues) netlink.deleteLink(old.index);
  if (netlink.link(name) === undefined) {
    const queues = { rxQueues: o.queues, txQueues: o.queues, mtu: FIRST_MTU };
    netlink.addLink({ kind: "veth", name, ...queues, peer: { name: peer, ...queues } });
    for (const device of [name, peer]) quiet(device, o.netns);
    ethtool.setFeatures(name, OFF);
    ethtool.setFeatures(peer, { tx: false });
  }
  const near = netlink.link(name);
  const far = netlink.link(peer);
  if (near === undefined || far === undefined) throw new Error(`The kernel did not make ${name} and ${peer}`);
  return { near, far };
}

/** Keeps the kernel's own IPv6 (router solicitations, duplicate address detection) off the link. */
function quiet(device: string, netns: string | undefined): void {
  withNetns(netns, () => {
    const path = `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
    if (existsSync(path)) writeFileSync(path, "1");
  });
}
