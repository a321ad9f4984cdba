// SPDX-License-Identifier: Apache-2.0
/**
 * The sysfs of a network namespace. The one at /sys belongs to the namespace that its mount was made in, which need
 * not be the process's; a mount of its own, attached nowhere (fsopen(2), fsmount(2)), has that of the calling thread.
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { runtime } from "#runtime";
import { close, cstring } from "./libc.ts";
import { NULL } from "./types.ts";

const FSOPEN_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;

/** Of glibc 2.36: bound apart, for the sake of older ones. */
const mounts = runtime.open(["libc.so.6"], {
  fsopen: { args: ["ptr", "u32"], returns: "i32", optional: true },
  fsconfig: { args: ["i32", "u32", "ptr", "ptr", "i32"], returns: "i32", optional: true },
  fsmount: { args: ["i32", "u32", "u32"], returns: "i32", optional: true },
});

/** A mount of the calling thread's namespace; `undefined`: the C library or the privileges do not allow one. */
function mountSysfs(): number | undefined {
  const { fsopen, fsconfig, fsmount } = mounts;
  if (fsopen === undefined || fsconfig === undefined || fsmount === undefined) return undefined;
  const context = fsopen(cstring("sysfs").address, FSOPEN_CLOEXEC);
  if (context < 0) return undefined;
  try {
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) return undefined;
    const mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
    return mount < 0 ? undefined : mount;
  } finally {
    close(context);
  }
}

/** Files of the devices of one network namespace, below `class/net`. */
export class NetSysfs implements Disposable {
  /** Descriptor of a mount of its own; `undefined`: the one at /sys is used. */
  readonly #mount: number | undefined;

  private constructor(mount: number | undefined) {
    this.#mount = mount;
  }

  /**
   * That of the calling thread's namespace. Without CAP_SYS_ADMIN it is the one at /sys, which is right as long as
   * the process is in the namespace that it was mounted for.
   */
  static open(): NetSysfs {
    return new NetSysfs(mountSysfs());
  }

  /** Text of a file, such as `queues/rx-0/rps_cpus`, without the line's end; `undefined` if it is not there. */
  read(device: string, file: string): string | undefined {
    const path = this.#path(device, file);
    return existsSync(path) ? readFileSync(path, "utf8").trimEnd() : undefined;
  }

  /** @throws Error of node:fs, `ENOENT` if device or file are not there. */
  write(device: string, file: string, text: string): void {
    writeFileSync(this.#path(device, file), text);
  }

  /** Receive queues that the device uses now, which the numbers of its channels do not always tell. */
  receiveQueues(device: string): number {
    const path = this.#path(device, "queues");
    return existsSync(path) ? readdirSync(path).filter((name) => name.startsWith("rx-")).length : 0;
  }

  #path(device: string, file: string): string {
    const root = this.#mount === undefined ? "/sys" : `/proc/self/fd/${this.#mount}`;
    return `${root}/class/net/${device}/${file}`;
  }

  [Symbol.dispose](): void {
    if (this.#mount !== undefined) close(this.#mount);
  }
}
