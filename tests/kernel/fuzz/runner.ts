// SPDX-License-Identifier: Apache-2.0
/** Many packets through a program, one system call each and nothing allocated. */

import { runtime } from "#runtime";
import type { Program } from "../../../sdk/libbpf/index.ts";
import { Packed } from "../../../sdk/libbpf/packed.ts";
import { testRunAttr, xdpMd } from "../../../sdk/libbpf/structs.ts";
import { BPF_PROG_TEST_RUN, NR_BPF } from "../../../sdk/libbpf/syscall.ts";
import { EINVAL } from "../../../sdk/runtime/errno.ts";
import { libc } from "../../../sdk/runtime/libc.ts";
import type { Hook } from "../pipeline_harness.ts";

const ROOM = 512;
const ETHERNET_BYTES = 14;
const IPV6_BYTES = 40;

export class PacketRunner {
  /** Write the packet here. */
  readonly packet: Uint8Array;
  /** What came out, with the metadata in front. */
  readonly output: Uint8Array;
  readonly view: DataView;
  readonly #attr: Packed;
  readonly #context: Packed | undefined;

  constructor(program: Program, hook: Hook, largest: number) {
    const input = runtime.alloc(largest);
    const output = runtime.alloc(largest + ROOM);
    this.packet = input.bytes;
    this.output = output.bytes;
    this.view = output.view;
    this.#context = hook === "xdp" ? new Packed(xdpMd.size) : undefined;
    this.#attr = new Packed(testRunAttr.size)
      .u32(testRunAttr.programFd, program.fd)
      .u64(testRunAttr.dataIn, input.address)
      .u64(testRunAttr.dataOut, output.address)
      .u32(testRunAttr.repeat, 1);
    if (this.#context !== undefined)
      this.#attr
        .u32(testRunAttr.contextSizeIn, xdpMd.size)
        .u64(testRunAttr.contextIn, this.#context.address)
        .u64(testRunAttr.contextOut, this.#context.address);
  }

  /**
   * Runs the first `length` bytes of `packet` and returns the program's verdict; undefined if the kernel does not:
   * it makes no skb of an IP packet that is shorter than its header.
   */
  run(length: number): number | undefined {
    this.#attr.u32(testRunAttr.dataSizeIn, length).u32(testRunAttr.dataSizeOut, this.output.length);
    if (this.#context !== undefined) {
      this.#context.bytes.fill(0);
      this.#context.u32(xdpMd.dataEnd, length);
      this.#attr.u32(testRunAttr.contextSizeOut, xdpMd.size);
    }
    const result = libc.syscall(NR_BPF, BPF_PROG_TEST_RUN, this.#attr.address, testRunAttr.size);
    if (result < 0) {
      const errno = runtime.errno();
      if (errno === EINVAL && this.#context === undefined && length < ETHERNET_BYTES + IPV6_BYTES) return undefined;
      throw new Error(`the packet was not run: errno ${errno}, ${this.packet.subarray(0, length).toHex()}`);
    }
    return this.#attr.view.getInt32(testRunAttr.retval, true);
  }

  /** Bytes of metadata in front of the packet that came out. */
  get metadataBytes(): number {
    return this.#context?.getU32(xdpMd.data) ?? 0;
  }
}
