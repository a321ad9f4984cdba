// SPDX-License-Identifier: Apache-2.0
/** Trapped packets that the controller takes. */
import { WeirError } from "../../errors.ts";
import { type Lent, type TrapReason, trapReasons } from "../../layout/index.ts";
import type { SlowPath, TrappedPacket } from "../../slowpath/index.ts";
import { monotonicMs } from "../instance/clock.ts";
import type { Names } from "../status/names.ts";
import { type HandlerErrors, watched } from "./handler_errors.ts";
import type { TakenTraps } from "./taken_traps.ts";

/** Which packets a handler takes. */
export interface PacketMatch {
  readonly trap: TrapReason;
  /** Only those that came from this interface. */
  readonly interface?: string | undefined;
}

/** A trapped packet. What becomes of it besides: docs/traps.md. */
export interface Packet {
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
  /** Packets a second that reach the handler; the others are dropped. Default: no limit. */
  readonly ratePerSecond?: number | undefined;
}

export type PacketHandler = (packet: Packet) => void;

interface Registration {
  readonly match: PacketMatch;
  readonly handle: PacketHandler;
  readonly options: PacketOptions;
  /** Start of the second at hand, CLOCK_MONOTONIC, and packets in it. */
  window: number;
  count: number;
}

/** Reasons that have their own way to the controller, and those that the slow path alone deals with. */
const NOT_FOR_PACKETS: ReadonlySet<string> = new Set(["none", "flow-miss", "ask", "log", "fragment"]);

/** Hands trapped packets to all whose match fits. */
export class Packets {
  readonly #slowPath: SlowPath;
  readonly #takenTraps: TakenTraps;
  readonly #names: Names;
  readonly #errors: HandlerErrors;
  readonly #onPacket: (packet: Packet) => void;
  readonly #registrations = new Set<Registration>();

  /** @param onPacket told of each packet, for events. */
  constructor(
    slowPath: SlowPath,
    takenTraps: TakenTraps,
    names: Names,
    errors: HandlerErrors,
    onPacket: (packet: Packet) => void,
  ) {
    this.#slowPath = slowPath;
    this.#takenTraps = takenTraps;
    this.#names = names;
    this.#errors = errors;
    this.#onPacket = onPacket;
  }

  /** @throws WeirError `EINVAL` for a reason that is none, or that does not bring packets. */
  handle(match: TrapReason | PacketMatch, handle: PacketHandler, options: PacketOptions): Disposable {
    const full = typeof match === "string" ? { trap: match } : match;
    if (!trapReasons.includes(full.trap) || NOT_FOR_PACKETS.has(full.trap)) {
      const possible = trapReasons.filter((reason) => !NOT_FOR_PACKETS.has(reason)).join(", ");
      throw new WeirError({
        code: "EINVAL",
        operation: "register a handler for packets",
        reason: `${JSON.stringify(full.trap)} is no trap that brings packets`,
        hint: `use ${possible}`,
      });
    }
    const registration: Registration = { match: full, handle, options, window: 0, count: 0 };
    this.#registrations.add(registration);
    this.#listen(full.trap);
    const taken = this.#takenTraps.take(full.trap, full.interface);
    return {
      [Symbol.dispose]: () => {
        taken[Symbol.dispose]();
        if (this.#registrations.delete(registration)) this.#listen(full.trap);
      },
    };
  }

  #listen(trap: TrapReason): void {
    const wanted = [...this.#registrations].some(({ match }) => match.trap === trap);
    this.#slowPath.onTrap([trap], wanted ? (packets) => this.#hand(packets) : null);
  }

  #hand(packets: readonly TrappedPacket[]): Lent[] {
    return packets.map((trapped) => {
      const packet: Packet = {
        trap: trapped.reason,
        interface: this.#names.interface(trapped.interfaceId),
        ...(trapped.key === undefined ? {} : { vrf: this.#names.vrf(trapped.key.vrf) }),
        ...(trapped.reason === "mac-learn" ? { moved: trapped.moved } : {}),
        frame: trapped.frame,
        length: trapped.length,
      };
      const takers = [...this.#registrations].filter((registration) => takes(registration, packet));
      if (takers.length === 0) return "declined";
      const inTime = takers.filter(isInTime);
      if (inTime.length === 0) return "limited";
      this.#onPacket(packet);
      for (const registration of inTime) watched(() => give(registration, packet), this.#errors);
      return "taken";
    });
  }
}

function takes({ match }: Registration, packet: Packet): boolean {
  return match.trap === packet.trap && (match.interface === undefined || match.interface === packet.interface);
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
