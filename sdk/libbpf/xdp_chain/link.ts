// SPDX-License-Identifier: Apache-2.0
/**
 * A program among those that a device's dispatcher runs, as a {@link Link}. Others who change the chain make a new dispatcher
 * with the same programs: ours is known by its number. What is pinned is the program, under a name that tells the device.
 */

import { existsSync, readdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { WeirError } from "../../errors.ts";
import { EINVAL, errnoError } from "../../runtime/errno.ts";
import { describeDevice, type Link, type LinkInfo } from "../link/link.ts";
import { pinObject, unpinObject } from "../pin.ts";
import { Program } from "../program.ts";
import { type ChainEntry, type Component, chainOn, changeChain } from "./chain.ts";
import type { SlotSettings } from "./dispatcher.ts";
import { pathsWith, unpinAll } from "./pins.ts";

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
    const [old, ifindex] = [this.#programId, this.ifindex];
    changeChain(ifindex, (components) => [
      ...components.filter((other) => other.program.id !== old && other.program.id !== program.id),
      component,
    ]);
    this.#programId = program.id;
    if (path !== undefined) takePin(path, ifindex);
  }

  pin(path: string): void {
    using program = Program.fromId(this.#programId);
    pinFresh(program, path);
    takePin(path, this.ifindex);
    this.#pinPath = path;
  }

  unpin(): void {
    if (this.#pinPath !== undefined) for (const pin of pinsOf(this.#pinPath)) unpinObject(pin);
    this.#pinPath = undefined;
    // Its device is gone, and with it the dispatcher, but for the pins.
    if (this.programId() === 0) for (const path of pathsWith(this.#programId)) unpinAll(path);
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

const SUFFIX = /\+(\d+)\+chain$/;

/** The pins for `path`: `PATH+IFINDEX+chain`, and the next one after an interrupted change. */
function pinsOf(path: string): string[] {
  if (!existsSync(dirname(path))) return [];
  const prefix = `${basename(path)}+`;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix) && (SUFFIX.test(name) || name.endsWith("+chain+new")))
    .map((name) => join(dirname(path), name));
}

const freshPin = (path: string): string => `${path}+chain+new`;

function pinFresh(program: Program, path: string): void {
  unpinObject(freshPin(path));
  pinObject(program.fd, freshPin(path), `XDP program "${program.name}"`);
}

function takePin(path: string, ifindex: number): void {
  renameSync(freshPin(path), `${path}+${ifindex}+chain`);
}

/**
 * The link that was pinned at `path`; `undefined` if none was.
 * @throws WeirError `ESTALE` if its program is in no chain any more; its pins are gone then.
 */
export function openChainPin(path: string): XdpChainLink | undefined {
  const pins = pinsOf(path);
  const ifindex = pins.map((pin) => SUFFIX.exec(pin)?.[1]).find((found) => found !== undefined);
  if (ifindex === undefined) return undefined;
  // After a crash within a change the next program may be in place already.
  const links = pins.map((pin) => {
    using program = Program.fromPin(pin);
    return new XdpChainLink(Number(ifindex), program.id, path);
  });
  const found = links.find((link) => link.programId() !== 0);
  if (found !== undefined) return found;
  for (const link of links) link.unpin();
  const operation = `adopt the XDP program pinned at "${path}"`;
  throw new WeirError({ code: "ESTALE", operation, reason: "it is in no dispatcher any more" });
}
