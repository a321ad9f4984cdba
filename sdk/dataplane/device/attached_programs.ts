// SPDX-License-Identifier: Apache-2.0
/** Which programs are on a device, in the order in which they get its packets. */
import { WeirError } from "../../errors.ts";
import { chainOn, listFilters, Program, queryTcx, queryXdp, tcxSupported } from "../../libbpf/index.ts";
import type { Attachment } from "./attach.ts";

/** Which way packets go that a program on TC gets. */
export type TcDirection = "ingress" | "egress";

/** A program on a device's hook. */
export interface AttachedProgram {
  /** tcx and clsact: what a device receives, or sends. */
  readonly hook: "xdp" | "tcx" | "clsact";
  /** The kernel's number. */
  readonly id: number;
  readonly name: string;
  /** clsact: that of its filter. xdp: that in its dispatcher, where there is one. */
  readonly priority?: number;
}

/** A program on an interface's device, and whether it is this instance's. */
export interface Neighbour extends AttachedProgram {
  readonly own: boolean;
}

/**
 * The programs on a device's XDP and TCX hooks and in its clsact filters, in the order in which they get its packets.
 * @param ifindex of the device, in the namespace that the thread is in.
 * @param direction of TCX hook and clsact filters.
 * @throws WeirError `ENODEV`
 */
export function attachedPrograms(ifindex: number, direction: TcDirection = "ingress"): AttachedProgram[] {
  const onXdp = queryXdp(ifindex);
  const onTcx = tcxSupported() ? queryTcx(ifindex, direction).programs : [];
  const filters = listFilters(ifindex, direction).filter(({ programId }) => programId !== 0);
  return [
    ...(onXdp === null ? [] : xdpPrograms(ifindex, onXdp.programId)),
    ...onTcx.map(({ programId }) => ({ hook: "tcx" as const, id: programId })),
    ...filters.map(({ programId, priority }) => ({ hook: "clsact" as const, id: programId, priority })),
  ].map((program) => ({ ...program, name: nameOf(program.id) }));
}

/** The program on the XDP hook; for a dispatcher those that it runs. */
function xdpPrograms(ifindex: number, id: number): Omit<AttachedProgram, "name">[] {
  const hook = "xdp";
  const chain = chainOn(ifindex);
  return chain === undefined
    ? [{ hook, id }]
    : chain.map(({ programId, priority }) => ({ hook, id: programId, priority }));
}

/** The programs on the device of an attachment, if there are others than its own; must be called in its namespace. */
export function neighboursOf({ ifindex, tc, xdp, direction }: Attachment): Neighbour[] {
  try {
    const own = new Set([tc.programId(), xdp?.programId() ?? 0]);
    const programs = attachedPrograms(ifindex, direction).map((program) => ({ ...program, own: own.has(program.id) }));
    return programs.every((program) => program.own) ? [] : programs;
  } catch (error) {
    // The device went while it was asked about.
    if (error instanceof WeirError && error.code === "ENODEV") return [];
    throw error;
  }
}

function nameOf(id: number): string {
  try {
    using program = Program.fromId(id);
    return program.name;
  } catch (error) {
    if (error instanceof WeirError && error.code === "ENOENT") return "";
    throw error;
  }
}
