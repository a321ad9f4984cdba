// SPDX-License-Identifier: Apache-2.0
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StoredId, StoredObject, StoredRouteBlock, StoreWriter } from "./types.ts";

/** Rows of one statement. Beyond, binding costs as much as it saves. */
const ROWS = 32;
const COLUMNS = 4;

/**
 * Writes within a transaction. Objects that are put wait until there are enough for one statement of many rows,
 * which is faster by a third; `flush` writes the rest.
 */
export class SqliteWriter implements StoreWriter {
  readonly #failed: (cause: unknown) => Error;
  readonly #putMany: StatementSync;
  readonly #putOne: StatementSync;
  readonly #deleteObject: StatementSync;
  readonly #putRouteBlock: StatementSync;
  readonly #deleteRouteBlock: StatementSync;
  readonly #putId: StatementSync;
  readonly #deleteId: StatementSync;
  readonly #setMeta: StatementSync;
  readonly #deleteMeta: StatementSync;
  #waiting: string[] = [];

  /** @param failed makes the error that a statement's failure is told by. */
  constructor(database: DatabaseSync, failed: (cause: unknown) => Error) {
    this.#failed = failed;
    const put = "INSERT OR REPLACE INTO objects (kind, key, owner, json) VALUES ";
    this.#putMany = database.prepare(put + Array(ROWS).fill("(?, ?, ?, ?)").join(", "));
    this.#putOne = database.prepare(`${put}(?, ?, ?, ?)`);
    this.#deleteObject = database.prepare("DELETE FROM objects WHERE kind = ? AND key = ? AND owner = ?");
    this.#putRouteBlock = database.prepare("INSERT OR REPLACE INTO route_blocks (number, bytes) VALUES (?, ?)");
    this.#deleteRouteBlock = database.prepare("DELETE FROM route_blocks WHERE number = ?");
    this.#putId = database.prepare("INSERT OR REPLACE INTO ids (space, name, id) VALUES (?, ?, ?)");
    this.#deleteId = database.prepare("DELETE FROM ids WHERE space = ? AND name = ?");
    this.#setMeta = database.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)");
    this.#deleteMeta = database.prepare("DELETE FROM meta WHERE key = ?");
  }

  putObject({ kind, key, owner, json }: StoredObject): void {
    this.#waiting.push(kind, key, owner, json);
    if (this.#waiting.length < ROWS * COLUMNS) return;
    const rows = this.#waiting;
    this.#waiting = [];
    this.#run(this.#putMany, ...rows);
  }

  deleteObject(kind: string, key: string, owner: string): void {
    this.flush();
    this.#run(this.#deleteObject, kind, key, owner);
  }

  putRouteBlock({ number, bytes }: StoredRouteBlock): void {
    this.#run(this.#putRouteBlock, number, bytes);
  }

  deleteRouteBlock(number: number): void {
    this.#run(this.#deleteRouteBlock, number);
  }

  putId({ space, name, id }: StoredId): void {
    this.#run(this.#putId, space, name, id);
  }

  deleteId(space: string, name: string): void {
    this.#run(this.#deleteId, space, name);
  }

  setMeta(key: string, value: string | undefined): void {
    if (value === undefined) this.#run(this.#deleteMeta, key);
    else this.#run(this.#setMeta, key, value);
  }

  /** Writes what waits. */
  flush(): void {
    const rows = this.#waiting;
    this.#waiting = [];
    for (let i = 0; i < rows.length; i += COLUMNS) this.#run(this.#putOne, ...rows.slice(i, i + COLUMNS));
  }

  #run(statement: StatementSync, ...values: (string | number | Uint8Array)[]): void {
    try {
      statement.run(...values);
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  /** Forgets what waits: the transaction is rolled back. */
  drop(): void {
    this.#waiting = [];
  }
}
