// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryStore, SqliteStore, type Store } from "./index.ts";

const vrf = (key: string, owner = "state") => ({ kind: "vrfs", key, owner, json: `{"key":"${key}"}` });

/** What every store promises. */
function describeStore(kind: string, withStore: (body: (store: Store) => void) => void): void {
  describe(kind, () => {
    test("what a transaction put is there afterwards, and what it deleted is not", () =>
      withStore((store) => {
        store.transaction((w) => {
          w.putObject(vrf("a"));
          w.putObject(vrf("b"));
          w.putId({ space: "vrf", name: "red", id: 7 });
          w.putRouteBlock({ number: 3, bytes: Uint8Array.of(1, 2, 3) });
          w.putRouteBlock({ number: 9, bytes: Uint8Array.of(4) });
          w.setMeta("revision", "1");
        });
        store.transaction((w) => {
          w.deleteObject("vrfs", "a", "state");
          w.deleteRouteBlock(9);
        });
        expect([...store.routeBlocks()]).toEqual([{ number: 3, bytes: Uint8Array.of(1, 2, 3) }]);
        expect([...store.objects()]).toEqual([vrf("b")]);
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
          w.putObject(vrf("a"));
          w.putRouteBlock({ number: 3, bytes: Uint8Array.of(1, 2, 3) });
          w.setMeta("revision", "1");
        });
        expect(() =>
          store.transaction((w) => {
            w.putObject({ ...vrf("a"), json: "{}" });
            w.putObject(vrf("b"));
            w.deleteObject("vrfs", "a", "state");
            w.putId({ space: "vrf", name: "red", id: 7 });
            w.putRouteBlock({ number: 3, bytes: Uint8Array.of(7) });
            w.putRouteBlock({ number: 4, bytes: Uint8Array.of(8) });
            w.setMeta("revision", "2");
            throw new Error("the kernel said no");
          }),
        ).toThrow("the kernel said no");
        expect([...store.objects()]).toEqual([vrf("a")]);
        expect([...store.routeBlocks()]).toEqual([{ number: 3, bytes: Uint8Array.of(1, 2, 3) }]);
        expect([...store.ids()]).toEqual([]);
        expect(store.meta("revision")).toBe("1");
      }));

    test("the same key of two owners is two objects", () =>
      withStore((store) => {
        store.transaction((w) => {
          w.putObject(vrf("a"));
          w.putObject(vrf("a", "bgp"));
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
      store.transaction((w) => w.putObject(vrf("a")));
    }
    using store = SqliteStore.open(path);
    expect([...store.objects()]).toEqual([vrf("a")]);
  }));

test("a file that is no store is refused by name", () =>
  inDirectory((directory) => {
    const path = join(directory, "state.db");
    writeFileSync(path, "this is no database, whatever its name says ".repeat(40));
    expect(() => SqliteStore.open(path)).toThrow(`Cannot open the store "${path}": `);
  }));
