// SPDX-License-Identifier: Apache-2.0
/** Stores of desired state. */
export { MemoryStore } from "./memory.ts";
export { SqliteStore } from "./sqlite.ts";
export type { Store, StoredId, StoredObject, StoredRouteBlock, StoreWriter } from "./types.ts";
