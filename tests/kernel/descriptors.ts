// SPDX-License-Identifier: Apache-2.0
/** What the process holds open of the kernel, for leak checks. */

import { readdirSync, readlinkSync } from "node:fs";

// The runtime opens and closes pipes and sockets of its own at any time (child processes, its loop).
const OURS = /^(anon_inode:\[?(bpf|btf)|net:\[)/;

/** The maps, programs, links, BTF and namespaces behind open descriptors, sorted. */
export function heldDescriptors(): string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ""; // closed since the directory was read, as that of the directory itself
      }
    })
    .filter((target) => OURS.test(target))
    .sort();
}
