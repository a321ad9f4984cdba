// SPDX-License-Identifier: Apache-2.0

import { type Kind, kinds, NODE_KEY, type State } from "../schema/index.ts";
import type { DesiredState } from "./desired.ts";

/** What one owner wants, as a state document. Kinds without objects are absent. */
export function stateOf(state: DesiredState, owner: string): State {
  const document: Partial<Record<Kind, unknown>> = {};
  for (const kind of kinds) {
    const objects: unknown[] = [];
    for (const [, candidates] of state.entries(kind)) {
      for (const candidate of candidates)
        if (candidate.owner === owner) objects.push(structuredClone(candidate.object));
    }
    if (objects.length > 0) document[kind] = kind === NODE_KEY ? objects[0] : objects;
  }
  return document as State;
}
