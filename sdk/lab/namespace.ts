// SPDX-License-Identifier: Apache-2.0
/** Named network namespaces, kept where and as `ip netns` keeps them: bind mounts under /run/netns. */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { WeirError } from "../errors.ts";
import { Netlink, namespacePath } from "../netlink/index.ts";
import { CLONE_NEWNET, close, mount, O_RDONLY, open, setns, umount, unshare } from "../runtime/libc.ts";
import { withNetns } from "../runtime/netns.ts";

const DIRECTORY = namespacePath("").slice(0, -1);

/** Mount flags (`linux/mount.h`). */
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 1 << 20;
const MNT_DETACH = 2;

/** Whether there is a named namespace. */
export function namespaceExists(name: string): boolean {
  return existsSync(namespacePath(name));
}

/** Makes a namespace with its loopback up. @throws WeirError `EEXIST`, `EPERM` */
export function createNamespace(name: string): void {
  const path = namespacePath(name);
  prepareDirectory();
  reserve(path, name);
  try {
    const own = open("/proc/thread-self/ns/net", O_RDONLY);
    try {
      unshare(CLONE_NEWNET);
      try {
        mount("/proc/thread-self/ns/net", path, "none", MS_BIND);
      } finally {
        setns(own, CLONE_NEWNET);
      }
    } finally {
      close(own);
    }
    using netlink = Netlink.open({ netns: name });
    netlink.setLink("lo", { up: true });
  } catch (error) {
    deleteNamespace(name);
    throw error;
  }
}

/**
 * Removes a namespace and the devices in it; nothing happens if there is none. Devices go first and at
 * once: the kernel takes down a namespace later, and not before the last process in it ends.
 */
export function deleteNamespace(name: string): void {
  const path = namespacePath(name);
  if (!existsSync(path)) return;
  try {
    deleteDevices(name);
    umount(path, MNT_DETACH);
  } catch (error) {
    // EINVAL: a plain file, left by a creation that failed half-way.
    if (!(error instanceof WeirError && error.code === "EINVAL")) throw error;
  }
  rmSync(path, { force: true });
}

/** Changes kernel settings in a namespace; names as in {@link TopologyNamespace.sysctls}. */
export function setSysctls(name: string, sysctls: Readonly<Record<string, string | number>>): void {
  withNetns(namespacePath(name), () => {
    for (const [key, value] of Object.entries(sysctls)) {
      writeFileSync(`/proc/sys/${key.includes("/") ? key : key.replaceAll(".", "/")}`, String(value));
    }
  });
}

function deleteDevices(name: string): void {
  using netlink = Netlink.open({ netns: name });
  for (const link of netlink.links()) {
    if (link.kind === undefined) continue;
    try {
      netlink.deleteLink(link.index);
    } catch (error) {
      // Gone with its peer, or made by the kernel for each namespace.
      if (!(error instanceof WeirError && (error.code === "ENODEV" || error.code === "EOPNOTSUPP"))) throw error;
    }
  }
}

function reserve(path: string, name: string): void {
  try {
    closeSync(openSync(path, "wx", 0o444));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    const operation = `make network namespace "${name}"`;
    if (code === "EEXIST") throw new WeirError({ code, operation, reason: "there is one of that name" });
    throw new WeirError({ code, operation, reason: code, hint: "run as root", cause: error });
  }
}

/** Mounts under a shared directory also appear, and disappear, in the mount namespaces of other processes. */
function prepareDirectory(): void {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o755 });
  const isMount = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === DIRECTORY);
  if (isMount) return;
  mount(DIRECTORY, DIRECTORY, "none", MS_BIND | MS_REC);
  mount("none", DIRECTORY, "none", MS_SHARED | MS_REC);
}
