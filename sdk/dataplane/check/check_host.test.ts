// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { DesiredState } from "../state/desired.ts";
import { apply, refusal } from "../testing/desired.ts";

const vrfs = [{ name: "red" }, { name: "blue" }];
const lo = { name: "lo", role: "host", vrf: "red" };
const workload = { name: "h0", role: "workload", vrf: "red" };

const refused = (interfaces: object[], more: object = {}) => refusal(new DesiredState(), { vrfs, interfaces, ...more });

test("the contract's host interface is accepted, and so is one on another device with all that it may have", () => {
  expect(refused([lo])).toBeUndefined();
  const fields = {
    addresses: ["10.97.255.1", "fd00:97::ff:1"],
    policies: [],
    kernelTable: 0,
    rpf: "strict",
    order: "tail",
  };
  expect(refused([lo, { ...lo, name: "host", device: "d0", vrf: "blue", hook: "tc", ...fields }])).toBeUndefined();
});

test.each([
  [{ vrf: undefined }, '/interfaces/1 lacks the field "vrf"'],
  [{ vrf: "underlay" }, '/interfaces/1/vrf is "underlay", where the host is by itself'],
  [{ vrf: "green" }, '/interfaces/1/vrf names "green", which is no VRF'],
  [{ hook: "xdp" }, '/interfaces/1/hook is "xdp", which sees nothing that the host sends'],
  [{ mac: "02:00:00:00:00:01" }, "/interfaces/1/mac has no meaning for role host; leave it out"],
  [{ gateways: ["10.97.0.254"] }, "/interfaces/1/gateways has no meaning for role host"],
  [{ sourceCheck: true }, "/interfaces/1/sourceCheck has no meaning for role host"],
  [{ netns: "pod" }, "/interfaces/1/netns has no meaning for role host"],
  [{ parent: "h0", vlan: 7 }, "/interfaces/1/parent has no meaning for role host"],
  [{ kernelTable: 255 }, "/interfaces/1/kernelTable is 255, the table of the kernel's own addresses"],
  [{ addresses: ["10.97.0.1"] }, '/interfaces/1/addresses/0 is "10.97.0.1", which interface "h0" of VRF "red" has too'],
])("%j is refused", (fields, message) => {
  expect(
    refused([
      { ...workload, addresses: ["10.97.0.1"] },
      { ...lo, ...fields },
    ]),
  ).toContain(message);
});

const service = { address: "169.254.169.254", port: 80, backend: { address: "127.0.0.1", port: 8775 } };
const services = (...list: object[]) => ({ ...lo, services: list.map((fields) => ({ ...service, ...fields })) });

test("services may share an address or a port, and each address is a route to the host once", () => {
  const state = new DesiredState();
  const six = { address: "fe80::a9fe:a9fe", backend: { address: "::1", port: 8775 } };
  apply(state, { vrfs, interfaces: [services({}, { port: 81 }, { proto: "udp" }, six)] });
  expect([...state.objects("routes")].map(({ prefix, via }) => `${prefix} ${via}`).sort()).toEqual([
    "169.254.169.254/32 lo",
    "fe80::a9fe:a9fe/128 lo",
  ]);
});

test.each([
  [{ address: "224.0.0.1" }, '/interfaces/1/services/0/address is "224.0.0.1", which no service can have'],
  [{ address: "::2" }, '/interfaces/1/services/0/backend/address is "127.0.0.1", of another family than the service'],
  [{ port: 0 }, "/interfaces/1/services/0/port must be an integer from 1 to 65535"],
  [{ proto: "icmp" }, "/interfaces/1/services/0/proto must be one of tcp, udp"],
  [
    { address: "10.97.0.1" },
    '/interfaces/1/services/0/address is "10.97.0.1", which interface "h0" of VRF "red" has too',
  ],
])("a service with %j is refused", (fields, message) => {
  expect(refused([{ ...workload, addresses: ["10.97.0.1"] }, services(fields)])).toContain(message);
});

test("a service is there once, not at an address of the host's own, and only of the host", () => {
  expect(refused([services({}, { proto: "tcp" })])).toContain(
    "/interfaces/0/services/1 repeats /interfaces/0/services/0",
  );
  const own = { ...services({ address: "10.97.255.1" }), addresses: ["10.97.255.1"] };
  expect(refused([own])).toContain('/interfaces/0/services/0/address is "10.97.255.1"');
  expect(refused([{ ...workload, services: [service] }])).toContain(
    "/interfaces/0/services has no meaning for role workload",
  );
});

test("a VRF has the host once, and only the host has a kernel table", () => {
  const other = { ...lo, name: "other", device: "d0" };
  expect(refused([lo, other])).toContain('/interfaces/1/vrf is "red", where the host is by interface "lo"');
  expect(refused([{ ...workload, kernelTable: 7 }])).toContain(
    "/interfaces/0/kernelTable has no meaning for role workload",
  );
});

test.each([
  [{ fdb: [{ vrf: "red", mac: "02:00:00:00:00:09", via: "lo" }] }, '/fdb/0/via names "lo", the host\'s own stack'],
  [
    { nexthops: [{ name: "n", type: "interface", device: "lo" }] },
    '/nexthops/0/device names "lo", the host\'s own stack',
  ],
  [
    { nexthops: [{ name: "n", type: "flood", members: [{ nexthop: "lo" }] }] },
    '/nexthops/0/members/0/nexthop names "lo"',
  ],
  [
    { nexthops: [{ name: "n", type: "ecmp", members: [{ nexthop: "lo" }] }] },
    '/nexthops/0/members/0/nexthop names "lo"',
  ],
  [{ mirrors: [{ name: "m", via: "lo" }] }, '/mirrors/0/via names "lo", the host\'s own stack'],
  [{ labels: [{ label: 100, via: "lo", payload: "ethernet" }] }, '/labels/0/via names "lo", the host\'s own stack'],
])("%j leads nowhere", (more, message) => {
  expect(refused([lo], more)).toContain(message);
});

test("routes and labels of IP packets lead to the host", () => {
  expect(refused([lo], { labels: [{ label: 100, via: "lo" }] })).toBeUndefined();
  expect(refused([lo], { routes: [{ vrf: "red", prefix: "10.96.0.0/16", via: "lo" }] })).toBeUndefined();
});

test("an interface does not become the host in place", () => {
  const state = new DesiredState();
  apply(state, { vrfs, interfaces: [workload] });
  const host = { ...workload, role: "host" };
  expect(refusal(state, { vrfs, interfaces: [host] })).toContain('/interfaces/0/role is "host", and was "workload"');
  apply(state, { vrfs });
  expect(refusal(state, { vrfs, interfaces: [host] })).toBeUndefined();
});

test("the host has the underlay address where it names none, and follows the node's", () => {
  const state = new DesiredState();
  const routes = () => [...state.objects("routes")].map(({ prefix, via }) => `${prefix} ${via}`);
  apply(state, { node: { underlay: "192.0.2.1" }, vrfs, interfaces: [lo] });
  expect(routes()).toEqual(["192.0.2.1/32 lo"]);
  apply(state, { node: { underlay: "2001:db8::1" }, vrfs, interfaces: [lo] });
  expect(routes()).toEqual(["2001:db8::1/128 lo"]);
  apply(state, { node: { underlay: "192.0.2.1" }, vrfs, interfaces: [{ ...lo, addresses: ["10.97.255.1"] }] });
  expect(routes()).toEqual(["10.97.255.1/32 lo"]);
  apply(state, { vrfs, interfaces: [lo] });
  expect(routes()).toEqual([]);
});
