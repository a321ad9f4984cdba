// SPDX-License-Identifier: Apache-2.0
/** What the kernel says of BPF: the file system of pins, the JIT compiler, who may load programs. */

import { type Check, fail, ok, warn } from "./check.ts";

/** Where Weir pins its objects. */
export const BPFFS = "/sys/fs/bpf";

/** Type of a BPF file system (linux/magic.h). */
const BPF_FS_MAGIC = 0xcafe4a11;

/** @param type of the file system at /sys/fs/bpf (statfs(2)); undefined if there is none. */
export function checkBpffs(type: number | undefined): Check {
  if (type === BPF_FS_MAGIC) return ok("bpffs", `on ${BPFFS}`);
  const hint = `mount -t bpf bpf ${BPFFS}; instead of ip netns exec, which hides it, use nsenter --net=/run/netns/NAME`;
  return fail("bpffs", `none on ${BPFFS}`, hint);
}

/** @param value of net.core.bpf_jit_enable; undefined where the kernel has no such setting. */
export function checkJit(value: string | undefined): Check {
  if (value === undefined || value.trim() !== "0") return ok("bpf jit", "on");
  return warn("bpf jit", "off: programs are interpreted, many times slower", "sysctl -w net.core.bpf_jit_enable=1");
}

/** @param value of kernel.unprivileged_bpf_disabled. */
export function checkUnprivileged(value: string | undefined): Check {
  const name = "unprivileged bpf";
  if (value === undefined) return ok(name, "not told by the kernel");
  if (value.trim() !== "0") return ok(name, "disabled");
  return warn(name, "enabled: any user may load BPF programs", "sysctl -w kernel.unprivileged_bpf_disabled=2");
}
