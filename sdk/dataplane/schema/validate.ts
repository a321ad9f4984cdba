// SPDX-License-Identifier: Apache-2.0
/** Form of the state: fields, types and ranges. What names refer to is checked in `references.ts`. */
import { APPLY_STATE, below, invalid, nearest, show } from "./errors.ts";
import { laterFields, laterKinds, laterValues } from "./later.ts";
import { isKind, type Kind, type KindObjects, kindSchemas, kinds, type State } from "./state.ts";
import { type TSchema, type TypeCheck, TypeCompiler } from "./typebox.ts";

const checks = new Map<Kind, TypeCheck<TSchema>>();

function compiled(kind: Kind): TypeCheck<TSchema> {
  let check = checks.get(kind);
  if (check === undefined) {
    check = TypeCompiler.Compile<TSchema>(kindSchemas[kind]);
    checks.set(kind, check);
  }
  return check;
}

/**
 * Checks the form of one object.
 * @param pointer tells where it stands, for the error.
 * @throws WeirError `EINVALIDSTATE` that names the field.
 */
export function checkObject<K extends Kind>(
  kind: K,
  value: unknown,
  pointer: () => string,
  operation = APPLY_STATE,
): asserts value is KindObjects[K] {
  if (!compiled(kind).Check(value)) explain(kind, value, pointer(), operation);
}

/**
 * Takes a state document apart: kind by kind, without looking into the objects; `null` or nothing is the empty state,
 * as in YAML.
 * @throws WeirError `EINVALIDSTATE` for what is no state document.
 */
export function splitState(value: unknown, operation = APPLY_STATE): Map<Kind, readonly unknown[]> {
  const parts = new Map<Kind, readonly unknown[]>();
  if (value === null || value === undefined) return parts;
  if (!isRecord(value)) throw invalid("", `must be an object, is ${show(value)}`, undefined, operation);
  for (const [kind, content] of Object.entries(value)) {
    const pointer = below("", kind);
    if (!isKind(kind)) throw unknownKind(kind, pointer, operation);
    if (content === null || content === undefined) continue;
    if (kind !== "node" && !Array.isArray(content)) {
      throw invalid(pointer, `must be a list, is ${show(content)}`, undefined, operation);
    }
    parts.set(kind, Array.isArray(content) && kind !== "node" ? content : [content]);
  }
  return parts;
}

/** Where an object of a state document stands: `/node`, `/routes/3`. */
export const pointerOf = (kind: Kind, index: number): string => (kind === "node" ? "/node" : `/${kind}/${index}`);

/**
 * Checks the form of a whole state document.
 * @throws WeirError `EINVALIDSTATE` that names the field.
 */
export function checkState(value: unknown, operation = APPLY_STATE): State {
  const state: Partial<Record<Kind, unknown>> = {};
  for (const [kind, objects] of splitState(value, operation)) {
    for (const [i, object] of objects.entries()) checkObject(kind, object, () => pointerOf(kind, i), operation);
    state[kind] = kind === "node" ? objects[0] : objects;
  }
  return state as State;
}

/** The error about a name that is no kind of object. */
export function unknownKind(kind: string, pointer: string, operation = APPLY_STATE): Error {
  if (laterKinds.has(kind)) return invalid(pointer, "is not supported yet", "leave it out", operation);
  return invalid(pointer, "is not a kind of object", suggestion(kind, kinds), operation);
}

