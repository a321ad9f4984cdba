// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { WeirError } from "../../errors.ts";
import { checkChanges } from "../check/check.ts";
import { apply, refusal } from "../testing/desired.ts";
import { DesiredState } from "./desired.ts";
import { Staging } from "./staging.ts";

const base = {
  node: { underlay: "192.0.2.1" },
  vrfs: [{ name: "red" }, { name: "blue" }],
  interfaces: [
    { name: "h0", role: "workload", vrf: "red" },
    { name: "f0", role: "fabric" },
  ],
  nexthops: [
    { name: "to-n2", type: "tunnel", encap: "vxlan", remote: "192.0.2.2" },
    { name: "to-n3", type: "tunnel", encap: "mpls-udp", remote: "192.0.2.3" },
    { name: "blue", type: "vrf", vrf: "blue" },
  ],
};

/** The base with more objects behind its own. */
function document(more: Readonly<Record<string, readonly object[] | object>>): object {
  const merged: Record<string, unknown> = { ...base };
  for (const [kind, objects] of Object.entries(more)) {
    const known = merged[kind];
    merged[kind] = Array.isArray(objects) && Array.isArray(known) ? [...known, ...objects] : objects;
  }
  return merged;
}

const refused = (more: Readonly<Record<string, readonly object[] | object>>) =>
  refusal(new DesiredState(), document(more))?.replace("Cannot apply the state: ", "");

test("the contract's tunnels, ecmp, floods, bridge entries, labels and VNIs are accepted, whatever their order", () => {
  const lines = apply(
    new DesiredState(),
    document({
      vnis: [{ vni: 77, vrf: "red" }],
      labels: [
        { label: 100, via: "h0", payload: "ip" },
        { label: 101, via: "blue", payload: "ethernet" },
      ],
      fdb: [
        { vrf: "red", mac: "02:00:00:00:02:01", via: "to-n2", vni: 77 },
        { vrf: "red", mac: "FF:FF:FF:FF:FF:FF", via: "all-red" },
      ],
      routes: [
        { vrf: "red", prefix: "10.97.0.2/32", via: "pair" },
        { vrf: "red", prefix: "10.98.0.0/16", via: "to-n3", label: 100 },
        { vrf: "underlay", prefix: "10.0.0.0/8", via: "blue" },
      ],
      nexthops: [
        {
          name: "pair",
          type: "ecmp",
          members: [
            { nexthop: "to-n2", weight: 1, vni: 77 },
            { nexthop: "to-n3", label: 100 },
          ],
          hash: ["src", "dst", "proto", "sport", "dport"],
        },
        { name: "all-red", type: "flood", members: [{ nexthop: "h0" }, { nexthop: "to-n2", vni: 77 }] },
        { name: "ask", type: "resolve" },
      ],
      interfaces: [
        {
          name: "h0.10",
          parent: "h0",
          vlan: 10,
          role: "workload",
          vrf: "blue",
          addresses: ["10.99.0.1"],
          rpf: "strict",
        },
      ],
    }),
  );
  expect(lines).toContain("+ fdb red 02:00:00:00:02:01");
  expect(lines).toContain("+ fdb red ff:ff:ff:ff:ff:ff");
  expect(lines).toContain("+ label 100");
  expect(lines).toContain("+ vni 77");
  expect(lines).toContain("+ interface h0.10");
});

describe("a next hop is refused", () => {
  const cases: [string, object, string][] = [
    ["without its remote", { type: "tunnel", encap: "vxlan" }, '/nexthops/3 lacks the field "remote"'],
    [
      "with a field of another type",
      { type: "discard", remote: "192.0.2.2" },
      "/nexthops/3/remote has no meaning for type discard",
    ],
    ["to a group", { type: "tunnel", encap: "vxlan", remote: "239.0.0.1" }, '/nexthops/3/remote is "239.0.0.1"'],
    [
      "of another family than the node",
      { type: "tunnel", encap: "vxlan", remote: "2001:db8::2" },
      "/nexthops/3/remote is of another address family than node.underlay",
    ],
    [
      "with a router's MAC and a label",
      { type: "tunnel", encap: "mpls-udp", remote: "192.0.2.2", routerMac: "02:00:00:00:00:01" },
      "/nexthops/3/routerMac has no meaning for encap mpls-udp",
    ],
    [
      "that chooses among choices",
      { type: "ecmp", members: [{ nexthop: "blue" }] },
      '/nexthops/3/members/0/nexthop names "blue", which is of type vrf',
    ],
    [
      "that chooses discard",
      { type: "ecmp", members: [{ nexthop: "discard" }] },
      '/nexthops/3/members/0/nexthop names "discard", which is reserved',
    ],
    [
      "that floods into a vxlan without VNI",
      { type: "flood", members: [{ nexthop: "to-n2" }] },
      '/nexthops/3/members/0 lacks the field "vni"',
    ],
    [
      "that floods with weights",
      { type: "flood", members: [{ nexthop: "h0", weight: 2 }] },
      "/nexthops/3/members/0/weight has no meaning for type flood",
    ],
    [
      "with a member twice",
      { type: "ecmp", members: [{ nexthop: "h0" }, { nexthop: "h0", weight: 3 }] },
      "/nexthops/3/members/1 repeats /members/0; use its weight",
    ],
    [
      "with a label for an interface",
      { type: "ecmp", members: [{ nexthop: "h0", label: 99 }] },
      "/nexthops/3/members/0/label has no meaning where the next hop is not encapsulated",
    ],
    ["to a VRF that is not there", { type: "vrf", vrf: "green" }, '/nexthops/3/vrf names "green", which is no VRF'],
  ];
  for (const [what, fields, message] of cases) {
    test(what, () => expect(refused({ nexthops: [{ name: "n", ...fields }] })).toStartWith(message));
  }
  test("without a source address", () => {
    const { node: _, ...rest } = base;
    expect(refusal(new DesiredState(), rest)).toContain(": /nexthops/0 has no source address; give node.underlay");
  });
});

