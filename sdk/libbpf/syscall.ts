// SPDX-License-Identifier: Apache-2.0
/**
 * bpf(2) itself, for what the system's libbpf may be too old for: links, queries, information, test runs.
 * The layouts of its arguments never change, only grow.
 */

import { runtime } from "#runtime";
import { libc } from "../runtime/libc.ts";
import type { NativeBuffer } from "../runtime/types.ts";
import { Packed } from "./packed.ts";
import { infoAttr } from "./structs.ts";

/** `enum bpf_cmd`, those that are used here. */
export const BPF_PROG_TEST_RUN = 10;
export const BPF_OBJ_GET_INFO_BY_FD = 15;
export const BPF_PROG_QUERY = 16;
export const BPF_LINK_CREATE = 28;
export const BPF_LINK_UPDATE = 29;
export const BPF_LINK_DETACH = 34;

/** `__NR_bpf`. */
export const NR_BPF = process.arch === "arm64" ? 280 : 321;

/** bpf(2). Returns a descriptor or 0, or -errno. */
export function bpf(command: number, attr: NativeBuffer): number {
  const result = libc.syscall(NR_BPF, command, attr.address, attr.bytes.byteLength);
  return result === -1 ? -runtime.errno() : result;
}

/** Fills `info` about the object behind `fd`. Returns 0 or -errno. */
export function objectInfo(fd: number, info: Packed): number {
  const attr = new Packed(infoAttr.size)
    .u32(infoAttr.fd, fd)
    .u32(infoAttr.length, info.bytes.byteLength)
    .u64(infoAttr.info, info.address);
  return bpf(BPF_OBJ_GET_INFO_BY_FD, attr);
}
