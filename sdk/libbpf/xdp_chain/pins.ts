// SPDX-License-Identifier: Apache-2.0
/**
 * Where libxdp keeps what a dispatcher runs: `/sys/fs/bpf/xdp/dispatch-IFINDEX-ID/progN-prog` and `progN-link`, changed
 * only under a lock of the directory above.
 */

import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { WeirError } from "../../errors.ts";
import { LOCK_EX, LOCK_NB, libc } from "../../runtime/libc.ts";
import { NULL } from "../../runtime/types.ts";
import { ensureBpffs, pinObject, unpinObject } from "../pin.ts";
import { Program } from "../program.ts";
import { slotName } from "./dispatcher.ts";

/** libxdp lets this variable name another BPF file system. */
const directory = (): string => join(process.env["LIBXDP_BPFFS"] ?? "/sys/fs/bpf", "xdp");

/** Where the programs of a dispatcher on a device are pinned. */
export const dispatcherPath = (ifindex: number, dispatcherId: number): string =>
  join(directory(), `dispatch-${ifindex}-${dispatcherId}`);

/** Index of the device that a dispatcher's pins are for. */
export const deviceOf = (path: string): number => Number(/dispatch-(\d+)-\d+$/.exec(path)?.[1] ?? 0);

const programPin = (path: string, slot: number): string => join(path, `${slotName(slot)}-prog`);
const linkPin = (path: string, slot: number): string => join(path, `${slotName(slot)}-link`);

/** Others hold the lock for as long as it takes to load a program or two. */
const LOCK_TRIES = 500;
const LOCK_WAIT_MS = 10;

/** Holds all others off who speak the protocol. */
export class ChainLock implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws WeirError `EBUSY` if somebody else holds it for seconds. */
  static take(): ChainLock {
    ensureBpffs();
    mkdirSync(directory(), { recursive: true, mode: 0o700 });
    const fd = openSync(directory(), "r");
    for (let tries = 0; tries < LOCK_TRIES; tries++) {
      if (libc.flock(fd, LOCK_EX | LOCK_NB) === 0) return new ChainLock(fd);
      libc.poll(NULL, 0, LOCK_WAIT_MS);
    }
    closeSync(fd);
    throw new WeirError({
      code: "EBUSY",
      operation: "change the XDP programs of a dispatcher",
      reason: `another process has locked "${directory()}" for ${(LOCK_TRIES * LOCK_WAIT_MS) / 1000} seconds`,
      hint: "end it, or try again",
    });
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** Opens the programs of a dispatcher in their order. @throws WeirError `ENOENT` if a pin is missing. */
export function openPrograms(path: string, count: number): Program[] {
  const programs: Program[] = [];
  try {
    for (let slot = 0; slot < count; slot++) programs.push(Program.fromPin(programPin(path, slot)));
    return programs;
  } catch (error) {
    for (const program of programs) program[Symbol.dispose]();
    throw error;
  }
}

/** Pins programs and links, in the order of their slots; all or none. */
export function pinAll(path: string, pinned: readonly { program: Program; link: number }[]): void {
  try {
    for (const [slot, { program, link }] of pinned.entries()) {
      pinObject(link, linkPin(path, slot), `the link of "${program.name}"`);
      pinObject(program.fd, programPin(path, slot), `program "${program.name}"`);
    }
  } catch (error) {
    unpinAll(path);
    throw error;
  }
}

/** Removes the pins of a dispatcher, and with them what only they keep. */
export function unpinAll(path: string): void {
  if (!existsSync(path)) return;
  for (const name of readdirSync(path)) unpinObject(join(path, name));
  rmdirSync(path);
}

/** The directories of all dispatchers that run a program. */
export function pathsWith(programId: number): string[] {
  if (!existsSync(directory())) return [];
  return readdirSync(directory())
    .filter((name) => name.startsWith("dispatch-"))
    .map((name) => join(directory(), name))
    .filter((path) => pinsOf(path, programId).length > 0);
}

/** Removes the pins of one program, wherever it runs. Those of others are theirs. */
export function unpinProgram(programId: number): void {
  for (const path of pathsWith(programId)) {
    for (const pin of pinsOf(path, programId)) {
      unpinObject(pin);
      unpinObject(pin.replace(/-prog$/, "-link"));
    }
    if (readdirSync(path).length === 0) rmdirSync(path);
  }
}

const pinsOf = (path: string, programId: number): string[] =>
  readdirSync(path)
    .filter((name) => name.endsWith("-prog"))
    .map((name) => join(path, name))
    .filter((pin) => idAt(pin) === programId);

function idAt(path: string): number {
  using program = Program.fromPin(path);
  return program.id;
}