describe("what leads into a tunnel is refused", () => {
  const route = (fields: object) => refused({ routes: [{ vrf: "red", prefix: "10.0.0.0/8", ...fields }] });
  test("without its VNI", () => expect(route({ via: "to-n2" })).toStartWith('/routes/0 lacks the field "vni"'));
  test("without its label", () => expect(route({ via: "to-n3" })).toStartWith('/routes/0 lacks the field "label"'));
  test("with a label in place of a VNI", () =>
    expect(route({ via: "to-n2", label: 16 })).toStartWith(
      "/routes/0/label has no meaning where the next hop is a tunnel",
    ));
  test("with both", () =>
    expect(route({ via: "to-n2", vni: 1, label: 16 })).toStartWith('/routes/0 has both "vni" and "label"'));
  test("with a label to an interface", () => expect(route({ via: "h0", label: 16 })).toContain("is not encapsulated"));
  test("where a member of its ecmp has no VNI either", () => {
    const nexthops = [{ name: "e", type: "ecmp", members: [{ nexthop: "to-n2" }, { nexthop: "h0" }] }];
    const routes = [{ vrf: "red", prefix: "10.0.0.0/8", via: "e" }];
    expect(refused({ nexthops, routes })).toStartWith(
      '/routes/0 lacks the field "vni"; member "to-n2" of next hop "e"',
    );
  });
  test("with a special label", () => expect(route({ via: "to-n3", label: 3 })).toContain("from 16 to 1048575"));
  test("by a label of received packets", () =>
    expect(refused({ labels: [{ label: 100, via: "to-n2" }] })).toStartWith(
      '/labels/0/via names "to-n2", which is of type tunnel',
    ));
});

describe("a VLAN sub-interface is refused", () => {
  const sub = (fields: object) =>
    refused({ interfaces: [{ name: "s", role: "workload", vrf: "red", parent: "h0", vlan: 10, ...fields }] });
  test("without a tag", () => expect(sub({ vlan: undefined })).toStartWith('/interfaces/2 lacks the field "vlan"'));
  test("with a device of its own", () =>
    expect(sub({ device: "eth9" })).toStartWith("/interfaces/2/device has no meaning"));
  test("on nothing", () =>
    expect(sub({ parent: "h9" })).toStartWith('/interfaces/2/parent names "h9", which is no interface'));
  test("whose tag is another's", () => {
    const two = ["s1", "s2"].map((name) => ({ name, role: "workload", vrf: "red", parent: "h0", vlan: 10 }));
    expect(refused({ interfaces: two })).toStartWith('/interfaces/3/vlan is 10, which interface "s1"');
  });
  test("on another one", () => {
    const one = { name: "s1", role: "workload", vrf: "red", parent: "h0", vlan: 10 };
    expect(refused({ interfaces: [one, { ...one, name: "s2", parent: "s1" }] })).toContain(
      "is a VLAN sub-interface itself",
    );
  });
});

describe("a change of something in use", () => {
  const used = {
    routes: [{ vrf: "red", prefix: "10.0.0.0/8", via: "pair" }],
    fdb: [{ vrf: "red", mac: "02:00:00:00:02:01", via: "to-n2", vni: 7 }],
    nexthops: [{ name: "pair", type: "ecmp", members: [{ nexthop: "to-n2", vni: 7 }] }],
  };
  const after = (put: object | undefined, deleted?: string): string => {
    const state = new DesiredState();
    apply(state, document(used));
    const staging = Staging.of("state", false);
    if (put !== undefined) staging.put("nexthops", put);
    if (deleted !== undefined) staging.delete("nexthops", deleted);
    state.begin();
    try {
      const locate = staging.bringInto(state);
      checkChanges(state, state.changes(), locate);
    } catch (error) {
      return error instanceof WeirError ? `${error.code} ${error.message}` : String(error);
    }
    return "accepted";
  };
  test("that goes is refused, and names its users", () => {
    expect(after(undefined, "to-n2")).toContain("EREFERENCED");
    expect(after(undefined, "to-n2")).toContain('next hop "pair", bridge entry "red 02:00:00:00:02:01"');
    expect(after(undefined, "pair")).toContain('route "red 10.0.0.0/8"');
  });
  test("that needs another label is refused", () => {
    expect(after({ name: "to-n2", type: "tunnel", encap: "mpls-gre", remote: "192.0.2.2" })).toContain(
      "/nexthops/pair/members/0/vni has no meaning",
    );
  });
  test("of its remote is accepted", () => {
    expect(after({ name: "to-n2", type: "tunnel", encap: "vxlan", remote: "192.0.2.9" })).toBe("accepted");
  });
});
