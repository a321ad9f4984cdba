// SPDX-License-Identifier: Apache-2.0
/** Objects under a key, of one owner or of several. */
import type { Kind, KindObjects } from "../schema/index.ts";

/** Owner of objects that name none. */
export const DEFAULT_OWNER = "state";
/** Owner of what an interface brings by itself: the host routes of its addresses. Nobody else may use it. */
export const INTERFACE_OWNER = "interface";
/** Owner of what `kernelRoutes` brings: routes of the kernel's tables, and the next hops that they need. */
export const KERNEL_OWNER = "kernel";

/** One owner's object under a key. */
export interface Candidate<K extends Kind = Kind> {
  readonly owner: string;
  readonly object: KindObjects[K];
  /** The lowest wins. */
  readonly preference: number;
  /** False: it goes with the process, and is not in the store. */
  readonly durable: boolean;
}

/** All owners' objects under one key, the winner first. */
export type Candidates<K extends Kind = Kind> = readonly Candidate<K>[];

/** False for what an interface brings by itself: it goes with the interface, whose own references count. */
export const isWritten = (candidate: Candidate): boolean => candidate.owner !== INTERFACE_OWNER;

/** Preference of a route that states none (contract, "Owners and order"). */
export function defaultPreference(owner: string): number {
  if (owner === INTERFACE_OWNER) return 0;
  return owner === DEFAULT_OWNER ? 10 : 20;
}
