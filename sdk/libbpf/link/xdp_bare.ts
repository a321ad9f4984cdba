// SPDX-License-Identifier: Apache-2.0
/** XDP programs that no link holds, as `ip link set dev DEVICE xdp` attaches them (rtnetlink, `IFLA_XDP`). */

import { WeirError } from "../../errors.ts";
import { EBUSY, errnoError } from "../../runtime/errno.ts";
import { NULL } from "../../runtime/types.ts";
import { captureLog } from "../log.ts";
import { Program } from "../program.ts";
import { libbpf } from "../symbols.ts";
import { describeDevice } from "./link.ts";
import { queryXdp, type XdpMode } from "./xdp.ts";

/** `XDP_FLAGS_*` (linux/if_link.h). */
const UPDATE_IF_NOEXIST = 1 << 0;
const MODES: Readonly<Record<XdpMode, number>> = { generic: 1 << 1, native: 1 << 2, offload: 1 << 3 };

/** An XDP program that was taken off its device; to be disposed. */
export interface TakenXdp {
  readonly program: Program;
  readonly mode: XdpMode;
}

/**
 * Takes the XDP program off a device. The thread must be in the device's network namespace.
 * @returns the program; `undefined` if there was none.
 * @throws WeirError `EBUSY` if a link holds it: only who has the link may take it off.
 */
export function takeXdp(ifindex: number): TakenXdp | undefined {
  const state = queryXdp(ifindex);
  if (state === null) return undefined;
  const program = Program.fromId(state.programId);
  try {
    const error = set(ifindex, -1, MODES[state.mode]);
    if (error === 0) return { program, mode: state.mode };
    const operation = `take XDP program ${state.programId} "${program.name}" off ${describeDevice(ifindex)}`;
    if (error !== EBUSY) throw errnoError(error, operation);
    throw new WeirError({
      code: "EBUSY",
      operation,
      reason: "a link holds it, which only its owner may detach",
      hint: "end the program that attached it",
    });
  } catch (error) {
    program[Symbol.dispose]();
    throw error;
  }
}

/**
 * Puts a program on a device's XDP hook that stays without a link or pin.
 * @throws WeirError `EBUSY` if there is another one.
 */
export function putXdp(ifindex: number, program: Program, mode: XdpMode): void {
  const error = set(ifindex, program.fd, MODES[mode] | UPDATE_IF_NOEXIST);
  if (error !== 0) throw errnoError(error, `attach XDP program "${program.name}" to ${describeDevice(ifindex)}`);
}

/** @returns errno, or 0. */
function set(ifindex: number, fd: number, flags: number): number {
  return -captureLog(() => libbpf().bpf_xdp_attach(ifindex, fd, flags, NULL)).value;
}
