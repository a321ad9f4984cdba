// SPDX-License-Identifier: Apache-2.0
/** The server's only import of TypeBox, so that another version is one edit. */

export { type Static, type TSchema, Type } from "@sinclair/typebox";
export { type TypeCheck, TypeCompiler, type ValueError } from "@sinclair/typebox/compiler";
