// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryStore, SqliteStore, type Store } from "./index.ts";

const route = (key: string, owner = "state") => ({ kind: "routes", key, owner, json: `{"key":"${key}"}` });

/** What every store promises. */
function describeStore(kind: string, withStore: (body: (store: Store) => void) => void): void {
  describe(kind, () => {
    test("what a transaction put is there afterwards, and what it deleted is not", () =>
      withStore((store) => {
        store.transaction((w) => {
          w.putObject(route("a"));
          w.putObject(route("b"));
          w.putId({ space: "vrf", name: "red", id: 7 });
          w.setMeta("revision", "1");
        });
        store.transaction((w) => w.deleteObject("routes", "a", "state"));
        expect([...store.objects()]).toEqual([route("b")]);
        expect([...store.ids()]).toEqual([{ space: "vrf", name: "red", id: 7 }]);
        expect(store.meta("revision")).toBe("1");
        store.transaction((w) => {
          w.deleteId("vrf", "red");
          w.setMeta("revision", undefined);
        });
        expect([...store.ids()]).toEqual([]);
        expect(store.meta("revision")).toBeUndefined();
      }));

    test("a transaction that throws leaves everything as it was", () =>
      withStore((store) => {
        store.transaction((w) => {
          w.putObject(route("a"));
          w.setMeta("revision", "1");
        });
        expect(() =>
          store.transaction((w) => {
            w.putObject({ ...route("a"), json: "{}" });
            w.putObject(route("b"));
            w.deleteObject("routes", "a", "state");
            w.putId({ space: "vrf", name: "red", id: 7 });
            w.setMeta("revision", "2");
            throw new Error("the kernel said no");
          }),
        ).toThrow("the kernel said no");
        expect([...store.objects()]).toEqual([route("a")]);
        expect([...store.ids()]).toEqual([]);
        expect(store.meta("revision")).toBe("1");
      }));

    test("the same key of two owners is two objects", () =>
      withStore((store) => {
        store.transaction((w) => {
          w.putObject(route("a"));
          w.putObject(route("a", "bgp"));
        });
        expect([...store.objects()].map((o) => o.owner).sort()).toEqual(["bgp", "state"]);
      }));

    test("a transaction returns what its function returns", () =>
      withStore((store) => expect(store.transaction(() => 42)).toBe(42)));
  });
}

function inDirectory<T>(body: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "weir-store-"));
  try {
    return body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describeStore("memory store", (body) => {
  using store = new MemoryStore();
  body(store);
});

describeStore("SQLite store", (body) =>
  inDirectory((directory) => {
    using store = SqliteStore.open(join(directory, "deep", "state.db"));
    body(store);
  }),
);

test("an SQLite store keeps its content for the next process", () =>
  inDirectory((directory) => {
    const path = join(directory, "state.db");
    {
      using store = SqliteStore.open(path);
      store.transaction((w) => w.putObject(route("a")));
    }
    using store = SqliteStore.open(path);
    expect([...store.objects()]).toEqual([route("a")]);
  }));

test("a file that is no store is refused by name", () =>
  inDirectory((directory) => {
    const path = join(directory, "state.db");
    writeFileSync(path, "this is no database, whatever its name says ".repeat(40));
    expect(() => SqliteStore.open(path)).toThrow(`Cannot open the store "${path}": `);
  }));
