// SPDX-License-Identifier: Apache-2.0
/** Programs on devices: the choice of hook, pins, adoption, replacement without a gap. */
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { WeirError } from "../../errors.ts";
import { attachTc, attachXdp, chainOn, type Link, linkFromPin, type Program } from "../../libbpf/index.ts";
import { findDriver } from "../drivers/index.ts";
import type { InstancePaths } from "../instance/instance.ts";
import type { Pipeline, ProgramName } from "../instance/loader.ts";
import type { Interface, Order } from "../schema/index.ts";
import { sameValue } from "../state/desired.ts";
import type { Undo } from "../state/undo.ts";
import type { TcDirection } from "./attached_programs.ts";
import { attachChained, DEFAULT_CHAIN_PRIORITY, isChained, keepChained, type Place } from "./chained_xdp.ts";
import { automaticHook, type Device } from "./devices.ts";
import { anchorOf } from "./order.ts";
import { kernelAtLeast } from "./preflight.ts";

/** Where packets of an interface are decided. */
export type Hook = "tc" | "xdp";

/** Largest MTU of native XDP without frags where nothing is known of the driver: a page less what the others need. */
const LINEAR_MTU = 3046;

/** What is attached to one interface. */
export interface Attachment {
  readonly hook: Hook;
  readonly ifindex: number;
  readonly xdp: Link | undefined;
  /** On the XDP hook the companion, for packets that bypass native XDP. */
  readonly tc: Link;
  /** Which way packets go that `tc` gets. */
  readonly direction: TcDirection;
  /** Place of `tc` among other programs. */
  readonly order: Order;
  /** Paths of the links' pins. */
  readonly pins: readonly string[];
  /** Has `tc` take over pin and program of the one before, which had another place; to be called once that is gone. */
  readonly takeOver?: () => void;
}

/** The hook that an interface asks for. */
export function hookOf(object: Interface, device: Device): Hook {
  if (object.role === "host") return "tc";
  return object.hook === undefined || object.hook === "auto" ? automaticHook(device) : object.hook;
}

const chainOf = ({ priority = DEFAULT_CHAIN_PRIORITY }: NonNullable<Interface["xdpChain"]>) => ({ priority });

/** Attaches the pipeline to devices, with pins that outlive the process. */
export class Attacher {
  readonly #pipeline: Pipeline;
  readonly #paths: InstancePaths;

  constructor(pipeline: Pipeline, paths: InstancePaths) {
    this.#pipeline = pipeline;
    this.#paths = paths;
  }

