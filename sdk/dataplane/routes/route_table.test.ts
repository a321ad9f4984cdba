// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Route } from "../schema/index.ts";
import { INTERFACE_OWNER } from "../state/candidate.ts";
import { describeChanges } from "../state/change.ts";
import { DesiredState } from "../state/desired.ts";
import { Staging } from "../state/staging.ts";
import { RouteTable } from "./route_table.ts";

const route = (fields: Partial<Route> = {}): Route => ({ vrf: "red", prefix: "10.0.0.0/8", via: "a", ...fields });

/** What a table must say: objects by key and owner, and nothing packed. */
class Model {
  readonly routes = new Map<string, Map<string, Route>>();

  picture(): unknown {
    const order = (owner: string, { preference }: Route) =>
      owner === INTERFACE_OWNER ? 0 : (preference ?? (owner === "state" ? 10 : 20));
    const keys = [...this.routes].filter(([, owners]) => owners.size > 0);
    return keys
      .map(([key, owners]) => [
        key,
        [...owners]
          .sort(([a, x], [b, y]) => order(a, x) - order(b, y) || (a < b ? -1 : 1))
          .map(([owner, object]) => [owner, object]),
      ])
      .sort();
  }

  references(name: string): number {
    const all = [...this.routes.values()].flatMap((owners) => [...owners]);
    return all.filter(([owner, { via }]) => owner !== INTERFACE_OWNER && via === name).length;
  }
}

const pictureOf = (table: RouteTable) =>
  [...table.entries()].map(([key, candidates]) => [key, candidates.map(({ owner, object }) => [owner, object])]).sort();

const operation = fc.record({
  put: fc.boolean(),
  vrf: fc.constantFrom("red", "blue"),
  prefix: fc.constantFrom("10.0.0.0/8", "10.0.0.0/16", "0.0.0.0/0", "::/0", "fd00::/64"),
  owner: fc.constantFrom("state", "bgp", "other", INTERFACE_OWNER),
  via: fc.constantFrom("a", "b", "c"),
  label: fc.constantFrom(undefined, { vni: 0 }, { vni: 5 }, { label: 16 }),
  preference: fc.constantFrom(undefined, 1, 10, 200),
});
const transaction = fc.record({ keep: fc.boolean(), operations: fc.array(operation, { maxLength: 12 }) });

test("any sequence of transactions leaves what a plain table of objects would hold", () => {
  fc.assert(
    fc.property(fc.array(transaction, { maxLength: 8 }), (transactions) => {
      const table = new RouteTable();
      let model = new Model();
      for (const { keep, operations } of transactions) {
        const before = model;
        model = new Model();
        for (const [key, owners] of before.routes) model.routes.set(key, new Map(owners));
        table.begin();
        for (const { put, vrf, prefix, owner, via, label, preference } of operations) {
          const key = `${vrf} ${prefix}`;
          const owners = model.routes.get(key) ?? new Map<string, Route>();
          model.routes.set(key, owners);
          // What an interface brings states no preference.
          const stated = preference === undefined || owner === INTERFACE_OWNER ? {} : { preference };
          const object = { vrf, prefix, via, ...label, ...stated };
          if (put) {
            owners.set(owner, object);
            table.put(owner, object, true);
          } else {
            expect(table.delete(key, owner)).toBe(owners.delete(owner));
          }
        }
        expect(table.size).toBe(keysOf(table).length);
        if (keep) table.keep();
        else {
          table.rollBack();
          model = before;
        }
        expect(pictureOf(table)).toEqual(model.picture() as never);
        for (const name of ["a", "b", "c"]) expect(table.referenceCount("via", name)).toBe(model.references(name));
        // Names live as long as something uses them.
        expect(table.vrfs.get("blue") !== undefined).toBe(keysOf(table).some((key) => key.startsWith("blue")));
      }
    }),
  );
});

const keysOf = (table: RouteTable) => [...table.entries()].map(([key]) => key);

