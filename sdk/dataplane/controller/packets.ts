// SPDX-License-Identifier: Apache-2.0
/** Trapped packets that the controller takes. */
import { WeirError } from "../../errors.ts";
import { type Lent, type TrapReason, trapReasons } from "../../layout/index.ts";
import type { SlowPath, TrappedPacket } from "../../slowpath/index.ts";
import { monotonicMs } from "../instance/clock.ts";
import type { MatchElement, MatchTable } from "../kernel/match_table.ts";
import type { Names } from "../status/names.ts";
import { type HandlerErrors, watched } from "./handler_errors.ts";
import { elementsOf, fits, type PacketMatch } from "./packet_match.ts";
import type { TakenTraps } from "./taken_traps.ts";

/** A packet that a handler takes. What becomes of it besides: docs/traps.md. */
export interface Packet {
  /** Why it is here; `user` for what meets a match without a trap. */
  readonly trap: TrapReason;
  /** Interface that received it. */
  readonly interface: string;
  /** VRF in which its destination was looked up; absent for what is not IP. */
  readonly vrf?: string;
  /**
   * The whole packet, from the Ethernet header on. A view that is valid during the call only; a copy where `copyBytes`
   * was given, or where the packet is longer than a frame of the slow path (1792 bytes).
   */
  readonly frame: Uint8Array;
  /** Trap mac-learn: true if the source MAC was behind another interface before. */
  readonly moved?: boolean;
  /** Length of the packet, also where `frame` is shorter. */
  readonly length: number;
}

/** Options of `onPacket`. */
export interface PacketOptions {
  /** Give a copy of at most so many bytes in place of the view. */
  readonly copyBytes?: number | undefined;
  /**
   * Packets a second that reach the handler; the others are dropped (`trap-limit`), or go on without a copy. Default: no
   * limit with a trap, which has its own; 10000 on each CPU for a match without.
   */
  readonly ratePerSecond?: number | undefined;
}

/** Takes a packet. Of a promise that it returns only the failure counts: the frame is valid until the call ends. */
export type PacketHandler = (packet: Packet) => void;

interface Registration {
  /** `undefined`: it is a match of its own, with `number`. */
  readonly trap: TrapReason | undefined;
  readonly number: number;
  readonly elements: readonly MatchElement[];
  readonly handle: PacketHandler;
  readonly options: PacketOptions;
  /** Start of the second at hand, CLOCK_MONOTONIC, and packets in it. */
  window: number;
  count: number;
}

/** What the registrations work with. */
export interface PacketsOptions {
  readonly slowPath: SlowPath;
  readonly takenTraps: TakenTraps;
  readonly matches: MatchTable;
  readonly names: Names;
  readonly errors: HandlerErrors;
  /** Told of each packet, for events. */
  readonly onPacket: (packet: Packet) => void;
}

const OPERATION = "register a handler for packets";
/** What a match without a trap may bring, a second and CPU. */
const DEFAULT_RATE = 10_000;
const MAX_RATE = 0xffff_ffff;

/** Reasons that have their own way to the controller, and those that the slow path alone deals with. */
const NOT_FOR_PACKETS: ReadonlySet<string> = new Set(["none", "flow-miss", "ask", "log", "fragment"]);

/** Hands trapped packets to all whose match fits. */
export class Packets {
  readonly #o: PacketsOptions;
  readonly #registrations = new Set<Registration>();
  #numbers = 0;

  constructor(o: PacketsOptions) {
    this.#o = o;
  }

