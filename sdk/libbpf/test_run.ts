// SPDX-License-Identifier: Apache-2.0
/** Running a program without attaching it: BPF_PROG_TEST_RUN. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { EINTR, EINVAL, errnoError } from "../runtime/errno.ts";
import { libc } from "../runtime/libc.ts";
import { type NativeBuffer, NULL } from "../runtime/types.ts";
import { Packed } from "./packed.ts";
import type { Program } from "./program.ts";
import { skBuff, testRunAttr, xdpMd } from "./structs.ts";
import { BPF_PROG_TEST_RUN, bpf, NR_BPF } from "./syscall.ts";

/** What to run a program on. */
export interface TestRunOptions {
  /** The packet; at least 14 bytes for XDP and TC programs, none for SYSCALL programs. */
  readonly data?: Uint8Array;
  /**
   * The context: see {@link xdpContext} and {@link skbContext}; the argument of a SYSCALL program.
   * `data` starts with the metadata that an XDP context tells of.
   */
  readonly context?: Uint8Array;
  /** How often. The packet is not restored in between. Default 1. */
  readonly repeat?: number;
  /**
   * XDP only: the packets are real ones, that the verdict sends out, redirects or passes to the stack of the
   * device in the context's `ingressIfindex`. Nothing comes back. Default false. Linux 5.18.
   */
  readonly liveFrames?: boolean;
  /** Live frames that are handled in one go, 1 to 256. Default: the kernel's, 64. */
  readonly batchSize?: number;
  /** Room for the resulting packet, bytes. Default: that of `data` and 512 more. */
  readonly outSize?: number;
}

/** What came out. */
export interface TestRunResult {
  /** The program's verdict (`XDP_*`, `TC_ACT_*`) or, for SYSCALL programs, its return value. Signed. */
  readonly retval: number;
  /** Mean of one run, nanoseconds. */
  readonly durationNs: number;
  /** The packet as the program left it. Empty for live frames. */
  readonly data: Uint8Array;
  /** The context as the program left it. Empty if none was given, and for live frames. */
  readonly context: Uint8Array;
}

const BPF_F_TEST_XDP_LIVE_FRAMES = 2;
const ROOM = 512;

/** Fields of an XDP context. */
export interface XdpContext {
  /** Bytes of packet and metadata together. */
  readonly size: number;
  /** Bytes of metadata in front of the packet, a multiple of 4 up to 32. Default 0. */
  readonly metaSize?: number;
  /** Receiving device; it must have an `rxQueue` that is registered for XDP. Default: none. */
  readonly ingressIfindex?: number;
  /** Default 0. */
  readonly rxQueue?: number;
}

/** A `struct xdp_md` for {@link TestRunOptions.context}. */
export function xdpContext({ size, metaSize = 0, ingressIfindex = 0, rxQueue = 0 }: XdpContext): Uint8Array {
  return new Packed(xdpMd.size)
    .u32(xdpMd.data, metaSize)
    .u32(xdpMd.dataEnd, size)
    .u32(xdpMd.ingressIfindex, ingressIfindex)
    .u32(xdpMd.rxQueue, rxQueue).bytes;
}

/** Fields of a TC context that a test run can set. All default to 0. */
export interface SkbContext {
  readonly mark?: number;
  readonly priority?: number;
  readonly ifindex?: number;
  readonly ingressIfindex?: number;
  readonly gsoSegs?: number;
  readonly gsoSize?: number;
}

/** A `struct __sk_buff` for {@link TestRunOptions.context}. */
export function skbContext(fields: SkbContext): Uint8Array {
  const context = new Packed(skBuff.size);
  for (const [name, value] of Object.entries(fields)) context.u32(skBuff[name as keyof SkbContext], value);
  return context.bytes;
}

function copy(bytes: Uint8Array): NativeBuffer {
  const buffer = runtime.alloc(bytes.byteLength);
  buffer.bytes.set(bytes);
  return buffer;
}

