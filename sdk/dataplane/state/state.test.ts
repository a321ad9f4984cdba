// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MemoryStore } from "../../store/index.ts";
import { apply, bring, refusal } from "../testing/desired.ts";
import { DesiredState } from "./desired.ts";
import { Ids } from "./ids.ts";
import { Staging } from "./staging.ts";

const pods = {
  vrfs: [{ name: "red" }],
  interfaces: [
    { name: "h0", role: "workload", vrf: "red", addresses: ["10.97.0.1", "fd00:97::1"] },
    { name: "h1", role: "workload", vrf: "red", addresses: ["10.97.0.2"], policies: ["web"] },
  ],
  policies: [{ name: "web", rules: [{ action: "allow", direction: "ingress", from: [{ set: "clients" }] }] }],
  sets: [{ name: "clients", prefixes: ["10.97.0.0/16"] }],
  routes: [{ vrf: "red", prefix: "10.98.0.0/16", via: "h1" }],
};

describe("a difference", () => {
  test("has a line for each object, and none for what is as it was", () => {
    const state = new DesiredState();
    expect(apply(state, pods)).toEqual([
      "+ vrf red",
      "+ interface h0",
      "+ interface h1",
      "+ route red 10.98.0.0/16",
      "+ set clients",
      "+ policy web",
    ]);
    expect(apply(state, structuredClone(pods))).toEqual([]);
    const changed = { ...pods, routes: [], interfaces: [pods.interfaces[0], { ...pods.interfaces[1], addresses: [] }] };
    expect(apply(state, changed)).toEqual(["- route red 10.98.0.0/16", "~ interface h1"]);
    expect(apply(state, {})).toHaveLength(5);
  });

  test("an object that its owner changes after the apply is compared with what was applied", () => {
    const state = new DesiredState();
    const document = structuredClone(pods);
    apply(state, document);
    document.interfaces[0]?.addresses.push("10.97.0.9");
    expect(apply(state, document)).toEqual(["~ interface h0"]);
  });

  test("the spelling of a prefix does not make another route", () => {
    const state = new DesiredState();
    apply(state, { ...pods, routes: [{ vrf: "red", prefix: "FD00:0:0::/48", via: "h0" }] });
    expect(state.candidates("routes", "red fd00::/48")).toHaveLength(1);
  });
});

describe("owners", () => {
  const route = (via: string, preference?: number) => ({
    routes: [{ vrf: "red", prefix: "10.98.0.0/16", via, ...(preference === undefined ? {} : { preference }) }],
  });

  test("the same route of several owners is kept, and the lowest preference wins", () => {
    const state = new DesiredState();
    apply(state, pods);
    apply(state, route("h0"), "bgp");
    const via = () => state.get("routes", "red 10.98.0.0/16")?.via;
    expect(via()).toBe("h1");
    apply(state, route("h0", 5), "bgp");
    expect(via()).toBe("h0");
    apply(state, {}, "bgp");
    expect(via()).toBe("h1");
  });

  test("an interface's own host route wins over everybody's", () => {
    const state = new DesiredState();
    apply(state, pods);
    apply(state, { routes: [{ vrf: "red", prefix: "10.97.0.1/32", via: "h1", preference: 1 }] }, "bgp");
    expect(state.get("routes", "red 10.97.0.1/32")?.via).toBe("h0");
  });

  test("an owner's state leaves other owners' objects alone", () => {
    const state = new DesiredState();
    apply(state, pods);
    apply(state, { vrfs: [{ name: "blue" }] }, "other");
    expect(apply(state, {}, "other")).toEqual(["- vrf blue"]);
    expect(state.get("vrfs", "red")).toBeDefined();
  });

  test("another owner's object cannot be replaced or deleted", () => {
    const state = new DesiredState();
    apply(state, pods);
    expect(refusal(state, { vrfs: [{ name: "red" }] }, "other")).toBe(
      'Cannot apply the state: /vrfs/0 is "red", which belongs to owner "state"; delete it there, or use another name',
    );
    const staging = Staging.of("other", false);
    staging.delete("vrfs", "red");
    expect(() => bring(state, staging)).toThrow('Cannot delete vrfs "red": it belongs to owner "state"');
  });

  test("names that Weir uses itself are refused", () => {
    expect(() => Staging.of("interface", false)).toThrow("Weir uses the name itself");
  });
});

