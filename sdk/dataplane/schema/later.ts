// SPDX-License-Identifier: Apache-2.0
/** What the contract names and this version does not do yet: refused by name, never silently accepted. */
import type { Kind } from "./state.ts";

/** Kinds of the state document. */
export const laterKinds: ReadonlySet<string> = new Set(["services", "nat"]);

/** Fields of kinds that are there; a dot leads into a nested object. */
export const laterFields: Partial<Record<Kind, ReadonlySet<string>>> = {
  interfaces: new Set(["shared"]),
};

/** Values of fields that are there. */
export const laterValues: Partial<Record<Kind, Readonly<Record<string, readonly string[]>>>> = {};
