// SPDX-License-Identifier: Apache-2.0
/** TypeBox schemas as Standard Schemas, which hono-openapi validates with and documents. */

import { type Static, type TSchema, type TypeCheck, TypeCompiler, type ValueError } from "./typebox.ts";

/** One thing that is wrong with a value. */
interface Issue {
  readonly message: string;
  readonly path: readonly string[];
}

/** A TypeBox schema behind the Standard Schema interface (https://standardschema.dev, version 1). */
export interface Standard<S extends TSchema> {
  /** Where hono-openapi's TypeBox loader finds the JSON schema. */
  Type(): S;
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: "typebox";
    readonly validate: (value: unknown) => { value: Static<S> } | { issues: readonly Issue[] };
    readonly types?: { readonly input: Static<S>; readonly output: Static<S> };
  };
}

/** Wraps `schema`; it is compiled at the first use, which never comes for one that only documents. */
export function standard<const S extends TSchema>(schema: S): Standard<S> {
  let compiled: TypeCheck<S> | undefined;
  const validate = (value: unknown) => {
    compiled ??= TypeCompiler.Compile(schema);
    return compiled.Check(value) ? { value } : { issues: firstPerPath(compiled.Errors(value)) };
  };
  return { Type: () => schema, "~standard": { version: 1, vendor: "typebox", validate } };
}

/** TypeBox reports a missing field twice, as missing and as being of the wrong type: the first says more. */
function firstPerPath(errors: Iterable<ValueError>): Issue[] {
  const issues = new Map<string, Issue>();
  for (const { path, message } of errors) {
    if (!issues.has(path)) issues.set(path, { message, path: path.split("/").slice(1) });
  }
  return [...issues.values()];
}