test("what is put as it was is no change, and what is put back within a transaction neither", () => {
  const table = new RouteTable();
  table.begin();
  table.put("state", route({ vni: 3 }), true);
  table.keep();
  table.begin();
  table.delete("red 10.0.0.0/8", "state");
  table.put("state", route({ vni: 3 }), true);
  expect(table.changes().length).toBe(0);
  table.put("state", route({ vni: 4 }), true);
  expect(table.changes().length).toBe(1);
  table.rollBack();
  expect(table.candidates("red 10.0.0.0/8")[0]?.object).toEqual(route({ vni: 3 }));
});

describe("what a transaction asks of routes", () => {
  function bring(state: DesiredState, staging: Staging) {
    state.begin();
    try {
      const locate = staging.bringInto(state);
      const changes = state.changes();
      const pointer = locate("routes", "red 10.0.0.0/8");
      const lines = describeChanges(changes).map(({ text }) => text);
      state.keep();
      return { pointer, lines };
    } catch (error) {
      state.rollBack();
      throw error;
    }
  }

  test("stands where it was given, and is told as it is: added, changed, removed", () => {
    const state = new DesiredState();
    const first = Staging.of("bgp", false);
    first.put("routes", route({ prefix: "10.1.0.0/16" }));
    first.put("routes", route());
    expect(bring(state, first)).toEqual({
      pointer: "/routes/1",
      lines: ["+ route red 10.1.0.0/16", "+ route red 10.0.0.0/8"],
    });
    const second = Staging.of("bgp", true);
    second.put("routes", route({ via: "b" }));
    expect(bring(state, second).lines).toEqual(["- route red 10.1.0.0/16", "~ route red 10.0.0.0/8"]);
    expect(bring(state, Staging.of("other", true)).lines).toEqual([]);
    expect(state.size("routes")).toBe(1);
  });

  test("is taken over as it was when it was put", () => {
    const state = new DesiredState();
    const staging = Staging.of("bgp", false);
    const object = { ...route() };
    staging.put("routes", object);
    object.via = "b";
    bring(state, staging);
    expect(state.get("routes", "red 10.0.0.0/8")).toEqual(route());
  });

  test("is refused with its position when it is wrong, and when it comes twice", () => {
    const refusal = (...routes: unknown[]) => {
      const staging = Staging.of("bgp", false);
      for (const each of routes) staging.put("routes", each);
      const state = new DesiredState();
      try {
        bring(state, staging);
      } catch (error) {
        expect(state.size("routes")).toBe(0);
        expect(state.routes.vrfs.get("red")).toBeUndefined();
        return (error as Error).message;
      }
      return "accepted";
    };
    expect(refusal(route(), { vrf: "red", prefix: "10.0.0.0/99", via: "a" })).toStartWith(
      "Cannot apply the state: /routes/1/prefix must be an IPv4 or IPv6 prefix",
    );
    expect(refusal(route(), route({ prefix: "10.1.0.1/16" }))).toStartWith(
      'Cannot apply the state: /routes/1/prefix is "10.1.0.1/16", which has host bits set; write "10.1.0.0/16"',
    );
    expect(refusal(route({ vni: 1, label: 16 }))).toStartWith(
      'Cannot apply the state: /routes/0 has both "vni" and "label"',
    );
    expect(refusal(route(), route({ vrf: "blue" }), route({ via: "b" }))).toBe(
      'Cannot apply the state: /routes/2 repeats "red 10.0.0.0/8", which /routes/0 has too; give it once',
    );
  });

  test("of another owner is not deleted", () => {
    const state = new DesiredState();
    const staging = Staging.of("bgp", false);
    staging.put("routes", route());
    bring(state, staging);
    const other = Staging.of("other", false);
    other.delete("routes", { vrf: "red", prefix: "10.0.0.0/8" });
    expect(() => bring(state, other)).toThrow('Cannot delete routes "red 10.0.0.0/8": it belongs to owner "bgp"');
    const none = Staging.of("bgp", false);
    none.delete("routes", "red 10.0.0.0/9");
    expect(() => bring(state, none)).toThrow('Cannot delete routes "red 10.0.0.0/9": there is none');
  });
});
