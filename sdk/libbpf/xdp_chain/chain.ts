// SPDX-License-Identifier: Apache-2.0
/** The XDP programs that share a device, and how they change: a new dispatcher is built and takes the old one's place. */

import { WeirError } from "../../errors.ts";
import { EBUSY, EEXIST, EPERM, errnoError } from "../../runtime/errno.ts";
import { close } from "../../runtime/libc.ts";
import { describeDevice } from "../link/link.ts";
import { queryXdp } from "../link/xdp.ts";
import { captureLog } from "../log.ts";
import { Packed } from "../packed.ts";
import { describeProgram, Program } from "../program.ts";
import { linkCreateAttr, xdpAttachOpts, xdpDispatcherConfig } from "../structs.ts";
import { libbpf } from "../symbols.ts";
import { BPF_LINK_CREATE, bpf } from "../syscall.ts";
import { Dispatcher, readDispatcher, type SlotSettings, slotName } from "./dispatcher.ts";
import { ChainLock, dispatcherPath, openPrograms, pinAll, unpinAll } from "./pins.ts";

/** A program of a chain, and how it is run. */
export interface Component extends SlotSettings {
  /** Of type `ext`. */
  readonly program: Program;
}

/** `XDP_FLAGS_UPDATE_IF_NOEXIST`, `XDP_FLAGS_DRV_MODE` (linux/if_link.h). */
const IF_NOEXIST = 1 << 0;
const NATIVE = 1 << 2;

/** Somebody without the lock may be quicker, and then once more. */
const TRIES = 4;

/** The chain on a device while it is looked at. Disposing closes descriptors; nothing is detached. */
class Chain implements Disposable {
  readonly dispatcher: Program;
  readonly components: readonly Component[];
  readonly path: string;

  constructor(ifindex: number, dispatcherId: number, slots: readonly SlotSettings[]) {
    this.path = dispatcherPath(ifindex, dispatcherId);
    const programs = openPrograms(this.path, slots.length);
    this.components = slots.map((slot, index) => ({ ...slot, program: programs[index] as Program }));
    this.dispatcher = Program.fromId(dispatcherId);
  }

  [Symbol.dispose](): void {
    for (const { program } of this.components) program[Symbol.dispose]();
    this.dispatcher[Symbol.dispose]();
  }
}

/** A program of a chain as {@link chainOn} tells it. */
export interface ChainEntry extends SlotSettings {
  readonly programId: number;
  readonly name: string;
}

/**
 * The programs that a device's dispatcher runs, in their order; `undefined` if there is none whose programs can be told. The
 * thread must be in the device's network namespace.
 * @throws WeirError `ENODEV`
 */
export function chainOn(ifindex: number): ChainEntry[] | undefined {
  const state = queryXdp(ifindex);
  if (state === null) return undefined;
  try {
    const slots = readDispatcher(state.programId);
    if (slots === undefined) return undefined;
    using chain = new Chain(ifindex, state.programId, slots);
    return chain.components.map(({ program, ...slot }) => ({ ...slot, programId: program.id, name: program.name }));
  } catch (error) {
    if (error instanceof WeirError && UNTOLD.has(error.code)) return undefined;
    throw error;
  }
}

/** It is of another version, or it or its pins went. */
const UNTOLD: ReadonlySet<string> = new Set(["EOPNOTSUPP", "ENOENT"]);

/** Order of libxdp: by priority, then by name. */
function inOrder(components: readonly Component[]): Component[] {
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return components.toSorted((a, b) => a.priority - b.priority || compare(a.program.name, b.program.name));
}

/**
 * Changes which programs share a device, in one step: every packet meets the old ones or the new ones. Without any left
 * the device has no XDP program. The thread must be in the device's network namespace.
 * @param change tells which are to be there, in any order, from those that are.
 * @param device name for messages.
 * @throws WeirError `EBUSY` if a program without a dispatcher is on the device, `E2BIG` for more than ten; what the driver
 * says of the dispatcher (`ERANGE`, `EINVAL`, `EOPNOTSUPP`).
 */
