// SPDX-License-Identifier: Apache-2.0
/** What a check of `weir doctor` finds. */

import { WeirError } from "../../../sdk/errors.ts";

/** One finding. */
export interface Check {
  /** What was looked at: `kernel`, `bpffs`, `eth0 mtu`. */
  readonly name: string;
  /** `warn`: it works, but not as well or not as expected; `fail`: this machine cannot run Weir. */
  readonly status: "ok" | "warn" | "fail";
  /** What is there. */
  readonly found: string;
  /** What it costs to leave it so. */
  readonly cost?: string;
  /** How to mend it. */
  readonly hint?: string;
}

export const ok = (name: string, found: string): Check => ({ name, status: "ok", found });

/** Makes a finding that asks for something. */
type Complaint = (name: string, found: string, hint: string, cost?: string) => Check;

const complaint =
  (status: "warn" | "fail"): Complaint =>
  (name, found, hint, cost) => ({ name, status, found, ...(cost === undefined ? {} : { cost }), hint });

export const warn = complaint("warn");

export const fail = complaint("fail");

/**
 * The finding that an error is.
 * @param hint what to do where the error itself does not say.
 */
export function failed(name: string, error: unknown, hint = ""): Check {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof WeirError && error.hint !== undefined) {
    return fail(name, oneLine(`Cannot ${error.operation}: ${error.reason}`), error.hint);
  }
  return fail(name, oneLine(text), hint);
}

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ");
