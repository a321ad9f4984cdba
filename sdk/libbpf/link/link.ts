// SPDX-License-Identifier: Apache-2.0
/** Attachments: what they have in common, and those that are BPF links. */

import { EINVAL, EPERM, errnoError } from "../../runtime/errno.ts";
import { close, deviceName } from "../../runtime/libc.ts";
import { Packed } from "../packed.ts";
import { pinObject, unpinObject } from "../pin.ts";
import { describeProgram, type Program } from "../program.ts";
import { linkInfo, linkUpdateAttr } from "../structs.ts";
import { BPF_LINK_DETACH, BPF_LINK_UPDATE, bpf, objectInfo } from "../syscall.ts";

/** How a program is attached to a device. */
export type LinkKind = "xdp" | "tcx" | "clsact";

/** Which packets of a device a TC program sees. */
export type Direction = "ingress" | "egress";

/** An attachment as the kernel describes it. */
export interface LinkInfo {
  readonly kind: LinkKind;
  /** The kernel's id of the link; 0 for clsact, which has none. */
  readonly id: number;
  /** 0 once it is detached. */
  readonly programId: number;
  /** 0 once it is detached or its device is gone. */
  readonly ifindex: number;
  /** TC only. */
  readonly direction: Direction | undefined;
}

/**
 * A program attached to a device. Disposing detaches it, unless it is pinned: then it stays, also when the
 * process ends.
 */
export interface Link extends Disposable {
  readonly kind: LinkKind;
  readonly ifindex: number;
  /** TC only. */
  readonly direction: Direction | undefined;
  /** The kernel's id of the program that is attached; 0 if it was detached behind our back. */
  programId(): number;
  /**
   * Replaces the program in one step: every packet sees the old one or the new one.
   * @throws WeirError `EINVAL` if the new program is of another type.
   */
  update(program: Program): void;
  /** Pins the attachment at `path`, an absolute path in a BPF file system without dots. */
  pin(path: string): void;
  /** Removes the pin that this object made or was opened from. */
  unpin(): void;
  /** Detaches the program now, pinned or not, and removes the pin. */
  detach(): void;
  /** What the kernel says about it. */
  info(): LinkInfo;
}

/** `"eth0"`, or `interface 7` where it has no name here. */
export function describeDevice(ifindex: number, device?: string): string {
  const name = device ?? deviceName(ifindex);
  return name === undefined ? `interface ${ifindex}` : `"${name}"`;
}

/** The kernel's view of the BPF link behind `fd`. */
export function readLinkInfo(fd: number): Packed {
  const info = new Packed(linkInfo.size);
  const result = objectInfo(fd, info);
  if (result < 0) throw errnoError(-result, `ask about the link behind descriptor ${fd}`);
  return info;
}

/** What differs between the kinds of BPF links. */
export interface BpfLinkInit {
  readonly kind: "xdp" | "tcx";
  readonly fd: number;
  readonly ifindex: number;
  readonly direction?: Direction | undefined;
  readonly pinPath?: string | undefined;
  /** Name of the device, for messages. */
  readonly device?: string | undefined;
}

/** An XDP or TCX link: a descriptor that holds the attachment. */
export class BpfLink implements Link {
  readonly kind: "xdp" | "tcx";
  readonly ifindex: number;
  readonly direction: Direction | undefined;
  readonly fd: number;
  readonly #device: string | undefined;
  #pinPath: string | undefined;
  #closed = false;

  /** Takes over `init.fd`. */
  constructor(init: BpfLinkInit) {
    this.kind = init.kind;
    this.fd = init.fd;
    this.ifindex = init.ifindex;
    this.direction = init.direction;
    this.#device = init.device;
    this.#pinPath = init.pinPath;
  }

  programId(): number {
    return this.info().programId;
  }

  update(program: Program): void {
    const attr = new Packed(linkUpdateAttr.size)
      .u32(linkUpdateAttr.linkFd, this.fd)
      .u32(linkUpdateAttr.programFd, program.fd);
    const result = bpf(BPF_LINK_UPDATE, attr);
    if (result >= 0) return;
    const operation = `replace the program on ${this.#describe()} by "${program.name}"`;
    const other = program.type !== (this.kind === "xdp" ? "xdp" : "sched_cls");
    if (result === -EINVAL && other) throw errnoError(EINVAL, operation, { reason: `it is of type ${program.type}` });
    if (result === -EINVAL) {
      throw errnoError(EINVAL, operation, {
        reason: "its expected attach type or frags mode differs",
        hint: `load it like ${describeProgram(this.programId())}`,
      });
    }
    const gone = result === -EPERM || this.info().ifindex === 0;
    throw errnoError(-result, operation, gone ? { reason: "the link is detached" } : {});
  }

  pin(path: string): void {
    pinObject(this.fd, path, `the ${this.kind} link on ${this.#describe()}`);
    this.#pinPath = path;
  }

  unpin(): void {
    if (this.#pinPath !== undefined) unpinObject(this.#pinPath);
    this.#pinPath = undefined;
  }

  detach(): void {
    if (this.#closed) return;
    const result = bpf(BPF_LINK_DETACH, new Packed(16).u32(0, this.fd));
    if (result < 0) throw errnoError(-result, `detach the ${this.kind} link from ${this.#describe()}`);
    this.unpin();
    this[Symbol.dispose]();
  }

  info(): LinkInfo {
    const info = readLinkInfo(this.fd);
    const ifindex = info.getU32(linkInfo.ifindex);
    // A link that lost its device or was detached keeps the program, but does not run it.
    const programId = ifindex === 0 ? 0 : info.getU32(linkInfo.programId);
    return { kind: this.kind, id: info.getU32(linkInfo.id), programId, ifindex, direction: this.direction };
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    close(this.fd);
  }

  #describe(): string {
    return describeDevice(this.ifindex, this.#device);
  }
}
