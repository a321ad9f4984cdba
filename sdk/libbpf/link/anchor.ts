// SPDX-License-Identifier: Apache-2.0
/** Where a program stands among the others on the same hook (TCX, Linux 6.6). */

import type { Program } from "../program.ts";
import { BpfLink } from "./link.ts";

/** A neighbour on the hook: a link or program at hand, or the kernel's id of one. */
export type Neighbour = BpfLink | Program | { readonly programId: number } | { readonly linkId: number };

/** Made by {@link head}, {@link tail}, {@link before} and {@link after} only. */
export type Anchor =
  | { readonly at: "head" | "tail" }
  | { readonly at: "before" | "after"; readonly neighbour: Neighbour };

/** Runs first. */
export function head(): Anchor {
  return { at: "head" };
}

/** Runs last. */
export function tail(): Anchor {
  return { at: "tail" };
}

/** Runs directly before `neighbour`. */
export function before(neighbour: Neighbour): Anchor {
  return { at: "before", neighbour };
}

/** Runs directly after `neighbour`. */
export function after(neighbour: Neighbour): Anchor {
  return { at: "after", neighbour };
}

/** `BPF_F_BEFORE`, `BPF_F_AFTER`, `BPF_F_ID`, `BPF_F_LINK` (linux/bpf.h). */
const F_BEFORE = 1 << 3;
const F_AFTER = 1 << 4;
const F_ID = 1 << 5;
const F_LINK = 1 << 13;

/** Flags and `relative_fd` or `relative_id` of an attachment. */
export function encodeAnchor(anchor: Anchor): { flags: number; relative: number } {
  const side = anchor.at === "head" || anchor.at === "before" ? F_BEFORE : F_AFTER;
  if (!("neighbour" in anchor)) return { flags: side, relative: 0 };
  const { neighbour } = anchor;
  if (neighbour instanceof BpfLink) return { flags: side | F_LINK, relative: neighbour.fd };
  if ("fd" in neighbour) return { flags: side, relative: neighbour.fd };
  if ("linkId" in neighbour) return { flags: side | F_LINK | F_ID, relative: neighbour.linkId };
  return { flags: side | F_ID, relative: neighbour.programId };
}
