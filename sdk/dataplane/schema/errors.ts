// SPDX-License-Identifier: Apache-2.0
import { WeirError } from "../../errors.ts";

/** Code of every error that says that the state itself is wrong. */
export const INVALID_STATE = "EINVALIDSTATE";

/** Verb phrase of errors about a state document. */
export const APPLY_STATE = "apply the state";

/**
 * An error about the field at a JSON pointer (RFC 6901).
 * @param problem what is wrong with it, as a predicate: `names "to-n9", which is no next hop`.
 */
export function invalid(pointer: string, problem: string, hint?: string, operation = APPLY_STATE): WeirError {
  const where = pointer === "" ? "the document" : pointer;
  return new WeirError({ code: INVALID_STATE, operation, reason: `${where} ${problem}`, hint, field: pointer });
}

/** `pointer` with one more token, escaped (RFC 6901 section 4). */
export function below(pointer: string, token: string | number): string {
  return `${pointer}/${String(token).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** A value as a message shows it: short, and never over several lines. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The candidate that `text` was probably meant to be: at most two edits away. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = 3;
  for (const candidate of candidates) {
    const distance = editDistance(text.toLowerCase(), candidate.toLowerCase());
    if (distance < least && distance < candidate.length) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}

/** Edits between two words: insert, delete, replace, swap neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const options = [at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1)];
      if (swapped) options.push(at(i - 2, j - 2) + 1);
      rows[i]?.push(Math.min(...options));
    }
  }
  return at(a.length, b.length);
}