  /** @throws WeirError `EINVAL` for what no packet can be, or what does not bring packets; `ETABLEFULL` */
  handle(given: TrapReason | PacketMatch, handle: PacketHandler, options: PacketOptions): Disposable {
    const match = typeof given === "string" ? { trap: given } : given;
    const { trap, ...rest } = match;
    if (trap !== undefined) checkTrap(trap, match);
    else if (Object.values({ ...rest, action: undefined }).every((value) => value === undefined)) {
      throw refusal("the match names neither a trap nor what packets look like");
    }
    checkRate(options.ratePerSecond);
    const elements = elementsOf(match);
    const number = trap === undefined ? ++this.#numbers : 0;
    const registration: Registration = { trap, number, elements, handle, options, window: 0, count: 0 };
    using taken = new DisposableStack();
    taken.defer(() => {
      this.#registrations.delete(registration);
      this.#listen(trap ?? "user");
    });
    const { matches, takenTraps } = this.#o;
    if (trap === undefined) {
      const rate = options.ratePerSecond ?? DEFAULT_RATE;
      taken.use(matches.add({ number, elements, copy: match.action === "copy", rate }));
      taken.use(takenTraps.match(match.interface));
    } else {
      taken.use(takenTraps.take(trap, match.interface));
    }
    this.#registrations.add(registration);
    this.#listen(trap ?? "user");
    return taken.move();
  }

  #listen(trap: TrapReason): void {
    const wanted = [...this.#registrations].some((registration) => (registration.trap ?? "user") === trap);
    this.#o.slowPath.onTrap([trap], wanted ? (packets) => packets.map((packet) => this.#hand(packet)) : null);
  }

  #hand(trapped: TrappedPacket): Lent {
    const { names, onPacket, errors } = this.#o;
    const packet: Packet = {
      trap: trapped.reason,
      interface: names.interface(trapped.interfaceId),
      ...(trapped.key === undefined ? {} : { vrf: names.vrf(trapped.key.vrf) }),
      ...(trapped.reason === "mac-learn" ? { moved: trapped.moved } : {}),
      frame: trapped.frame,
      length: trapped.length,
    };
    const takers = [...this.#registrations].filter((registration) => takes(registration, trapped, packet));
    if (takers.length === 0) return "declined";
    const inTime = takers.filter(isInTime);
    if (inTime.length === 0) return "limited";
    onPacket(packet);
    for (const registration of inTime) watched(() => give(registration, packet), errors);
    return "taken";
  }
}

function checkTrap(trap: TrapReason, { action }: PacketMatch): void {
  if (!trapReasons.includes(trap) || NOT_FOR_PACKETS.has(trap)) {
    const possible = trapReasons.filter((reason) => !NOT_FOR_PACKETS.has(reason)).join(", ");
    throw refusal(`${JSON.stringify(trap)} is no trap that brings packets`, `use ${possible}`);
  }
  if (action !== undefined) throw refusal("action does not go with trap, which has its own way", "leave one out");
}

function checkRate(rate: number | undefined): void {
  if (rate === undefined || (Number.isInteger(rate) && rate >= 1 && rate <= MAX_RATE)) return;
  throw refusal(`ratePerSecond ${JSON.stringify(rate)} is not 1 to ${MAX_RATE}`);
}

const refusal = (reason: string, hint?: string): WeirError =>
  new WeirError({ code: "EINVAL", operation: OPERATION, reason, hint });

/** The kernel programs have found the match of what has one. */
function takes({ trap, number, elements }: Registration, trapped: TrappedPacket, packet: Packet): boolean {
  if (trapped.match !== 0) return number === trapped.match;
  if (trap !== packet.trap) return false;
  return elements.some((element) => fits(trapped, element, { interface: packet.interface, vrf: packet.vrf }));
}

/** Counts a packet for its rate; false when that is exceeded. */
function isInTime(registration: Registration): boolean {
  const { ratePerSecond } = registration.options;
  if (ratePerSecond === undefined) return true;
  const now = monotonicMs();
  if (now - registration.window >= 1000) {
    registration.window = now;
    registration.count = 0;
  }
  return ++registration.count <= ratePerSecond;
}

function give({ handle, options: { copyBytes } }: Registration, packet: Packet): unknown {
  return handle(copyBytes === undefined ? packet : { ...packet, frame: packet.frame.slice(0, copyBytes) });
}
