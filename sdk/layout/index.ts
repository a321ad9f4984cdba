// SPDX-License-Identifier: Apache-2.0
/** Layouts of the structs that the kernel programs, TypeScript and AssemblyScript share. */

export type { ArrayField, BigField, BytesField, Field, Layout, NumberField, StructField } from "./codec.ts";
export { type FlowKeyFields, type RawFlowKey, readFlowKey } from "./flow_key.ts";
export * from "./generated.ts";
