// SPDX-License-Identifier: Apache-2.0
/**
 * Attaching to TC with a filter of the clsact qdisc, for kernels before 6.6. Filters are no links: nobody
 * owns them, so ours have a priority and a handle of their own and are found again by these and by the
 * program's tag. The qdisc is removed only if we made it and no filter is left in it.
 */

import { EEXIST, EINVAL, ENOENT, errnoError } from "../../runtime/errno.ts";
import { captureLog } from "../log.ts";
import { Packed } from "../packed.ts";
import { Program } from "../program.ts";
import { tcHook, tcOpts } from "../structs.ts";
import { libbpf } from "../symbols.ts";
import { type ClsactPlace, pinClsact, unpinClsact } from "./clsact_pin.ts";
import { listFilters } from "./filters.ts";
import { type Direction, describeDevice, type Link, type LinkInfo } from "./link.ts";

/** Weir's place among the filters of a device. Lower priorities run first. */
export const CLSACT_PRIORITY = 87;
export const CLSACT_HANDLE = 0x5745;

/** `enum bpf_tc_attach_point`. */
const attachPoints: Record<Direction, number> = { ingress: 1, egress: 2 };
const BOTH = 3;
const BPF_TC_F_REPLACE = 1;

/** What {@link attachClsact} takes. */
export interface AttachClsactOptions {
  /** Of type `sched_cls`. */
  readonly program: Program;
  /** Index of the device in the thread's network namespace. */
  readonly ifindex: number;
  readonly direction: Direction;
  /** Name of the device, for messages. Default: looked up. */
  readonly device?: string;
  /** 1 to 65535; filters with lower ones run first. Default {@link CLSACT_PRIORITY}. */
  readonly priority?: number;
  /** 1 to 2^32 - 1, unique within the priority. Default {@link CLSACT_HANDLE}. */
  readonly handle?: number;
}

function hook(ifindex: number, attachPoint: number): Packed {
  return Packed.options(tcHook.size).u32(tcHook.ifindex, ifindex).u32(tcHook.attachPoint, attachPoint);
}

function options(place: ClsactPlace): Packed {
  return Packed.options(tcOpts.size).u32(tcOpts.handle, place.handle).u32(tcOpts.priority, place.priority);
}

function operationOf(program: Program, { ifindex, direction }: ClsactPlace, device?: string): string {
  return `attach TC program "${program.name}" to ${describeDevice(ifindex, device)} ${direction}`;
}

/** The id of the program at `place`; 0 if there is no filter. */
export function queryClsact(place: ClsactPlace): number {
  const opts = options(place);
  const at = hook(place.ifindex, attachPoints[place.direction]);
  const { value } = captureLog(() => libbpf().bpf_tc_query(at.address, opts.address));
  if (value >= 0) return opts.getU32(tcOpts.programId);
  // Without the qdisc the kernel says EINVAL, and without the device ENODEV.
  return 0;
}

function put(program: Program, place: ClsactPlace, replace: boolean): number {
  const opts = options(place)
    .u32(tcOpts.programFd, program.fd)
    .u32(tcOpts.flags, replace ? BPF_TC_F_REPLACE : 0);
  const at = hook(place.ifindex, attachPoints[place.direction]);
  return captureLog(() => libbpf().bpf_tc_attach(at.address, opts.address)).value;
}

/** Removes the qdisc if it is empty: by then it is of no use to anybody. */
function removeIfEmpty(ifindex: number): void {
  if (listFilters(ifindex, "ingress").length > 0 || listFilters(ifindex, "egress").length > 0) return;
  const both = hook(ifindex, BOTH);
  captureLog(() => libbpf().bpf_tc_hook_destroy(both.address));
}

/** A filter of a clsact qdisc as a {@link Link}. What is pinned is its program, under a name that tells the place. */
export class ClsactLink implements Link {
  readonly kind = "clsact";
  readonly ifindex: number;
  readonly direction: Direction;
  readonly place: ClsactPlace;
  #pinPath: string | undefined;
  #detached = false;

  /** For a filter that is in place already. */
  constructor(place: ClsactPlace, pinPath?: string) {
    this.place = place;
    this.ifindex = place.ifindex;
    this.direction = place.direction;
    this.#pinPath = pinPath;
  }

  programId(): number {
    return this.#detached ? 0 : queryClsact(this.place);
  }

  update(program: Program): void {
    const result = put(program, this.place, true);
    if (result < 0) throw attachError(-result, program, this.place);
    if (this.#pinPath !== undefined) pinClsact(program.fd, this.place, this.#pinPath);
  }

  pin(path: string): void {
    const id = this.programId();
    if (id === 0) throw errnoError(ENOENT, `pin the TC filter at "${path}"`, { reason: "it is detached" });
    using program = Program.fromId(id);
    pinClsact(program.fd, this.place, path);
    this.#pinPath = path;
  }

  unpin(): void {
    if (this.#pinPath !== undefined) unpinClsact(this.#pinPath);
    this.#pinPath = undefined;
  }

  detach(): void {
    if (this.#detached) return;
    this.#detached = true;
    const opts = options(this.place);
    const at = hook(this.ifindex, attachPoints[this.direction]);
    // Gone already, with its device or by somebody else's hand, is as good.
    captureLog(() => libbpf().bpf_tc_detach(at.address, opts.address));
    if (this.place.ownsQdisc) removeIfEmpty(this.ifindex);
    this.unpin();
  }

  info(): LinkInfo {
    const programId = this.programId();
    const ifindex = programId === 0 ? 0 : this.ifindex;
    return { kind: this.kind, id: 0, programId, ifindex, direction: this.direction };
  }

  [Symbol.dispose](): void {
    if (this.#pinPath === undefined) this.detach();
  }
}

function attachError(errno: number, program: Program, place: ClsactPlace, device?: string): Error {
  const operation = operationOf(program, place, device);
  if (program.type !== "sched_cls") return errnoError(EINVAL, operation, { reason: `it is of type ${program.type}` });
  if (errno === EEXIST) {
    const reason = `there is a filter with priority ${place.priority}`;
    return errnoError(errno, operation, { reason, hint: "choose another priority or handle, or detach it" });
  }
  return errnoError(errno, operation);
}

/**
 * Attaches a program as a direct-action filter of the device's clsact qdisc, which is made if it is missing.
 * @throws WeirError `EEXIST` if the place is taken, `ENODEV`, `EINVAL` if the program is of another type.
 */
export function attachClsact(o: AttachClsactOptions): ClsactLink {
  const { program, ifindex, direction, device, priority = CLSACT_PRIORITY, handle = CLSACT_HANDLE } = o;
  const both = hook(ifindex, BOTH);
  const { value: created } = captureLog(() => libbpf().bpf_tc_hook_create(both.address));
  const place: ClsactPlace = { ifindex, direction, priority, handle, ownsQdisc: created === 0 };
  if (created < 0 && created !== -EEXIST) throw attachError(-created, program, place, device);
  const result = put(program, place, false);
  if (result >= 0) return new ClsactLink(place);
  if (place.ownsQdisc) removeIfEmpty(ifindex);
  throw attachError(-result, program, place, device);
}