/** See {@link Program.testRun}. */
export function testRun(program: Program, options: TestRunOptions): TestRunResult {
  const live = options.liveFrames === true;
  // A SYSCALL program writes to the context that is passed in, and takes no other field.
  const inPlace = program.type === "syscall";
  const data = options.data === undefined ? undefined : copy(options.data);
  const given =
    options.context ?? (live && data !== undefined ? xdpContext({ size: data.bytes.byteLength }) : undefined);
  const context = given === undefined ? undefined : copy(given);
  const returns = !live && !inPlace;
  const dataOut = returns && data !== undefined ? runtime.alloc(options.outSize ?? data.bytes.byteLength + ROOM) : null;
  const contextOut = returns && context !== undefined ? runtime.alloc(context.bytes.byteLength) : null;

  const attr = new Packed(testRunAttr.size)
    .u32(testRunAttr.programFd, program.fd)
    .u32(testRunAttr.dataSizeIn, data?.bytes.byteLength ?? 0)
    .u64(testRunAttr.dataIn, data?.address ?? NULL)
    .u32(testRunAttr.dataSizeOut, dataOut?.bytes.byteLength ?? 0)
    .u64(testRunAttr.dataOut, dataOut?.address ?? NULL)
    .u32(testRunAttr.repeat, inPlace ? 0 : (options.repeat ?? 1))
    .u32(testRunAttr.contextSizeIn, context?.bytes.byteLength ?? 0)
    .u64(testRunAttr.contextIn, context?.address ?? NULL)
    .u32(testRunAttr.contextSizeOut, contextOut?.bytes.byteLength ?? 0)
    .u64(testRunAttr.contextOut, contextOut?.address ?? NULL)
    .u32(testRunAttr.flags, live ? BPF_F_TEST_XDP_LIVE_FRAMES : 0)
    .u32(testRunAttr.batchSize, options.batchSize ?? 0);
  let result: number;
  do result = bpf(BPF_PROG_TEST_RUN, attr);
  while (result === -EINTR);
  // Reading `data` here also keeps its memory alive during the call: nothing else does once its address is taken.
  if (result < 0) throw failed(-result, program, data?.bytes.byteLength ?? 0);

  return {
    retval: attr.view.getInt32(testRunAttr.retval, true),
    durationNs: attr.getU32(testRunAttr.duration),
    data: dataOut?.bytes.subarray(0, attr.getU32(testRunAttr.dataSizeOut)) ?? new Uint8Array(0),
    context: inPlace && context !== undefined ? context.bytes : (contextOut?.bytes ?? new Uint8Array(0)),
  };
}

function failed(errno: number, program: Program, packetBytes: number): WeirError {
  const operation = `run ${program.type} program "${program.name}"`;
  const short = program.type !== "syscall" && packetBytes < 14;
  if (errno === EINVAL && short) {
    const reason = `EINVAL (a packet of ${packetBytes} bytes)`;
    return new WeirError({ code: "EINVAL", operation, reason, hint: "give at least an Ethernet header, 14 bytes" });
  }
  return errnoError(errno, operation);
}

/**
 * A SYSCALL program ready to run on one context, over and over: the function makes one system call and
 * allocates nothing. It returns the program's return value, or -errno of the call.
 * @param fd of the program; it stays the caller's.
 * @param context argument and result of the program; read and written in place.
 */
export function syscallRunner(fd: number, context: NativeBuffer): () => number {
  const attr = new Packed(testRunAttr.size)
    .u32(testRunAttr.programFd, fd)
    .u32(testRunAttr.contextSizeIn, context.bytes.byteLength)
    .u64(testRunAttr.contextIn, context.address);
  const retval = new Int32Array(attr.bytes.buffer, testRunAttr.retval, 1);
  // Holding `context` here keeps its memory alive for as long as the function is.
  const { address } = attr;
  return () => {
    const result = libc.syscall(NR_BPF, BPF_PROG_TEST_RUN, address, testRunAttr.size);
    return result < 0 && context.address !== 0 ? -runtime.errno() : (retval[0] ?? 0);
  };
}
