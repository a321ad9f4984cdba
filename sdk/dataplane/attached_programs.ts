// SPDX-License-Identifier: Apache-2.0
/** Which programs are on a device, in the order in which they get its packets. */
import { WeirError } from "../errors.ts";
import { Program, queryTcx, queryXdp, tcxSupported } from "../libbpf/index.ts";
import type { Attachment } from "./attach.ts";

/** A program on a device's hook. */
export interface AttachedProgram {
  /** tcx: what a device receives. clsact filters of others are run behind it; `tc filter show dev DEVICE ingress` lists them. */
  readonly hook: "xdp" | "tcx";
  /** The kernel's number. */
  readonly id: number;
  readonly name: string;
  /** Whether it is this instance's. */
  readonly own: boolean;
}

/** The programs on the device of an attachment, if there are others than its own; must be called in its namespace. */
export function neighboursOf(attachment: Attachment): AttachedProgram[] {
  const { ifindex, tc, xdp } = attachment;
  try {
    const own = new Set([tc.programId(), xdp?.programId() ?? 0]);
    const onXdp = queryXdp(ifindex);
    const onTcx = tcxSupported() ? queryTcx(ifindex, "ingress").programs : [];
    const programs = [
      ...(onXdp === null ? [] : [{ hook: "xdp" as const, id: onXdp.programId }]),
      ...onTcx.map(({ programId }) => ({ hook: "tcx" as const, id: programId })),
    ];
    if (programs.every(({ id }) => own.has(id))) return [];
    return programs.map(({ hook, id }) => ({ hook, id, name: nameOf(id), own: own.has(id) }));
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
