// SPDX-License-Identifier: Apache-2.0
/** The only import of TypeBox, so that another version is one edit. */
export { FormatRegistry, type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
export { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
export type { ValueError } from "@sinclair/typebox/errors";
