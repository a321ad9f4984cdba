// SPDX-License-Identifier: Apache-2.0
/** A namespace with several veth pairs, and what comes out at their far ends. */

import { spawnSync } from "node:child_process";
import { runtime } from "#runtime";
import { bind, close, deviceIndex, poll, recv, SOCK_RAW, socket } from "../../sdk/runtime/libc.ts";
import { withNetns } from "../../sdk/runtime/netns.ts";

const AF_PACKET = 17;
const ETH_P_ALL = 3;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
const LARGEST_FRAME = 65_536;
let made = 0;

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}

export class VethWires implements Disposable {
  readonly namespace = `wL-${process.pid}-${made++}`;
  readonly path = `/run/netns/${this.namespace}`;
  /** Index of each near end. */
  readonly ifindexes: readonly number[];
  readonly #sockets: number[] = [];

  constructor(count: number) {
    ip("netns", "add", this.namespace);
    try {
      this.ifindexes = Array.from({ length: count }, (_, index) => this.#add(index));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  in<T>(fn: () => T): T {
    return withNetns(this.path, fn);
  }

  #add(index: number): number {
    const near = `near${index}`;
    const far = `far${index}`;
    ip("-n", this.namespace, "link", "add", near, "type", "veth", "peer", "name", far);
    for (const end of [near, far]) ip("-n", this.namespace, "link", "set", end, "addrgenmode", "none", "up");
    for (let tries = 0; tries < 200; tries++) {
      const { stdout } = spawnSync("ip", ["-n", this.namespace, "link", "show", near], { encoding: "utf8" });
      if (stdout.includes("state UP") && !stdout.includes("qdisc noop ")) break;
    }
    this.#sockets.push(this.in(() => this.#listen(deviceIndex(far) ?? 0)));
    return this.in(() => deviceIndex(near)) ?? 0;
  }

  #listen(ifindex: number): number {
    const fd = socket(AF_PACKET, SOCK_RAW, 0);
    const address = runtime.alloc(20); // struct sockaddr_ll
    address.view.setUint16(0, AF_PACKET, true);
    address.view.setUint16(2, ETH_P_ALL);
    address.view.setInt32(4, ifindex, true);
    bind(fd, address, `device ${ifindex}`);
    return fd;
  }

  /** The frames that have come out of wire `index` since the last call; waits for `expected` of them up to 0.2 s. */
  received(index: number, expected: number): Uint8Array[] {
    const fd = this.#sockets[index] ?? -1;
    const buffer = runtime.alloc(LARGEST_FRAME);
    const descriptors = runtime.alloc(8);
    const frames: Uint8Array[] = [];
    for (;;) {
      const length = recv(fd, buffer, MSG_DONTWAIT);
      if (length !== undefined) {
        frames.push(buffer.bytes.slice(0, length));
        continue;
      }
      if (frames.length >= expected) return frames;
      descriptors.view.setInt32(0, fd, true);
      descriptors.view.setInt16(4, POLLIN, true);
      if (poll(descriptors, 1, 200) === 0) return frames;
    }
  }

  /** Forgets what has come out of wire `index`. */
  drain(index: number): void {
    const buffer = runtime.alloc(LARGEST_FRAME);
    while (recv(this.#sockets[index] ?? -1, buffer, MSG_DONTWAIT) !== undefined);
  }

  [Symbol.dispose](): void {
    for (const fd of this.#sockets) close(fd);
    spawnSync("ip", ["netns", "del", this.namespace]);
  }
}
