// SPDX-License-Identifier: Apache-2.0
/** The one family of errors: what was tried on what, why it failed, what to do. */

/** Fields of a {@link WeirError}. */
export interface WeirErrorInit {
  /** Stable name for programs: an errno name (`EBUSY`) or one of Weir's own (`EINVALIDSTATE`, `ENOLIB`). */
  readonly code: string;
  /** What was tried on what, as a verb phrase: `attach XDP program "weir_xdp" to "eth0"`. */
  readonly operation: string;
  /** Why it failed. */
  readonly reason: string;
  /** What to do about it, as an imperative phrase. */
  readonly hint?: string | undefined;
  /** The field of the state document at fault, as a JSON pointer: `/routes/3/via`. */
  readonly field?: string | undefined;
  readonly cause?: unknown;
}

/**
 * Every error that Weir throws on purpose. The message is one line:
 * `Cannot attach XDP program "weir_xdp" to "eth0": EBUSY (program 643 "pass" is attached); detach it, or set replaceXdp: true`.
 */
export class WeirError extends Error {
  override readonly name: string = "WeirError";
  readonly code: string;
  readonly operation: string;
  readonly reason: string;
  readonly hint: string | undefined;
  readonly field: string | undefined;

  constructor(init: WeirErrorInit) {
    const hint = init.hint === undefined ? "" : `; ${init.hint}`;
    super(`Cannot ${init.operation}: ${init.reason}${hint}`, init.cause === undefined ? {} : { cause: init.cause });
    this.code = init.code;
    this.operation = init.operation;
    this.reason = init.reason;
    this.hint = init.hint;
    this.field = init.field;
  }
}