  /**
   * Attaches the pipeline as `object` asks. What `before` or a pin holds already is kept and, where its program is
   * an older one, updated without a gap. Nothing is detached: see `retire`.
   * @param id number of the interface.
   * @param makeRoom takes another XDP program off the device; called where there is one that the object has replaced.
   * @param misplaced told of a place that is not the one asked for, instead of an error.
   * @throws WeirError when the device or the kernel does not allow it.
   */
  attach(
    object: Interface,
    id: number,
    device: Device,
    before: Attachment | undefined,
    undo: Undo,
    makeRoom: () => void,
    misplaced?: (warning: string) => void,
  ): Attachment {
    const hook = hookOf(object, device);
    const order = object.order ?? "head";
    // What the host's own stack sends leaves by the device.
    const direction = object.role === "host" ? "egress" : "ingress";
    const same = before?.ifindex === device.ifindex ? before : undefined;
    const tcPin = this.#pin("tc", id, device.ifindex);
    const attachThere = (program: Program) =>
      attachTc({
        program,
        ifindex: device.ifindex,
        device: device.name,
        direction,
        order: anchorOf(order, device, direction, misplaced),
      });
    const placed =
      same === undefined || sameValue(same.order, order)
        ? { tc: this.#link(same?.tc, tcPin, ["weir_tc"], undo, attachThere) }
        : this.#moveTc(tcPin, undo, attachThere);
    const common = { hook, ifindex: device.ifindex, direction, order, ...placed } as const;
    if (hook === "tc") return { ...common, xdp: undefined, pins: [tcPin] };
    const xdpPin = this.#pin("xdp", id, device.ifindex);
    const attempt = () => this.#attachXdp(object, xdpPin, device, same?.xdp, undo);
    const xdp = object.replaceXdp === true ? inRoom(attempt, makeRoom) : attempt();
    return { ...common, xdp, pins: [tcPin, xdpPin] };
  }

  /** Detaches what `before` has and `after` has no more. */
  retire(before: Attachment, after: Attachment | undefined): void {
    for (const link of [before.xdp, before.tc]) {
      if (link === undefined || link === after?.xdp || link === after?.tc) continue;
      removeLink(link);
    }
    after?.takeOver?.();
  }

  /** Closes the descriptors; pins keep everything attached. */
  release(attachment: Attachment): void {
    attachment.xdp?.[Symbol.dispose]();
    attachment.tc[Symbol.dispose]();
  }

  /** Puts a copy of the program at another place: until the one before goes, packets meet at least one of both. */
  #moveTc(pin: string, undo: Undo, attach: (program: Program) => Link): Pick<Attachment, "tc" | "takeOver"> {
    using copy = this.#pipeline.again("weir_tc");
    const tc = attach(copy.program("weir_tc"));
    undo.push(() => removeLink(tc));
    const takeOver = () => {
      tc.update(this.#pipeline.program("weir_tc"));
      tc.pin(pin);
    };
    return { tc, takeOver };
  }

  #attachXdp(object: Interface, pin: string, device: Device, before: Link | undefined, undo: Undo): Link {
    const policed = object.policies !== undefined;
    // Redirects of packets with frags need 6.3, their way to the slow path needs 6.6.
    const fragsWork = policed ? kernelAtLeast(6, 6) : kernelAtLeast(6, 3);
    const largest = findDriver(device.driver)?.mtu ?? LINEAR_MTU;
    const isLarge = device.mtu > largest;
    // The driver may ask for frags where the MTU here does not: a veth also counts that of its other end.
    const programs: ProgramName[] = isLarge && fragsWork ? [] : ["weir_xdp"];
    if (fragsWork) programs.push("weir_xdp_frags");
    try {
      return object.xdpChain === undefined
        ? this.#alone(before, pin, device, programs, undo)
        : this.#chained(before, pin, { device, ...chainOf(object.xdpChain) }, programs, undo);
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      if (isTaken(error)) throw refusedByOther(error, device);
      if (!isLarge && error.code !== "ERANGE") throw error;
      const mtu = isLarge ? `MTU ${device.mtu}` : "the MTU of its other end";
      const needed = policed ? "6.6" : "6.3";
      throw new WeirError({
        code: "EMTU",
        operation: `attach native XDP to "${device.name}"`,
        reason: fragsWork
          ? `its driver does not take ${mtu}, not even with frags (${error.reason})`
          : `${mtu} needs XDP with frags, which ${policed ? "with policy " : ""}need Linux ${needed}`,
        hint: `lower the MTU to ${largest}, or use hook: tc`,
        cause: error,
      });
    }
  }

