// SPDX-License-Identifier: Apache-2.0
/** Keys of objects, in the one spelling that the tables and the store use. */
import { canonicalPrefix, formatMac, parseMac } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import type { Kind, KindObjects } from "./state.ts";

/** Key of the only object of kind `node`. */
export const NODE_KEY = "node";

/** The key fields of the kinds whose objects have no name. */
interface NaturalKeys {
  readonly routes: Pick<KindObjects["routes"], "vrf" | "prefix">;
  readonly fdb: Pick<KindObjects["fdb"], "vrf" | "mac">;
  readonly labels: KindObjects["labels"]["label"] | Pick<KindObjects["labels"], "label">;
  readonly vnis: KindObjects["vnis"]["vni"] | Pick<KindObjects["vnis"], "vni">;
}

/** What callers name an object by: its name, or its key fields. */
export type Key<K extends Kind> = K extends keyof NaturalKeys ? NaturalKeys[K] : string;

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

/** `red 02:00:00:00:00:01`: VRF and MAC in its canonical text. */
export function fdbKey(vrf: string, mac: string): string {
  const parsed = parseMac(mac);
  if (parsed === undefined) {
    throw new WeirError({
      code: "EINVAL",
      operation: `look up the bridge entry "${vrf} ${mac}"`,
      reason: `"${mac}" is no MAC address`,
      hint: 'write it as "02:00:00:00:00:01"',
    });
  }
  return `${vrf} ${formatMac(parsed)}`;
}

/** The VRF and the rest of a key of two parts. */
export function splitKey(key: string): readonly [vrf: string, rest: string] {
  const space = key.indexOf(" ");
  return [key.slice(0, space), key.slice(space + 1)];
}

/** Key of an object whose form is valid. */
export function keyOf<K extends Kind>(kind: K, object: KindObjects[K]): string {
  switch (kind) {
    case "node":
      return NODE_KEY;
    case "routes": {
      const { vrf, prefix } = object as KindObjects["routes"];
      return routeKey(vrf, prefix);
    }
    case "fdb": {
      const { vrf, mac } = object as KindObjects["fdb"];
      return fdbKey(vrf, mac);
    }
    case "labels":
      return String((object as KindObjects["labels"]).label);
    case "vnis":
      return String((object as KindObjects["vnis"]).vni);
    default:
      return (object as { readonly name: string }).name;
  }
}

/** How the two parts of a key become its text. */
const PAIRS = { routes: { field: "prefix", text: routeKey }, fdb: { field: "mac", text: fdbKey } } as const;

/** The field that is the whole key. */
const FIELDS = { labels: "label", vnis: "vni" } as const;

const HINTS: Readonly<Partial<Record<Kind, string>>> = {
  routes: "give { vrf, prefix }",
  fdb: "give { vrf, mac }",
  labels: "give the label",
  vnis: "give the VNI",
};

/**
 * The text of a key given by a caller: a name, a number, an object with the key's fields, or the text itself
 * (`red 10.97.0.2/32`).
 * @throws WeirError `EINVAL`
 */
export function keyText(kind: Kind, key: unknown): string {
  if (kind === "node") return NODE_KEY;
  const fields = typeof key === "object" && key !== null ? (key as Readonly<Record<string, unknown>>) : undefined;
  const text =
    kind === "routes" || kind === "fdb"
      ? pairText(kind, key, fields)
      : singleText(fields === undefined ? key : fields[kind === "labels" || kind === "vnis" ? FIELDS[kind] : "name"]);
  if (text !== undefined) return text;
  throw new WeirError({
    code: "EINVAL",
    operation: `look up one of the ${kind}`,
    reason: `${JSON.stringify(key)} is no key`,
    hint: HINTS[kind] ?? "give its name",
  });
}

function pairText(
  kind: "routes" | "fdb",
  key: unknown,
  fields: Readonly<Record<string, unknown>> | undefined,
): string | undefined {
  const { field, text } = PAIRS[kind];
  const vrf = fields?.["vrf"];
  const rest = fields?.[field];
  if (typeof vrf === "string" && typeof rest === "string") return text(vrf, rest);
  return typeof key === "string" && key.indexOf(" ") > 0 ? text(...splitKey(key)) : undefined;
}

function singleText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(value) : undefined;
}