describe("wrong meaning is refused with its field", () => {
  const with_ = (change: object) => ({ ...pods, ...change });
  const workload = (fields: object) => ({ name: "h2", role: "workload", vrf: "red", ...fields });
  const cases: [string, unknown, string][] = [
    [
      "a route to a missing next hop",
      with_({ routes: [{ vrf: "red", prefix: "10.98.0.0/16", via: "to-n9" }] }),
      'Cannot apply the state: /routes/0/via names "to-n9", which is neither a next hop nor an interface; ',
    ],
    [
      "a prefix with host bits",
      with_({ routes: [{ vrf: "red", prefix: "10.98.0.1/16", via: "h0" }] }),
      'Cannot apply the state: /routes/0/prefix is "10.98.0.1/16", which has host bits set; write "10.98.0.0/16"',
    ],
    [
      "a name twice",
      with_({ vrfs: [{ name: "red" }, { name: "blue" }, { name: "red" }] }),
      'Cannot apply the state: /vrfs/2 repeats "red", which /vrfs/0 has too; give it once',
    ],
    ["a missing VRF", with_({ vrfs: [] }), 'Cannot apply the state: /interfaces/0/vrf names "red", which is no VRF; '],
    [
      "an address on two interfaces of a VRF",
      with_({ interfaces: [...pods.interfaces, workload({ addresses: ["10.97.0.2"] })] }),
      'Cannot apply the state: /interfaces/2/addresses/0 is "10.97.0.2", which interface "h1" of VRF "red" has too; ',
    ],
    [
      "a device of two interfaces",
      with_({ interfaces: [...pods.interfaces, workload({ device: "h0" })] }),
      'Cannot apply the state: /interfaces/2/device is "h0", which interface "h0" has too; ',
    ],
    [
      "a next hop with an interface's name",
      with_({ nexthops: [{ name: "h0", type: "discard" }] }),
      'Cannot apply the state: /interfaces/0/name is "h0", which a next hop has too; ',
    ],
    [
      "a reserved next hop",
      with_({ nexthops: [{ name: "local", type: "local" }] }),
      'Cannot apply the state: /nexthops/0/name is "local", a reserved next hop; ',
    ],
    [
      "a multicast MAC",
      with_({ interfaces: [...pods.interfaces, workload({ mac: "01:00:5e:00:00:01" })] }),
      'Cannot apply the state: /interfaces/2/mac is "01:00:5e:00:00:01", which no single device can have; ',
    ],
    [
      "a missing set",
      with_({ sets: [] }),
      'Cannot apply the state: /policies/0/rules/0/from/0/set names "clients", which is no set; ',
    ],
    [
      "ports of a protocol that has none",
      with_({ policies: [{ name: "web", rules: [{ action: "allow", direction: "ingress", ports: [80] }] }], sets: [] }),
      "Cannot apply the state: /policies/0/rules/0/ports has no meaning for proto any; give proto tcp, udp or sctp",
    ],
    [
      "a workload without a VRF",
      with_({ interfaces: [{ name: "h0", role: "workload" }], routes: [] }),
      'Cannot apply the state: /interfaces/0 lacks the field "vrf"; ',
    ],
  ];
  for (const [what, document, message] of cases) {
    test(what, () => {
      const state = new DesiredState();
      expect(refusal(state, document)).toStartWith(message);
      expect(state.size("vrfs")).toBe(0);
    });
  }

  test("what others refer to cannot be deleted, and they are named", () => {
    const state = new DesiredState();
    apply(state, pods);
    const staging = Staging.of("state", false);
    staging.delete("vrfs", { name: "red" });
    expect(() => bring(state, staging)).toThrow(
      'Cannot apply the state: VRF "red" is still used by interface "h0", interface "h1", route "red 10.98.0.0/16"',
    );
    const all = Staging.of("state", false);
    all.delete("vrfs", "red");
    all.delete("interfaces", "h0");
    all.delete("interfaces", "h1");
    all.delete("routes", { vrf: "red", prefix: "10.98.0.0/16" });
    expect(bring(state, all)).toHaveLength(4);
  });
});

test("rolling back any sequence of changes leaves the state as it was", () => {
  const operation = fc.record({
    put: fc.boolean(),
    prefix: fc.constantFrom("10.0.0.0/8", "10.0.0.0/16", "fd00::/8"),
    preference: fc.constantFrom(undefined, 1, 200),
    owner: fc.constantFrom("state", "bgp"),
  });
  fc.assert(
    fc.property(fc.array(operation), fc.array(operation), (first, second) => {
      const state = new DesiredState();
      const run = (operations: typeof first) => {
        for (const { put, prefix, preference, owner } of operations) {
          const key = `red ${prefix}`;
          if (put)
            state.put("routes", key, owner, { vrf: "red", prefix, via: owner, ...(preference && { preference }) });
          else state.delete("routes", key, owner);
        }
      };
      const picture = () =>
        JSON.stringify([
          [...state.entries("routes")].sort(),
          state.referenceCount("vrf", "red"),
          state.referenceCount("via", "bgp"),
        ]);
      state.begin();
      run(first);
      state.keep();
      const before = picture();
      state.begin();
      run(second);
      state.rollBack();
      return picture() === before;
    }),
  );
});

describe("ids", () => {
  test("a name keeps its number, and a freed number rests before it is given out again", () => {
    const ids = new Ids(4096, 65536, 4096);
    const first = ids.take("nexthop", "a");
    expect(ids.take("nexthop", "a")).toBe(first);
    ids.free("nexthop", "a");
    expect(ids.take("nexthop", "b")).not.toBe(first);
  });

  test("a full table is named", () => {
    const ids = new Ids(3, 16, 16);
    ids.take("interface", "a");
    ids.take("interface", "b");
    expect(() => ids.take("interface", "c")).toThrow('Cannot add interface "c": the table holds 2 and is full; ');
    ids.free("interface", "a");
    expect(ids.take("interface", "c")).toBe(1);
  });

  test("numbers come back from the store, and a rolled back transaction leaves none", () => {
    using store = new MemoryStore();
    const ids = new Ids(4096, 65536, 4096);
    ids.begin();
    ids.take("vrf", "red");
    const blue = ids.take("vrf", "blue");
    store.transaction((writer) => ids.writeTo(writer));
    ids.begin();
    ids.free("vrf", "red");
    ids.take("vrf", "green");
    ids.rollBack();
    expect([...ids.vrf.names()].sort()).toEqual(["blue", "red"]);
    const again = new Ids(4096, 65536, 4096);
    again.restore(store);
    expect(again.vrf.get("blue")).toBe(blue);
    expect(again.take("vrf", "green")).toBeGreaterThan(blue);
  });
});
