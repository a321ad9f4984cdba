// SPDX-License-Identifier: Apache-2.0
/** The frames of AF_XDP sockets: a part of a WebAssembly memory, registered with the kernel. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { errnoError } from "../runtime/errno.ts";
import { libc, pageSize } from "../runtime/libc.ts";
import type { Address } from "../runtime/types.ts";
import { SOL_XDP, XDP_UMEM_REG } from "./constants.ts";

/** Bytes of `struct xdp_umem_reg` before Linux 5.4; later fields are then 0, which is what we want. */
const UMEM_REG_BYTES = 24;

export interface UmemOptions {
  /** Must never grow (`initial == maximum`): the kernel keeps its address. */
  readonly memory: WebAssembly.Memory;
  /** Where the frames begin in the memory, in bytes; a multiple of the page size. */
  readonly offset: number;
  readonly frames: number;
  /** Bytes of a frame: a power of two from 2048 to the page size. */
  readonly frameSize: number;
}

/**
 * Frames for any number of sockets. The kernel knows a UMEM by the socket that registered it; sockets of one
 * device share that registration, and each further device registers the same memory again, so that one device's
 * zero-copy mode is not bound to another's copy mode.
 */
export class Umem {
  readonly memory: WebAssembly.Memory;
  readonly offset: number;
  readonly frames: number;
  readonly frameSize: number;
  /** Native address of the memory's first byte. */
  readonly base: Address;

  constructor(o: UmemOptions) {
    const powerOfTwo = Number.isInteger(Math.log2(o.frameSize));
    if (!powerOfTwo || o.frameSize < 2048 || o.frameSize > pageSize) {
      throw invalid(
        `frames of ${o.frameSize} bytes are not possible`,
        `choose a power of two from 2048 to ${pageSize}`,
      );
    }
    if (o.offset % pageSize !== 0) throw invalid(`offset ${o.offset} is not page aligned`);
    if (o.offset + o.frames * o.frameSize > o.memory.buffer.byteLength) throw invalid("the memory is too small");
    this.memory = o.memory;
    this.offset = o.offset;
    this.frames = o.frames;
    this.frameSize = o.frameSize;
    this.base = runtime.addressOf(o.memory);
  }

  /** Registers the frames through a socket. `name` is used in messages. */
  register(fd: number, name: string): void {
    const registration = runtime.alloc(UMEM_REG_BYTES);
    registration.view.setBigUint64(0, BigInt(this.base + this.offset), true);
    registration.view.setBigUint64(8, BigInt(this.frames * this.frameSize), true);
    registration.view.setUint32(16, this.frameSize, true);
    if (libc.setsockopt(fd, SOL_XDP, XDP_UMEM_REG, registration.address, UMEM_REG_BYTES) === 0) return;
    throw errnoError(runtime.errno(), `register ${this.frames} frames of ${this.frameSize} bytes for ${name}`, {
      hint: "run as root; without it RLIMIT_MEMLOCK must cover the frames",
    });
  }
}

function invalid(reason: string, hint?: string): WeirError {
  return new WeirError({ code: "EINVAL", operation: "make a UMEM", reason, hint });
}
