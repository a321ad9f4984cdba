// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { MemoryStore } from "../../store/index.ts";
import { restoreRoutes, writeRouteBlocks } from "./route_blocks.ts";
import { RouteTable } from "./route_table.ts";

const operation = fc.record({
  put: fc.boolean(),
  vrf: fc.constantFrom("red", "blue"),
  address: fc.nat(200),
  ipv6: fc.boolean(),
  owner: fc.constantFrom("state", "bgp"),
  via: fc.constantFrom("a", "b", "discard"),
  label: fc.constantFrom(undefined, { vni: 16777215 }, { label: 1048575 }),
  preference: fc.constantFrom(undefined, 1, 255),
  durable: fc.boolean(),
});
const transaction = fc.record({ keep: fc.boolean(), operations: fc.array(operation, { maxLength: 60 }) });

/** The durable candidates of each key. */
const durableOf = (table: RouteTable) =>
  [...table.entries()]
    .map(([key, candidates]) => [key, candidates.filter(({ durable }) => durable)] as const)
    .filter(([, candidates]) => candidates.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));

test("what was durable comes back from the store, also after it was changed by the next process", () => {
  fc.assert(
    fc.property(fc.array(transaction, { maxLength: 6 }), fc.nat(5), (transactions, restartAfter) => {
      const store = new MemoryStore();
      let table = new RouteTable();
      const restart = () => {
        const next = new RouteTable();
        next.begin();
        restoreRoutes(next, store, "resume");
        expect(next.changes().length).toBe(durableOf(table).length);
        next.keep();
        expect(durableOf(next)).toEqual(durableOf(table));
        expect(next.size).toBe(durableOf(table).length);
        table = next;
      };
      for (const [i, { keep, operations }] of transactions.entries()) {
        table.begin();
        for (const { put, vrf, address, ipv6, owner, via, label, preference, durable } of operations) {
          const prefix = ipv6 ? `fd00::${(address + 1).toString(16)}/128` : `10.0.0.${address}/32`;
          const stated = preference === undefined ? {} : { preference };
          if (put) table.put(owner, { vrf, prefix, via, ...label, ...stated }, durable);
          else table.delete(`${vrf} ${prefix}`, owner);
        }
        if (keep) {
          store.transaction((writer) => writeRouteBlocks(writer, table.changes()));
          table.keep();
        } else table.rollBack();
        if (i === restartAfter) restart();
      }
      restart();
    }),
  );
});

test("routes of another version are refused, and the store is named", () => {
  const store = new MemoryStore();
  store.transaction((writer) => writer.putRouteBlock({ number: 0, bytes: Uint8Array.of(9, 0, 0) }));
  expect(() => restoreRoutes(new RouteTable(), store, 'resume the state in "here"')).toThrow(
    'Cannot resume the state in "here": it has routes of version 9; use the version that wrote it',
  );
});
