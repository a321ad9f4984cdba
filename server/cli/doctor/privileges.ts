// SPDX-License-Identifier: Apache-2.0
/** Capabilities of this process (capabilities(7)) and memory that it may lock. */

import { type Check, fail, ok } from "./check.ts";

/** A capability, by its bit in `CapEff` (linux/capability.h). */
interface Capability {
  readonly name: string;
  readonly bit: number;
  readonly why: string;
  /** Bit of another one that includes it. */
  readonly includedIn?: number;
}

const CAP_IPC_LOCK = 14;
const CAP_SYS_ADMIN = 21;

const capabilities: readonly Capability[] = [
  { name: "CAP_NET_ADMIN", bit: 12, why: "attaches programs, makes the trap link" },
  { name: "CAP_NET_RAW", bit: 13, why: "opens AF_XDP sockets" },
  { name: "CAP_BPF", bit: 39, why: "loads programs and maps", includedIn: CAP_SYS_ADMIN },
  { name: "CAP_PERFMON", bit: 38, why: "loads programs with loops and pointers", includedIn: CAP_SYS_ADMIN },
  { name: "CAP_SYS_ADMIN", bit: CAP_SYS_ADMIN, why: "enters namespaces, opens maps and programs by id" },
];

/** Memory that the slow path's UMEM may need locked, in bytes. */
const UMEM_BYTES = 64 * 1024 * 1024;

/** @param status text of /proc/self/status. */
export function checkCapabilities(status: string): Check[] {
  const held = heldCapabilities(status);
  return capabilities.map(({ name, bit, why, includedIn }) => {
    if (has(held, bit) || (includedIn !== undefined && has(held, includedIn))) return ok(name, "held");
    return fail(name, `not held: ${why}`, "run as root, in a container with --privileged or that capability added");
  });
}

/**
 * AF_XDP charges the UMEM against RLIMIT_MEMLOCK unless the process has CAP_IPC_LOCK
 * (net/xdp/xdp_umem.c); BPF maps have not been charged there since Linux 5.11.
 * @param limits text of /proc/self/limits.
 */
export function checkLockedMemory(status: string, limits: string): Check {
  const name = "locked memory";
  if (has(heldCapabilities(status), CAP_IPC_LOCK)) return ok(name, "unlimited with CAP_IPC_LOCK");
  const soft = /^Max locked memory\s+(\S+)/m.exec(limits)?.[1] ?? "0";
  if (soft === "unlimited" || Number(soft) >= UMEM_BYTES)
    return ok(name, soft === "unlimited" ? soft : `${soft} bytes`);
  return fail(name, `${soft} bytes: AF_XDP needs ${UMEM_BYTES}`, `run as root, or: ulimit -l ${UMEM_BYTES / 1024}`);
}

function heldCapabilities(status: string): bigint {
  return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
}

function has(held: bigint, bit: number): boolean {
  return ((held >> BigInt(bit)) & 1n) === 1n;
}
