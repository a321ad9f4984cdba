// SPDX-License-Identifier: Apache-2.0
/** Brings documents into a desired state as a transaction would, without kernel and store. */
import { WeirError } from "../../errors.ts";
import { checkChanges } from "../check/check.ts";
import { describeChanges } from "../state/change.ts";
import type { DesiredState } from "../state/desired.ts";
import { Staging } from "../state/staging.ts";

/** Lines of what has changed. */
export function bring(state: DesiredState, staging: Staging): string[] {
  state.begin();
  try {
    const locate = staging.bringInto(state);
    const changes = state.changes();
    checkChanges(state, changes, locate);
    const lines = describeChanges(changes).map(({ text }) => text);
    state.keep();
    return lines;
  } catch (error) {
    state.rollBack();
    throw error;
  }
}

/** The same of a whole document. */
export function apply(state: DesiredState, document: unknown, owner = "state"): string[] {
  return bring(state, Staging.ofState(document, owner));
}

/** Why a document is refused; `undefined`: it has been accepted. */
export function refusal(state: DesiredState, document: unknown, owner = "state"): string | undefined {
  try {
    apply(state, document, owner);
    return undefined;
  } catch (error) {
    if (error instanceof WeirError) return error.message;
    throw error;
  }
}
