// SPDX-License-Identifier: Apache-2.0
/** Pins: names in a BPF file system that keep a map, program or link alive without its process. */

import { mkdirSync, readlinkSync, rmSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { WeirError } from "../errors.ts";
import { errnoError } from "../runtime/errno.ts";
import { close, cstring, mount } from "../runtime/libc.ts";
import { libbpf } from "./symbols.ts";

const BPFFS = "/sys/fs/bpf";
const BPF_FS_MAGIC = 0xcafe4a11;

function isBpffs(path: string): boolean {
  return statfsSync(path).type === BPF_FS_MAGIC;
}

/** Mounts a BPF file system on /sys/fs/bpf if none is there (as systemd does at boot; containers and small images lack it). */
export function ensureBpffs(): void {
  if (!isBpffs(BPFFS)) mount("bpf", BPFFS, "bpf");
}

/** Pins the object behind `fd` at `path`, an absolute path in a BPF file system; makes missing directories. */
export function pinObject(fd: number, path: string, what: string): void {
  const operation = `pin ${what} at "${path}"`;
  if (path.startsWith(`${BPFFS}/`)) ensureBpffs();
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true });
  if (!isBpffs(directory)) {
    throw new WeirError({ code: "EINVAL", operation, reason: "the directory is not in a BPF file system" });
  }
  const name = cstring(path);
  const result = libbpf().bpf_obj_pin(fd, name.address);
  if (result >= 0) return;
  // bpffs keeps names with a dot for itself.
  const hint = path.slice(directory.length).includes(".") ? "use no dot in the name" : undefined;
  throw errnoError(-result, operation, hint === undefined ? {} : { hint });
}

/** Removes a pin; one that is gone already is no error. */
export function unpinObject(path: string): void {
  rmSync(path, { force: true });
}

const kinds: Readonly<Record<string, string>> = {
  "anon_inode:bpf-map": "map",
  "anon_inode:bpf-prog": "program",
  "anon_inode:bpf_link": "link",
};

/** What a pin, or a descriptor, stands for. */
export type ObjectKind = "map" | "program" | "link";

function kindOf(fd: number): string {
  const target = readlinkSync(`/proc/self/fd/${fd}`);
  // Newer kernels name links by their type: "anon_inode:bpf-link".
  return kinds[target] ?? (target.includes("link") ? "link" : target);
}

/**
 * Opens the pin at `path`.
 * @throws WeirError `ENOENT` if there is none, `EINVAL` if it is none of `expected`.
 */
export function openPin(path: string, ...expected: readonly ObjectKind[]): { fd: number; kind: ObjectKind } {
  const operation = `open the pinned ${expected[0]} "${path}"`;
  const name = cstring(path);
  const fd = libbpf().bpf_obj_get(name.address);
  if (fd < 0) throw errnoError(-fd, operation);
  const kind = kindOf(fd);
  if ((expected as readonly string[]).includes(kind)) return { fd, kind: kind as ObjectKind };
  close(fd);
  throw new WeirError({ code: "EINVAL", operation, reason: `it is a ${kind}` });
}
