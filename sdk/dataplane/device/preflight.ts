// SPDX-License-Identifier: Apache-2.0
/** What must hold before anything is changed. */
import { readFileSync, statfsSync } from "node:fs";
import { release } from "node:os";
import { WeirError } from "../../errors.ts";
import { libbpfVersion } from "../../libbpf/index.ts";
import { BPFFS } from "../instance/instance.ts";

/** Oldest kernel: the verifier and the helpers that the programs need (Debian 12's). */
export const OLDEST_KERNEL: readonly [number, number] = [6, 1];

/** Capability numbers (linux/capability.h). */
const CAP_NET_ADMIN = 12;
const CAP_SYS_ADMIN = 21;
const CAP_PERFMON = 38;
const CAP_BPF = 39;

const BPF_FS_MAGIC = 0xcafe4a11;

/** Version of a kernel release such as `6.1.0-18-amd64`. */
export function kernelVersion(text: string = release()): readonly [number, number] {
  const match = /^(\d+)\.(\d+)/.exec(text);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

/** True for this kernel or a newer one. */
export function kernelAtLeast(major: number, minor: number, version = kernelVersion()): boolean {
  return version[0] > major || (version[0] === major && version[1] >= minor);
}

function missingCapabilities(): string[] {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/thread-self/status", "utf8"));
  const effective = BigInt(`0x${line?.[1] ?? "0"}`);
  const has = (capability: number) => ((effective >> BigInt(capability)) & 1n) === 1n;
  const missing: string[] = [];
  if (!has(CAP_NET_ADMIN)) missing.push("CAP_NET_ADMIN");
  if (!has(CAP_SYS_ADMIN)) {
    if (!has(CAP_BPF)) missing.push("CAP_BPF");
    if (!has(CAP_PERFMON)) missing.push("CAP_PERFMON");
  }
  return missing;
}

/**
 * Looks at kernel, libbpf, privileges and BPF file system, in this order. Nothing is changed.
 * @param kernel release of the running kernel.
 * @throws WeirError `EKERNEL`, `ENOLIB`, `EPERM`, `ENOBPFFS`
 */
export function preflight(instance: string, kernel: string = release()): void {
  const operation = `open instance "${instance}"`;
  if (!kernelAtLeast(...OLDEST_KERNEL, kernelVersion(kernel))) {
    throw new WeirError({
      code: "EKERNEL",
      operation,
      reason: `this is Linux ${kernel}, and ${OLDEST_KERNEL.join(".")} is the oldest that will do`,
      hint: "boot a newer kernel",
    });
  }
  libbpfVersion();
  const missing = missingCapabilities();
  if (missing.length > 0) {
    throw new WeirError({
      code: "EPERM",
      operation,
      reason: `the process lacks ${missing.join(" and ")}`,
      hint: "run it as root",
    });
  }
  if (!isBpffs()) {
    throw new WeirError({
      code: "ENOBPFFS",
      operation,
      reason: `${BPFFS} is no BPF file system`,
      hint: `run: mount -t bpf bpf ${BPFFS}`,
    });
  }
}

function isBpffs(): boolean {
  try {
    return statfsSync(BPFFS).type === BPF_FS_MAGIC;
  } catch {
    return false;
  }
}
