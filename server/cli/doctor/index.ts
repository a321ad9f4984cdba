// SPDX-License-Identifier: Apache-2.0
/** All checks of `weir doctor`, in the order in which a failure explains the next ones. */

import { readFileSync, statfsSync } from "node:fs";
import { release } from "node:os";
import { BPFFS, checkBpffs, checkJit, checkUnprivileged } from "./bpf.ts";
import type { Check } from "./check.ts";
import { checkDevices } from "./devices.ts";
import { checkFirewall } from "./firewall.ts";
import { checkKernel } from "./kernel.ts";
import { checkCapabilities, checkLockedMemory } from "./privileges.ts";
import { checkLibbpf, checkPipeline, checkRuntime } from "./software.ts";

/** Looks at this machine, and at `devices` by name, for the hook that they are to have. */
export function diagnose(devices: readonly string[], hook: "auto" | "tc" | "xdp" = "auto"): Check[] {
  const status = read("/proc/thread-self/status") ?? "";
  return [
    ...checkKernel(release()),
    ...checkCapabilities(status),
    checkLockedMemory(status, read("/proc/thread-self/limits") ?? read("/proc/self/limits") ?? ""),
    checkBpffs(fileSystemType(BPFFS)),
    checkJit(read("/proc/sys/net/core/bpf_jit_enable")),
    checkUnprivileged(read("/proc/sys/kernel/unprivileged_bpf_disabled")),
    checkLibbpf(),
    checkRuntime(),
    checkPipeline(),
    checkFirewall(),
    ...checkDevices(devices, hook),
  ];
}

/** Undefined where the kernel has no such file, or does not let it be read. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function fileSystemType(path: string): number | undefined {
  try {
    return statfsSync(path).type;
  } catch {
    return undefined;
  }
}
