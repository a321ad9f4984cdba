// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { DesiredState } from "../state/desired.ts";
import { refusal } from "../testing/desired.ts";

const base = {
  node: { underlay: "192.0.2.1" },
  vrfs: [{ name: "red" }],
  interfaces: [
    { name: "h0", role: "workload", vrf: "red" },
    { name: "h1", role: "workload", vrf: "red" },
    { name: "f0", role: "fabric" },
  ],
  nexthops: [
    { name: "to-n9", type: "tunnel", encap: "vxlan", remote: "192.0.2.9" },
    { name: "by-label", type: "tunnel", encap: "mpls-udp", remote: "192.0.2.9" },
    { name: "out-h0", type: "interface", device: "h0" },
    { name: "pair", type: "ecmp", members: [{ nexthop: "to-n9", vni: 1 }, { nexthop: "h1" }] },
    { name: "all", type: "flood", members: [{ nexthop: "h0" }] },
  ],
};

/** Why the base with more beside it is refused. */
const refused = (more: object, state = new DesiredState()) => refusal(state, { ...base, ...more });

const tap = (fields: object) => ({ mirrors: [{ name: "tap", via: "h1", ...fields }] });

test("the contract's mirror is accepted, and so are those to a device, to an ecmp, and of rules and flows alone", () => {
  const contract = { via: "to-n9", vni: 999, truncateBytes: 128 };
  expect(refused(tap({ source: { interface: "h0", direction: "both" }, ...contract }))).toBeUndefined();
  expect(refused(tap({ source: { interface: "f0" }, ...contract }))).toBeUndefined();
  expect(refused(tap({ source: { interface: "h0", direction: "ingress" } }))).toBeUndefined();
  expect(refused(tap({ via: "pair" }))).toBeUndefined();
  expect(refused(tap({}))).toBeUndefined();
});

test.each([
  [{ via: "gone" }, '/mirrors/0/via names "gone", which is neither a next hop nor an interface'],
  [{ via: "discard" }, '/mirrors/0/via names "discard", which is reserved'],
  [{ via: "local" }, '/mirrors/0/via names "local", which is reserved'],
  [{ via: "all" }, '/mirrors/0/via names "all", which is of type flood'],
  [{ via: "to-n9" }, '/mirrors/0 lacks the field "vni"'],
  [{ via: "to-n9", label: 100 }, "/mirrors/0/label has no meaning"],
  [{ via: "by-label", vni: 100 }, "/mirrors/0/vni has no meaning"],
  [{ vni: 100 }, "/mirrors/0/vni has no meaning"],
  [{ source: { interface: "h9" } }, '/mirrors/0/source/interface names "h9", which is no interface'],
  [{ source: { interface: "h1" } }, '/mirrors/0/source copies "h1" to itself'],
  [{ via: "out-h0", source: { interface: "h0" } }, '/mirrors/0/source copies "h0" to itself'],
  [{ via: "pair", source: { interface: "h1" } }, '/mirrors/0/source copies "h1" to itself'],
  [{ truncateBytes: 10 }, "/mirrors/0/truncateBytes must be an integer from 64 to 65535"],
  [
    { source: { interface: "h0", direction: "up" } },
    "/mirrors/0/source/direction must be one of ingress, egress, both",
  ],
])("a mirror %o is refused with the field", (fields, reason) => {
  expect(refused(tap(fields))).toContain(reason);
});

test("a direction of an interface has one mirror", () => {
  const mirrors = (first: object, second: object) => [
    { name: "one", via: "h1", ...first },
    { name: "two", via: "h1", ...second },
  ];
  const of = (direction: string) => ({ source: { interface: "h0", direction } });
  expect(refused({ mirrors: mirrors(of("ingress"), of("egress")) })).toBeUndefined();
  expect(refused({ mirrors: mirrors(of("ingress"), of("both")) })).toContain('which mirror "one" copies');
  const interfaces = [{ ...base.interfaces[0], mirror: "one" }, ...base.interfaces.slice(1)];
  expect(refused({ interfaces, mirrors: mirrors({}, {}) })).toBeUndefined();
  expect(refused({ interfaces, mirrors: mirrors(of("both"), {}) })).toBeUndefined();
  expect(refused({ interfaces, mirrors: mirrors({}, of("egress")) })).toContain('which mirror "one" copies');
});

test("what a mirror uses stays, and so does a mirror that is used", () => {
  const state = new DesiredState();
  const policies = [{ name: "p", rules: [{ action: "allow", direction: "ingress", mirror: "tap" }] }];
  const mirrors = [{ name: "tap", via: "to-n9", vni: 1, source: { interface: "h0" } }];
  expect(refused({ policies, mirrors }, state)).toBeUndefined();
  const nexthops = base.nexthops.slice(1, 3);
  expect(refused({ nexthops, mirrors, policies }, state)).toContain('next hop "to-n9" is still used by mirror "tap"');
  expect(refused({ policies }, state)).toContain('mirror "tap" is still used by policy "p"');
  expect(refused({ nexthops }, state)).toBeUndefined();
});