  #alone(before: Link | undefined, pin: string, device: Device, programs: readonly ProgramName[], undo: Undo): Link {
    return this.#link(before, pin, programs, undo, (program) =>
      attachXdp({ program, ifindex: device.ifindex, device: device.name, mode: "native" }),
    );
  }

  /** The same behind a dispatcher. */
  #chained(before: Link | undefined, pin: string, place: Place, programs: readonly ProgramName[], undo: Undo): Link {
    const known = before ?? adopt(pin);
    const keeps = (link: Link) =>
      firstOf(programs, (name) => keepChained(this.#pipeline, link, name, place, before !== undefined, undo));
    if (known !== undefined) {
      if (keeps(known)) return known;
      removeLink(known);
    }
    const link = firstOf(programs, (name) => attachChained(this.#pipeline, name, place));
    undo.push(() => removeLink(link));
    link.pin(pin);
    return link;
  }

  #pin(what: "tc" | "xdp", id: number, ifindex: number): string {
    return join(this.#paths.links, `${what}_${id}_${ifindex}`);
  }

  /** The link at hand, the pinned one, or a new one, with the first of the programs that the device takes. */
  #link(
    before: Link | undefined,
    pin: string,
    programs: readonly ProgramName[],
    undo: Undo,
    attach: (program: Program) => Link,
  ): Link {
    const known = before ?? adopt(pin);
    if (known !== undefined) {
      if (!isChained(known) && programs.some((name) => runs(known, this.#pipeline.program(name)))) return known;
      removeLink(known);
    }
    const link = firstOf(programs, (name) => attach(this.#pipeline.program(name)));
    undo.push(() => removeLink(link));
    link.pin(pin);
    return link;
  }

  /** Detaches everything that is pinned and not in use: interfaces that went while no controller ran. */
  removeStrays(used: Iterable<Attachment>): void {
    const pins = new Set([...used].flatMap((attachment) => attachment.pins));
    for (const path of pinnedLinks(this.#paths.links)) {
      if (pins.has(path) || !/^(?:tc|xdp)_/.test(basename(path))) continue;
      const link = adopt(path);
      if (link !== undefined) removeLink(link);
    }
  }
}

/** What the first program that the device takes gives. */
function firstOf<T>([name, ...others]: readonly ProgramName[], attach: (name: ProgramName) => T): T {
  if (name === undefined) throw new Error("There is no program to attach");
  try {
    return attach(name);
  } catch (error) {
    if (others.length === 0 || !(error instanceof WeirError) || !UNSUITABLE.has(error.code)) throw error;
    return firstOf(others, attach);
  }
}

/**
 * Makes a link run the program, in one step. False when the kernel cannot, because one has frags and the other has not, or
 * the MTU does not suit it: unless another program suits, the link must be detached, and until the next one is there the
 * TC companion decides.
 */
function runs(link: Link, program: Program): boolean {
  if (link.programId() === program.id) return true;
  try {
    link.update(program);
    return true;
  } catch (error) {
    if (error instanceof WeirError && UNSUITABLE.has(error.code)) return false;
    throw error;
  }
}

/** Attaches XDP, after making room if another program is there. */
function inRoom(attach: () => Link, makeRoom: () => void): Link {
  try {
    return attach();
  } catch (error) {
    if (!(error instanceof WeirError) || !isTaken(error)) throw error;
    makeRoom();
    return attach();
  }
}

/** Another XDP program is on the device, in whatever mode. */
const isTaken = ({ code }: WeirError): boolean => code === "EBUSY" || code === "EEXIST";

function refusedByOther(error: WeirError, { ifindex }: Device): WeirError {
  const share = chainOn(ifindex) === undefined ? "" : "set xdpChain to share its dispatcher, ";
  const hint = `${share}detach it, set replaceXdp: true, or use hook: tc, which takes what it passes`;
  return new WeirError({ code: error.code, operation: error.operation, reason: error.reason, hint, cause: error });
}

/** What drivers say of a program whose kind does not suit their MTU (veth: ERANGE). */
const UNSUITABLE: ReadonlySet<string> = new Set(["ERANGE", "EINVAL"]);

/** Paths of the links that are pinned in a directory. */
export function pinnedLinks(directory: string): string[] {
  if (!existsSync(directory)) return [];
  // The pins of clsact filters carry their place behind a plus sign.
  const names = readdirSync(directory).map((name) => name.replace(/\+.*$/, ""));
  return [...new Set(names)].map((name) => join(directory, name));
}

/** The link at a pin, if it is still attached to a device. The pin of a link whose device is gone is removed. */
export function adopt(path: string): Link | undefined {
  let link: Link;
  try {
    link = linkFromPin(path);
  } catch (error) {
    if (error instanceof WeirError && (error.code === "ENOENT" || error.code === "ESTALE")) return undefined;
    throw error;
  }
  if (link.programId() !== 0) return link;
  link.unpin();
  link[Symbol.dispose]();
  return undefined;
}

/** Detaches a link and takes its pin away. */
export function removeLink(link: Link): void {
  if (link.programId() !== 0) {
    link.detach();
    return;
  }
  // Its device is gone, and the kernel detached it.
  link.unpin();
  link[Symbol.dispose]();
}