function suggestion(text: string, candidates: readonly string[]): string {
  const close = nearest(text, candidates);
  return close === undefined ? `use ${candidates.join(", ")}` : `did you mean "${close}"?`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Finds the first problem and throws it. Only called for values that failed the compiled check. */
function explain(kind: Kind, value: unknown, pointer: string, operation: string): never {
  if (!isRecord(value)) throw invalid(pointer, `must be an object, is ${show(value)}`, undefined, operation);
  for (const [field, candidates] of Object.entries(laterValues[kind] ?? {})) {
    const given = value[field];
    if (typeof given === "string" && candidates.includes(given)) {
      throw invalid(below(pointer, field), `${show(given)} is not supported yet`, undefined, operation);
    }
  }
  descend(kindSchemas[kind], value, pointer, "", laterFields[kind] ?? new Set(), operation);
  const error = compiled(kind).Errors(value).First();
  throw invalid(pointer + (error?.path ?? ""), error?.message ?? "is not valid", undefined, operation);
}

/**
 * Walks schema and value together and throws at the first field that does not fit.
 * @param path the field from the object's root without list indexes, as `later.ts` names it.
 */
function descend(
  schema: TSchema,
  value: unknown,
  pointer: string,
  path: string,
  later: ReadonlySet<string>,
  operation: string,
): void {
  const must = () => invalid(pointer, `must be ${expects(schema)}, is ${show(value)}`, undefined, operation);
  if (schema["type"] === "object") {
    if (!isRecord(value)) throw must();
    if (schema["patternProperties"] !== undefined) {
      descendEntries(schema, value, pointer, path, later, operation);
      return;
    }
    const properties = schema["properties"] as Record<string, TSchema>;
    for (const field of Object.keys(value)) {
      if (Object.hasOwn(properties, field)) continue;
      const at = below(pointer, field);
      const full = path === "" ? field : `${path}.${field}`;
      if (later.has(full)) throw invalid(at, "is not supported yet", "leave it out", operation);
      throw invalid(at, "is not a known field", suggestion(field, Object.keys(properties)), operation);
    }
    for (const field of (schema["required"] as string[] | undefined) ?? []) {
      if (value[field] === undefined) {
        const description = properties[field]?.["expects"] ?? "a value";
        throw invalid(pointer, `lacks the field "${field}"`, `give it ${description}`, operation);
      }
    }
    for (const [field, inner] of Object.entries(value)) {
      const property = properties[field];
      if (property === undefined || inner === undefined) continue;
      descend(property, inner, below(pointer, field), path === "" ? field : `${path}.${field}`, later, operation);
    }
    return;
  }
  if (schema["type"] === "array") {
    if (!Array.isArray(value)) throw must();
    const items = schema["items"] as TSchema;
    for (const [i, item] of value.entries()) descend(items, item, below(pointer, i), path, later, operation);
    const repeated = schema["uniqueItems"] === true ? value.findIndex((item, i) => value.indexOf(item) !== i) : -1;
    if (repeated >= 0) {
      throw invalid(below(pointer, repeated), `repeats ${show(value[repeated])}`, "give it once", operation);
    }
  } else if (Array.isArray(schema["anyOf"])) {
    const branches = schema["anyOf"] as TSchema[];
    const object = isRecord(value) ? branches.find((branch) => branch["type"] === "object") : undefined;
    if (object !== undefined) {
      descend(object, value, pointer, path, later, operation);
      return;
    }
  }
  if (!TypeCompiler.Compile(schema).Check(value)) throw must();
}

/** An object whose fields are all of one kind, such as a code point and its class. */
function descendEntries(
  schema: TSchema,
  value: Readonly<Record<string, unknown>>,
  pointer: string,
  path: string,
  later: ReadonlySet<string>,
  operation: string,
): void {
  const kinds = Object.entries(schema["patternProperties"] as Record<string, TSchema>);
  for (const [field, inner] of Object.entries(value)) {
    const kind = kinds.find(([pattern]) => new RegExp(pattern).test(field));
    const at = below(pointer, field);
    if (kind === undefined) throw invalid(at, `is no key of ${expects(schema)}`, undefined, operation);
    descend(kind[1], inner, at, path, later, operation);
  }
}

function expects(schema: TSchema): string {
  if (typeof schema["expects"] === "string") return schema["expects"];
  return schema["type"] === "object" ? "an object" : `a ${schema["type"] ?? "different value"}`;
}
