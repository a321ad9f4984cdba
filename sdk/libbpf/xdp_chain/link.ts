// SPDX-License-Identifier: Apache-2.0
/**
 * A program among those that a device's dispatcher runs, as a {@link Link}. Others who change the chain make a new dispatcher
 * with the same programs: ours is known by its number. What is pinned is the program; where it runs, the dispatcher's own pins tell.
 */

import { existsSync, renameSync } from "node:fs";
import { WeirError } from "../../errors.ts";
import { EINVAL, errnoError } from "../../runtime/errno.ts";
import { describeDevice, type Link, type LinkInfo } from "../link/link.ts";
import { pinObject, unpinObject } from "../pin.ts";
import { Program } from "../program.ts";
import { type ChainEntry, type Component, chainOn, changeChain } from "./chain.ts";
import type { SlotSettings } from "./dispatcher.ts";
import { deviceOf, pathsWith, unpinProgram } from "./pins.ts";

/** What {@link attachXdpChain} takes. */
export interface AttachXdpChainOptions extends SlotSettings {
  /** Of type `ext`, with a function of a dispatcher as its target ({@link loadExtension}). */
  readonly program: Program;
  /** Index of the device in the thread's network namespace. */
  readonly ifindex: number;
  /** Name of the device, for messages. Default: looked up. */
  readonly device?: string;
}

/** A program in a device's chain. */
export class XdpChainLink implements Link {
  readonly kind = "xdp";
  readonly direction: undefined;
  readonly ifindex: number;
  #programId: number;
  #pinPath: string | undefined;
  #detached = false;

  /** For a program that is in the chain already. */
  constructor(ifindex: number, programId: number, pinPath?: string) {
    this.ifindex = ifindex;
    this.#programId = programId;
    this.#pinPath = pinPath;
  }

  programId(): number {
    return this.entry() === undefined ? 0 : this.#programId;
  }

  /** Its place in the chain; `undefined` once it is not there. */
  entry(): ChainEntry | undefined {
    if (this.#detached) return undefined;
    try {
      return chainOn(this.ifindex)?.find(({ programId }) => programId === this.#programId);
    } catch (error) {
      if (error instanceof WeirError && error.code === "ENODEV") return undefined;
      throw error;
    }
  }

  update(program: Program): void {
    const entry = this.entry();
    if (entry === undefined) {
      const operation = `replace the program in the XDP chain of ${describeDevice(this.ifindex)}`;
      throw errnoError(EINVAL, operation, { reason: "the link is detached" });
    }
    this.place({ ...entry, program });
  }

  /** Replaces the program and how it is run, in one step. */
  place(component: Component): void {
    const { program } = component;
    if (program.type !== "ext") {
      const operation = `put "${program.name}" into the XDP chain of ${describeDevice(this.ifindex)}`;
      throw errnoError(EINVAL, operation, { reason: `it is of type ${program.type}` });
    }
    const path = this.#pinPath;
    if (path !== undefined) pinFresh(program, path);
    const old = this.#programId;
    changeChain(this.ifindex, (components) => [
      ...components.filter((other) => other.program.id !== old && other.program.id !== program.id),
      component,
    ]);
    this.#programId = program.id;
    if (path !== undefined) takePin(path);
  }

  pin(path: string): void {
    using program = Program.fromId(this.#programId);
    pinFresh(program, path);
    takePin(path);
    this.#pinPath = path;
  }

  unpin(): void {
    if (this.#pinPath !== undefined) for (const pin of pinsOf(this.#pinPath)) unpinObject(pin);
    this.#pinPath = undefined;
    // Its device is gone, and with it the dispatcher, but for the pins.
    if (this.programId() === 0) unpinProgram(this.#programId);
  }

  detach(): void {
    if (this.#detached) return;
    const own = this.#programId;
    changeChain(this.ifindex, (components) => components.filter(({ program }) => program.id !== own));
    this.#detached = true;
    this.unpin();
  }

  info(): LinkInfo {
    const programId = this.programId();
    const ifindex = programId === 0 ? 0 : this.ifindex;
    return { kind: this.kind, id: 0, programId, ifindex, direction: this.direction };
  }

  [Symbol.dispose](): void {
    if (this.#pinPath === undefined && this.programId() !== 0) this.detach();
  }
}

/**
 * Puts a program into the chain of a device, and makes the chain if there is no XDP program yet.
 * @throws WeirError `EBUSY` if a program without a dispatcher is on the device; see {@link changeChain}.
 */
export function attachXdpChain(o: AttachXdpChainOptions): XdpChainLink {
  const { ifindex, device, program, priority, actions, frags } = o;
  changeChain(ifindex, (components) => [...components, { program, priority, actions, frags }], device);
  return new XdpChainLink(ifindex, program.id);
}

/** Where the program is pinned, and where the next one is while it takes over. */
const chainPin = (path: string): string => `${path}+chain`;
const freshPin = (path: string): string => `${path}+chain+new`;

const pinsOf = (path: string): string[] => [chainPin(path), freshPin(path)].filter((pin) => existsSync(pin));

function pinFresh(program: Program, path: string): void {
  unpinObject(freshPin(path));
  pinObject(program.fd, freshPin(path), `XDP program "${program.name}"`);
}

function takePin(path: string): void {
  renameSync(freshPin(path), chainPin(path));
}

/**
 * The link that was pinned at `path`; `undefined` if none was.
 * @throws WeirError `ESTALE` if its program is in no chain any more; its pins are gone then.
 */
export function openChainPin(path: string): XdpChainLink | undefined {
  const pins = pinsOf(path);
  if (pins.length === 0) return undefined;
  // After a crash within a change the next program may be in place already.
  const links = pins.flatMap((pin) => {
    using program = Program.fromPin(pin);
    return pathsWith(program.id).map((chain) => new XdpChainLink(deviceOf(chain), program.id, path));
  });
  const found = links.find((link) => link.programId() !== 0);
  if (found !== undefined) return found;
  for (const link of links) link.unpin();
  for (const pin of pins) unpinObject(pin);
  const operation = `adopt the XDP program pinned at "${path}"`;
  throw new WeirError({ code: "ESTALE", operation, reason: "it is in no dispatcher any more" });
}
