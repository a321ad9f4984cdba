// SPDX-License-Identifier: Apache-2.0
/** A namespace of one's own with a veth pair in it, and frames over the wire from one end to the other. */

import { spawnSync } from "node:child_process";
import { runtime } from "#runtime";
import { close, deviceIndex, SOCK_RAW, sendto, socket } from "../../sdk/runtime/libc.ts";
import { withNetns } from "../../sdk/runtime/netns.ts";

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}

const AF_PACKET = 17;
let made = 0;

/** Two ends, `left` and `right`, up, without addresses of their own traffic (IPv6 is off). */
export class VethPair implements Disposable {
  readonly namespace = `wA-${process.pid}-${made++}`;
  readonly path = `/run/netns/${this.namespace}`;
  readonly left: number;
  readonly right: number;

  constructor() {
    ip("netns", "add", this.namespace);
    try {
      ip("-n", this.namespace, "link", "add", "left", "type", "veth", "peer", "name", "right");
      for (const end of ["left", "right"]) ip("-n", this.namespace, "link", "set", end, "addrgenmode", "none", "up");
      this.left = this.in(() => deviceIndex("left")) ?? 0;
      this.right = this.in(() => deviceIndex("right")) ?? 0;
      for (const end of ["left", "right"]) this.#awaitQueue(end);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Runs `fn` in the namespace. */
  in<T>(fn: () => T): T {
    return withNetns(this.path, fn);
  }

  /** A device takes frames only some time after it is up: until then its queue is one that drops all. */
  #awaitQueue(end: string): void {
    for (let tries = 0; tries < 200; tries++) {
      const { stdout } = spawnSync("ip", ["-n", this.namespace, "link", "show", end], { encoding: "utf8" });
      if (stdout.includes("state UP") && !stdout.includes("qdisc noop ")) return;
    }
    throw new Error("the veth pair does not come up");
  }

  /** Sends `count` frames out of `left`: they are received on `right`. */
  send(count: number): void {
    const address = runtime.alloc(20); // struct sockaddr_ll
    address.view.setUint16(0, AF_PACKET, true);
    address.view.setInt32(4, this.left, true);
    const frame = runtime.alloc(64);
    frame.bytes.fill(0xff, 0, 6);
    frame.view.setUint16(12, 0x88b5); // for experiments (IEEE 802)
    const fd = this.in(() => socket(AF_PACKET, SOCK_RAW, 0));
    for (let sent = 0; sent < count; sent++) sendto(fd, frame, 64, 0, address);
    close(fd);
  }

  [Symbol.dispose](): void {
    spawnSync("ip", ["netns", "del", this.namespace]);
  }
}
