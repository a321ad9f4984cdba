// SPDX-License-Identifier: Apache-2.0
/** Loaded programs. */

import { errnoError } from "../runtime/errno.ts";
import { close } from "../runtime/libc.ts";
import { type ProgramType, programTypeName } from "./names.ts";
import { Packed } from "./packed.ts";
import { openPin, pinObject, unpinObject } from "./pin.ts";
import { progInfo } from "./structs.ts";
import { libbpf } from "./symbols.ts";
import { objectInfo } from "./syscall.ts";
import { type TestRunOptions, type TestRunResult, testRun } from "./test_run.ts";

/** A program as the kernel describes it. */
export interface ProgramInfo {
  readonly id: number;
  readonly type: ProgramType;
  /** At most 15 characters. */
  readonly name: string;
  /** Digest of the instructions, 16 hexadecimal digits: the same code has the same tag. */
  readonly tag: string;
  /** Time spent and number of runs since statistics were switched on (`kernel.bpf_stats_enabled`); otherwise 0. */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  /** Instructions that the verifier looked at (Linux 5.16). */
  readonly verifiedInstructions: number;
}

function readProgramInfo(fd: number): ProgramInfo {
  const info = new Packed(progInfo.size);
  const result = objectInfo(fd, info);
  if (result < 0) throw errnoError(-result, `ask about the program behind descriptor ${fd}`);
  return {
    id: info.getU32(progInfo.id),
    type: programTypeName(info.getU32(progInfo.type)),
    name: info.getText(progInfo.name, progInfo.nameSize),
    tag: info.bytes.subarray(progInfo.tag, progInfo.tag + progInfo.tagSize).toHex(),
    runTimeNs: info.getU64(progInfo.runTimeNs),
    runCount: info.getU64(progInfo.runCount),
    verifiedInstructions: info.getU32(progInfo.verifiedInstructions),
  };
}

/** A program in the kernel. Disposing closes the descriptor; links and pins keep the program. */
export class Program implements Disposable {
  readonly fd: number;
  readonly id: number;
  readonly name: string;
  readonly type: ProgramType;
  /** Digest of the instructions, 16 hexadecimal digits. */
  readonly tag: string;
  #pinPath: string | undefined;
  #closed = false;

  /** Takes over `fd`. `name` may be longer than the kernel keeps. */
  constructor(fd: number, name?: string, pinPath?: string) {
    const info = readProgramInfo(fd);
    this.fd = fd;
    this.id = info.id;
    this.name = name ?? info.name;
    this.type = info.type;
    this.tag = info.tag;
    this.#pinPath = pinPath;
  }

  /** Opens a pinned program. @throws WeirError `ENOENT`, `EINVAL` if the pin is something else. */
  static fromPin(path: string): Program {
    return new Program(openPin(path, "program").fd, undefined, path);
  }

  /** Opens the program with the kernel's id `id`. @throws WeirError `ENOENT` */
  static fromId(id: number): Program {
    const fd = libbpf().bpf_prog_get_fd_by_id(id);
    if (fd < 0) throw errnoError(-fd, `open program ${id}`);
    return new Program(fd);
  }

  /** Runs the program on a packet or a context without attaching it. See {@link TestRunOptions}. */
  testRun(options: TestRunOptions): TestRunResult {
    return testRun(this, options);
  }

  /** Pins the program at `path`, an absolute path in a BPF file system without dots; missing directories are made. */
  pin(path: string): void {
    pinObject(this.fd, path, `program "${this.name}"`);
    this.#pinPath = path;
  }

  /** Removes the pin that this object made or was opened from. */
  unpin(): void {
    if (this.#pinPath !== undefined) unpinObject(this.#pinPath);
    this.#pinPath = undefined;
  }

  /** What the kernel says about it. */
  info(): ProgramInfo {
    return readProgramInfo(this.fd);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    close(this.fd);
  }
}

/** `643 "pass"`: a program that somebody else attached, for messages. */
export function describeProgram(id: number): string {
  try {
    using program = Program.fromId(id);
    return `${id} "${program.name}"`;
  } catch {
    return `${id}`;
  }
}