export function changeChain(
  ifindex: number,
  change: (components: readonly Component[]) => readonly Component[],
  device?: string,
): void {
  const where = describeDevice(ifindex, device);
  using _lock = ChainLock.take();
  for (let tries = 1; ; tries++) {
    using before = openChain(ifindex, where);
    const components = inOrder(change(before?.components ?? []));
    const errno = components.length === 0 ? empty(ifindex, before) : replace(ifindex, where, before, components);
    if (errno === 0) {
      if (before !== undefined) unpinAll(before.path);
      return;
    }
    const wasQuicker = errno === EEXIST || errno === EBUSY;
    if (!wasQuicker || tries === TRIES) throw errnoError(errno, `attach an XDP dispatcher to ${where}`);
  }
}

function openChain(ifindex: number, where: string): Chain | undefined {
  const state = queryXdp(ifindex);
  if (state === null) return undefined;
  const slots = readDispatcher(state.programId);
  const operation = `attach an XDP dispatcher to ${where}`;
  if (slots === undefined) {
    const reason = `program ${describeProgram(state.programId)} is attached in ${state.mode} mode, without a dispatcher`;
    throw errnoError(EBUSY, operation, { reason });
  }
  if (state.mode === "native") return new Chain(ifindex, state.programId, slots);
  throw errnoError(EBUSY, operation, { reason: `there is one in ${state.mode} mode` });
}

/** @returns errno, or 0. */
function empty(ifindex: number, before: Chain | undefined): number {
  return before === undefined ? 0 : set(ifindex, -1, before);
}

/** Builds a dispatcher for the components and puts it in the place of the one before. @returns errno, or 0. */
function replace(ifindex: number, where: string, before: Chain | undefined, components: readonly Component[]): number {
  const { slots } = xdpDispatcherConfig;
  if (components.length > slots) {
    const reason = `its dispatcher runs ${slots} programs already`;
    throw new WeirError({ code: "E2BIG", operation: `attach an XDP program to ${where}`, reason });
  }
  using dispatcher = Dispatcher.load(components);
  const links: number[] = [];
  try {
    for (const [slot, { program }] of components.entries()) links.push(put(program, dispatcher, slot, where));
    const path = dispatcherPath(ifindex, dispatcher.program.id);
    pinAll(
      path,
      components.map(({ program }, slot) => ({ program, link: links[slot] as number })),
    );
    const errno = set(ifindex, dispatcher.program.fd, before);
    if (errno !== 0) unpinAll(path);
    return errno;
  } finally {
    // The pins keep them.
    for (const link of links) close(link);
  }
}

/** Has a program take the place of a dispatcher's function. @returns descriptor of the link. */
function put(program: Program, dispatcher: Dispatcher, slot: number, where: string): number {
  const attr = new Packed(linkCreateAttr.size)
    .u32(linkCreateAttr.programFd, program.fd)
    .u32(linkCreateAttr.ifindex, dispatcher.program.fd)
    .u32(linkCreateAttr.targetBtfId, dispatcher.functionId(slot));
  const fd = bpf(BPF_LINK_CREATE, attr);
  if (fd >= 0) return fd;
  const operation = `run XDP program "${program.name}" as ${slotName(slot)} of a dispatcher on ${where}`;
  throw errnoError(-fd, operation, fd === -EPERM ? { reason: "the kernel lets no program replace a function" } : {});
}

/** Attaches a dispatcher, or nothing, if what is there is what was there. @returns errno, or 0. */
function set(ifindex: number, fd: number, before: Chain | undefined): number {
  const opts = Packed.options(xdpAttachOpts.size).u32(xdpAttachOpts.oldProgramFd, before?.dispatcher.fd ?? 0);
  const flags = NATIVE | (before === undefined ? IF_NOEXIST : 0);
  return -captureLog(() => libbpf().bpf_xdp_attach(ifindex, fd, flags, opts.address)).value;
}
