// SPDX-License-Identifier: Apache-2.0
/** Attaching to TC with TCX (Linux 6.6): links, ordered, before any clsact filter. */

import { runtime } from "#runtime";
import { WeirError } from "../../errors.ts";
import { EINVAL, ENODEV, ENOENT, ERANGE, ESTALE, errnoError } from "../../runtime/errno.ts";
import { BPF_TCX_EGRESS, BPF_TCX_INGRESS } from "../names.ts";
import { Packed } from "../packed.ts";
import type { Program } from "../program.ts";
import { linkCreateAttr, progQueryAttr } from "../structs.ts";
import { BPF_LINK_CREATE, BPF_PROG_QUERY, bpf } from "../syscall.ts";
import { type Anchor, encodeAnchor, tail } from "./anchor.ts";
import { BpfLink, type Direction, describeDevice } from "./link.ts";

/** What {@link attachTcx} takes. */
export interface AttachTcxOptions {
  /** Of type `sched_cls`. */
  readonly program: Program;
  /** Index of the device in the thread's network namespace. */
  readonly ifindex: number;
  readonly direction: Direction;
  /** Name of the device, for messages. Default: looked up. */
  readonly device?: string;
  /** Default {@link tail}. */
  readonly order?: Anchor;
  /** The hook's revision that `order` was chosen for ({@link queryTcx}); another one is refused. Default: any. */
  readonly expectedRevision?: bigint;
}

/** The programs on one TCX hook, in the order in which they run. */
export interface TcxState {
  /** Changes with every attachment and detachment. */
  readonly revision: bigint;
  readonly programs: readonly { readonly programId: number; readonly linkId: number }[];
}

/** `enum bpf_attach_type` of each direction. */
export const tcxAttachType: Record<Direction, number> = { ingress: BPF_TCX_INGRESS, egress: BPF_TCX_EGRESS };

/** No device has it. */
const NO_DEVICE = 0x7fffffff;

let supported: boolean | undefined;

/** Whether the kernel has TCX. One that has not knows no such attach type (EINVAL) and does not look for the device (ENODEV). */
export function tcxSupported(): boolean {
  supported ??= query(NO_DEVICE, "ingress", 0).result === -ENODEV;
  return supported;
}

function query(ifindex: number, direction: Direction, capacity: number) {
  const programs = runtime.alloc(capacity * 4);
  const links = runtime.alloc(capacity * 4);
  const attr = new Packed(progQueryAttr.size)
    .u32(progQueryAttr.target, ifindex)
    .u32(progQueryAttr.attachType, tcxAttachType[direction])
    .u64(progQueryAttr.programIds, capacity === 0 ? 0 : programs.address)
    .u64(progQueryAttr.linkIds, capacity === 0 ? 0 : links.address)
    .u32(progQueryAttr.count, capacity);
  return { result: bpf(BPF_PROG_QUERY, attr), attr, programs, links };
}

/** The kernel's limit of programs on one hook (BPF_MPROG_MAX). */
const MAX_PROGRAMS = 64;

/**
 * The programs on a device's TCX hook and the hook's revision.
 * @throws WeirError `ENODEV`, `EOPNOTSUPP` before Linux 6.6.
 */
export function queryTcx(ifindex: number, direction: Direction): TcxState {
  const { result, attr, programs, links } = query(ifindex, direction, MAX_PROGRAMS);
  // Until something was attached for the first time there is no hook to ask.
  if (result === -ENOENT) return { revision: 1n, programs: [] };
  if (result < 0) throw failed(-result, `ask for the ${direction} TCX programs of ${describeDevice(ifindex)}`);
  const count = attr.getU32(progQueryAttr.count);
  return {
    revision: attr.getU64(progQueryAttr.revision),
    programs: Array.from({ length: count }, (_, index) => ({
      programId: programs.view.getUint32(index * 4, true),
      linkId: links.view.getUint32(index * 4, true),
    })),
  };
}

function failed(errno: number, operation: string): WeirError {
  if (errno === EINVAL && !tcxSupported()) {
    const reason = "the kernel has no TCX";
    return new WeirError({ code: "EOPNOTSUPP", operation, reason, hint: "use Linux 6.6 or clsact (attachTc)" });
  }
  if (errno === ESTALE) {
    return errnoError(errno, operation, { reason: "the hook has changed", hint: "query it again" });
  }
  if (errno === ENOENT || errno === ERANGE) {
    return errnoError(errno, operation, { reason: "the neighbour is not on this hook, or not at that end of it" });
  }
  return errnoError(errno, operation);
}

/**
 * Attaches a program to a TCX hook of a device.
 * @throws WeirError `ESTALE` if the revision is another, `ENOENT` or `ERANGE` if the neighbour is not there, `EOPNOTSUPP` before
 * Linux 6.6, `EEXIST` if the program is on the hook already, `EINVAL` if the program is of another type.
 */
export function attachTcx(options: AttachTcxOptions): BpfLink {
  const { program, ifindex, direction, device, order = tail(), expectedRevision = 0n } = options;
  const { flags, relative } = encodeAnchor(order);
  const attr = new Packed(linkCreateAttr.size)
    .u32(linkCreateAttr.programFd, program.fd)
    .u32(linkCreateAttr.ifindex, ifindex)
    .u32(linkCreateAttr.attachType, tcxAttachType[direction])
    .u32(linkCreateAttr.flags, flags)
    .u32(linkCreateAttr.relative, relative)
    .u64(linkCreateAttr.expectedRevision, expectedRevision);
  const fd = bpf(BPF_LINK_CREATE, attr);
  if (fd >= 0) return new BpfLink({ kind: "tcx", fd, ifindex, direction, device });
  const operation = `attach TC program "${program.name}" to ${describeDevice(ifindex, device)} ${direction}`;
  if (program.type !== "sched_cls") throw errnoError(EINVAL, operation, { reason: `it is of type ${program.type}` });
  throw failed(-fd, operation);
}
