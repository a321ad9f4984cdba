// SPDX-License-Identifier: Apache-2.0
/**
 * Program types by ELF section name, where the system's libbpf may not know the section: 1.1 has `tc` but
 * not `tc/ingress`, `tcx/*` or `netkit/*`, and knows no `socket/x`.
 */

import { BPF_SK_LOOKUP, BPF_XDP, type ProgramType } from "./names.ts";

/** What a section says about its program. */
export interface SectionType {
  readonly type: ProgramType;
  /** `expected_attach_type` at load. */
  readonly attachType: number;
}

// TC programs get attach type 0 whatever the section says: that loads on every kernel, attaches with TCX and
// with clsact, and lets a program replace another (a differing expected attach type is refused by bpf_link_update).
const SCHED_CLS: SectionType = { type: "sched_cls", attachType: 0 };

const table: Readonly<Record<string, SectionType>> = {
  tc: SCHED_CLS,
  tcx: SCHED_CLS,
  classifier: SCHED_CLS,
  netkit: SCHED_CLS,
  action: { type: "sched_act", attachType: 0 },
  socket: { type: "socket_filter", attachType: 0 },
  sk_lookup: { type: "sk_lookup", attachType: BPF_SK_LOOKUP },
  syscall: { type: "syscall", attachType: 0 },
};

/** The exact names: what follows `xdp/` may be a kind of its own (`xdp/devmap`), which libbpf knows. */
const exact: Readonly<Record<string, SectionType>> = {
  xdp: { type: "xdp", attachType: BPF_XDP },
  "xdp.frags": { type: "xdp", attachType: BPF_XDP },
};

/** The type of a program in the section `name` (`tcx/ingress`); `undefined` to leave it to libbpf. */
export function sectionType(name: string): SectionType | undefined {
  return exact[name] ?? table[name.split("/")[0] ?? ""];
}
