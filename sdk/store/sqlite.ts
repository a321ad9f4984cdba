// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { WeirError } from "../errors.ts";
import { SqliteWriter } from "./sqlite_writer.ts";
import type { Store, StoredId, StoredObject, StoredRouteBlock, StoreWriter } from "./types.ts";

/** Raised when a table below changes; kept in SQLite's `user_version`. */
const SCHEMA_VERSION = 2;

const SCHEMA = `
  CREATE TABLE objects (
    kind TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, json TEXT NOT NULL,
    PRIMARY KEY (kind, key, owner)) STRICT, WITHOUT ROWID;
  CREATE TABLE route_blocks (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE ids (
    space TEXT NOT NULL, name TEXT NOT NULL, id INTEGER NOT NULL,
    PRIMARY KEY (space, name), UNIQUE (space, id)) STRICT, WITHOUT ROWID;
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

function failed(operation: string, cause: unknown, hint: string): WeirError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new WeirError({ code: "ESTORE", operation, reason, hint, cause });
}

/**
 * The embedded default: one SQLite file in WAL mode, by `node:sqlite` (in Bun and in Deno).
 *
 * `synchronous = NORMAL`: a transaction survives the death of the process; after a loss of power the
 * last ones may be missing, never a part of one.
 */
export class SqliteStore implements Store {
  readonly name: string;
  readonly #database: DatabaseSync;
  readonly #writer: SqliteWriter;

  private constructor(path: string, database: DatabaseSync) {
    this.name = path;
    this.#database = database;
    this.#writer = new SqliteWriter(database, (cause) => this.#failed(cause));
  }

  /**
   * Opens or creates the file at `path` (and its directories, mode 0700).
   * @throws WeirError `ESTORE` when it cannot be opened, is no store, or is of a newer version.
   */
  static open(path: string): SqliteStore {
    const operation = `open the store "${path}"`;
    let database: DatabaseSync | undefined;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      database = new DatabaseSync(path);
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 1000");
      const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
      if (version === 0) database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
      else if (version !== SCHEMA_VERSION) {
        throw new Error(`its schema is version ${version}, this is Weir's version ${SCHEMA_VERSION}`);
      }
      return new SqliteStore(path, database);
    } catch (cause) {
      database?.close();
      throw failed(operation, cause, "check the file and its directory, or open with store: false to keep nothing");
    }
  }

  *objects(): Generator<StoredObject> {
    for (const row of this.#database.prepare("SELECT kind, key, owner, json FROM objects").iterate()) {
      yield {
        kind: String(row["kind"]),
        key: String(row["key"]),
        owner: String(row["owner"]),
        json: String(row["json"]),
      };
    }
  }

  *routeBlocks(): Generator<StoredRouteBlock> {
    for (const row of this.#database.prepare("SELECT number, bytes FROM route_blocks").iterate()) {
      yield { number: Number(row["number"]), bytes: row["bytes"] as Uint8Array };
    }
  }

  *ids(): Generator<StoredId> {
    for (const row of this.#database.prepare("SELECT space, name, id FROM ids").iterate()) {
      yield { space: String(row["space"]), name: String(row["name"]), id: Number(row["id"]) };
    }
  }

  meta(key: string): string | undefined {
    const row = this.#database.prepare("SELECT value FROM meta WHERE key = ?").get(key);
    return row === undefined ? undefined : String(row["value"]);
  }

  transaction<T>(change: (writer: StoreWriter) => T): T {
    this.#execute("BEGIN IMMEDIATE");
    try {
      const result = change(this.#writer);
      this.#writer.flush();
      this.#execute("COMMIT");
      return result;
    } catch (error) {
      this.#writer.drop();
      // A full disk makes SQLite roll back by itself.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #execute(statement: string): void {
    try {
      this.#database.exec(statement);
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  #failed(cause: unknown): WeirError {
    return failed(`write the store "${this.name}"`, cause, "free space on its file system, or end what holds it");
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
