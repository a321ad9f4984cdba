// SPDX-License-Identifier: Apache-2.0
/** Keys of objects, in the one spelling that the tables and the store use. */
import { canonicalPrefix } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import type { Kind, KindObjects } from "./state.ts";

/** Key of the only object of kind `node`. */
export const NODE_KEY = "node";

/** What callers name an object by: its name, or the key fields of a route. */
export type Key<K extends Kind> = K extends "routes" ? Pick<KindObjects["routes"], "vrf" | "prefix"> : string;

/** `red 10.97.0.0/16`: VRF and prefix with the address in its canonical text. */
export function routeKey(vrf: string, prefix: string): string {
  const canonical = canonicalPrefix(prefix);
  if (canonical === undefined) {
    throw new WeirError({
      code: "EINVAL",
      operation: `look up the route "${vrf} ${prefix}"`,
      reason: `"${prefix}" is no prefix`,
      hint: 'write it as "10.97.0.0/16"',
    });
  }
  return `${vrf} ${canonical}`;
}

/** Key of an object whose form is valid. */
export function keyOf<K extends Kind>(kind: K, object: KindObjects[K]): string {
  if (kind === "node") return NODE_KEY;
  if (kind === "routes") {
    const route = object as KindObjects["routes"];
    return routeKey(route.vrf, route.prefix);
  }
  return (object as { readonly name: string }).name;
}

/**
 * The text of a key given by a caller: a name, `{ name }`, `{ vrf, prefix }`, or the text itself (`red 10.97.0.2/32`).
 * @throws WeirError `EINVAL`
 */
export function keyText(kind: Kind, key: unknown): string {
  if (kind === "node") return NODE_KEY;
  const fields = typeof key === "object" && key !== null ? (key as Readonly<Record<string, unknown>>) : undefined;
  if (kind === "routes") {
    if (typeof fields?.["vrf"] === "string" && typeof fields["prefix"] === "string") {
      return routeKey(fields["vrf"], fields["prefix"]);
    }
    const space = typeof key === "string" ? key.indexOf(" ") : -1;
    if (typeof key === "string" && space > 0) return routeKey(key.slice(0, space), key.slice(space + 1));
  } else {
    const name = fields === undefined ? key : fields["name"];
    if (typeof name === "string") return name;
  }
  throw new WeirError({
    code: "EINVAL",
    operation: `look up one of the ${kind}`,
    reason: `${JSON.stringify(key)} is no key`,
    hint: kind === "routes" ? "give { vrf, prefix }" : "give its name",
  });
}
