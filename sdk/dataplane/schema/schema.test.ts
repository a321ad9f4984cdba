// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { WeirError } from "../../errors.ts";
import { checkState, kindSchemas, stateJsonSchema } from "./index.ts";

/** The error that `state` is refused with. */
function refusal(state: unknown): { message: string; field: string | undefined } {
  try {
    checkState(state);
  } catch (error) {
    if (error instanceof WeirError) return { message: error.message, field: error.field };
    throw error;
  }
  throw new Error("The state was accepted");
}

const contract = {
  node: {
    name: "n1",
    underlay: "192.0.2.1",
    gatewayMac: "00:00:5e:00:01:00",
    headless: { newFlows: "drop" },
    limits: { flows: 524288, routes: 1048576, nexthops: 524288 },
    timeouts: { tcpEstablishedSeconds: 3600 },
  },
  vrfs: [{ name: "red", unknownUnicast: "drop" }],
  interfaces: [
    { name: "f0", role: "fabric" },
    {
      name: "h0",
      role: "workload",
      vrf: "red",
      hook: "auto",
      mac: "02:00:00:00:01:01",
      addresses: ["10.97.0.1", "fd00:97::1"],
      gateways: ["10.97.0.254"],
      netns: "pod-a",
      policies: ["web"],
      allowedAddresses: [{ address: "10.97.0.100" }],
      qos: "voice",
      police: { ingress: { bitsPerSecond: 1_000_000_000, burstBytes: 250_000 } },
    },
  ],
  nexthops: [{ name: "uplink", type: "interface", device: "f0", gateway: "192.0.2.254" }],
  routes: [{ vrf: "red", prefix: "203.0.113.0/24", via: "discard" }],
  qos: [{ name: "voice", dscp: { 46: 5 }, exp: { 5: 5 }, pcp: { 5: 5 } }],
  sets: [{ name: "clients", prefixes: ["10.97.0.0/16"] }],
  policies: [
    {
      name: "web",
      default: "deny",
      rules: [
        {
          name: "http",
          action: "allow",
          direction: "ingress",
          proto: "tcp",
          ports: [80, "8000-8080"],
          from: ["10.97.0.0/16", { set: "clients" }],
        },
        { action: "allow", direction: "ingress", proto: "icmp", types: [8, "3/4"] },
        { action: "allow", direction: "egress", proto: "any", to: ["0.0.0.0/0", "::/0"] },
      ],
    },
    { name: "each", default: { ingress: "ask", egress: "allow" } },
  ],
};

test("the contract's own document is accepted, less what later work brings", () => {
  expect(checkState(contract)).toEqual(contract as never);
});

test("an empty document is the empty state", () => {
  for (const empty of [undefined, null, {}]) expect(checkState(empty)).toEqual({});
  expect(checkState({ routes: null })).toEqual({});
});

describe("wrong input is refused with its field", () => {
  const cases: [string, unknown, string, string][] = [
    ["a document that is no object", [], "", "Cannot apply the state: the document must be an object, is a list"],
    [
      "an unknown kind",
      { route: [] },
      "/route",
      'Cannot apply the state: /route is not a kind of object; did you mean "routes"?',
    ],
    [
      "an unknown field",
      { routes: [{ vrf: "red", prefix: "10.0.0.0/8", vai: "h0" }] },
      "/routes/0/vai",
      'Cannot apply the state: /routes/0/vai is not a known field; did you mean "via"?',
    ],
    [
      "a missing field",
      { routes: [{ vrf: "red", prefix: "10.0.0.0/8" }] },
      "/routes/0",
      'Cannot apply the state: /routes/0 lacks the field "via"; give it the name of an object',
    ],
    [
      "a bad address in a list",
      { interfaces: [{ name: "h0", role: "workload", vrf: "red", addresses: ["10.0.0.1", "10.0.0.256"] }] },
      "/interfaces/0/addresses/1",
      'Cannot apply the state: /interfaces/0/addresses/1 must be an IPv4 or IPv6 address, is "10.0.0.256"',
    ],
    [
      "an address twice",
      { interfaces: [{ name: "h0", role: "workload", addresses: ["10.0.0.1", "10.0.0.1"] }] },
      "/interfaces/0/addresses/1",
      'Cannot apply the state: /interfaces/0/addresses/1 repeats "10.0.0.1"; give it once',
    ],
    [
      "a MAC that YAML read as a number",
      { interfaces: [{ name: "h0", role: "workload", mac: 12345 }] },
      "/interfaces/0/mac",
      'Cannot apply the state: /interfaces/0/mac must be a MAC address such as "02:00:00:00:00:01" (quoted, or YAML reads it as a number), is 12345',
    ],
    [
      "a number out of range",
      { node: { timeouts: { udpSeconds: 0 } } },
      "/node/timeouts/udpSeconds",
      "Cannot apply the state: /node/timeouts/udpSeconds must be an integer from 1 to 65535, is 0",
    ],
    [
      "a wrong word",
      { interfaces: [{ name: "h0", role: "workload", hook: "xpd" }] },
      "/interfaces/0/hook",
      'Cannot apply the state: /interfaces/0/hook must be one of auto, tc, xdp, is "xpd"',
    ],
    [
      "a backward port range",
      { policies: [{ name: "p", rules: [{ action: "allow", direction: "ingress", ports: ["90-80"] }] }] },
      "/policies/0/rules/0/ports/0",
      'Cannot apply the state: /policies/0/rules/0/ports/0 must be a port from 0 to 65535 or a range such as "8000-8080", is "90-80"',
    ],
    [
      "an unknown field deep inside",
      { policies: [{ name: "p", rules: [{ action: "allow", direction: "ingress", form: [] }] }] },
      "/policies/0/rules/0/form",
      'Cannot apply the state: /policies/0/rules/0/form is not a known field; did you mean "from"?',
    ],
    [
      "a field of a union's object",
      { policies: [{ name: "p", rules: [{ action: "allow", direction: "ingress", from: [{ sets: "x" }] }] }] },
      "/policies/0/rules/0/from/0/sets",
      'Cannot apply the state: /policies/0/rules/0/from/0/sets is not a known field; did you mean "set"?',
    ],
    ["a list that is none", { routes: {} }, "/routes", "Cannot apply the state: /routes must be a list, is an object"],
    [
      "an object that is none",
      { routes: ["x"] },
      "/routes/0",
      'Cannot apply the state: /routes/0 must be an object, is "x"',
    ],
    [
      "a DSCP that there is not",
      { qos: [{ name: "q", dscp: { 46: 5, 64: 5 } }] },
      "/qos/0/dscp/64",
      "Cannot apply the state: /qos/0/dscp/64 is no key of a map of DSCPs (0 to 63) to forwarding classes (0 to 63)",
    ],
    [
      "a class that there is not",
      { qos: [{ name: "q", pcp: { 7: 64 } }] },
      "/qos/0/pcp/7",
      "Cannot apply the state: /qos/0/pcp/7 must be an integer from 0 to 63, is 64",
    ],
    [
      "a mark that is none",
      { qos: [{ name: "q", classes: { 5: { dcsp: 46 } } }] },
      "/qos/0/classes/5/dcsp",
      'Cannot apply the state: /qos/0/classes/5/dcsp is not a known field; did you mean "dscp"?',
    ],
    [
      "a rate too low to be meant",
      { interfaces: [{ name: "h0", role: "workload", police: { ingress: { bitsPerSecond: 100, burstBytes: 1 } } }] },
      "/interfaces/0/police/ingress/bitsPerSecond",
      "Cannot apply the state: /interfaces/0/police/ingress/bitsPerSecond must be an integer from 1000 to 400000000000, is 100",
    ],
    [
      "a bad name",
      { vrfs: [{ name: "red blue" }] },
      "/vrfs/0/name",
      'Cannot apply the state: /vrfs/0/name must be a name of at most 63 letters, digits and _ . : @ -, the first one a letter or digit, is "red blue"',
    ],
  ];
  for (const [what, state, field, message] of cases) {
    test(what, () => expect(refusal(state)).toEqual({ message, field }));
  }
});

describe("what later work brings is refused by name", () => {
  const cases: [unknown, string][] = [
    [{ services: [] }, "/services is not supported yet"],
    [{ interfaces: [{ name: "h0", role: "workload", shared: true }] }, "/interfaces/0/shared is not supported yet"],
  ];
  for (const [state, reason] of cases) test(reason, () => expect(refusal(state).message).toContain(reason));
});

test("the JSON Schema is plain data in which every field has a description", () => {
  const schema = stateJsonSchema();
  expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  const missing: string[] = [];
  const walk = (value: Record<string, unknown>, path: string): void => {
    const properties = (value["properties"] ?? {}) as Record<string, Record<string, unknown>>;
    for (const [field, inner] of Object.entries(properties)) {
      if (typeof inner["description"] !== "string") missing.push(`${path}.${field}`);
      walk(inner, `${path}.${field}`);
    }
    const items = value["items"] as Record<string, unknown> | undefined;
    if (items !== undefined) walk(items, path);
  };
  for (const [kind, kindSchema] of Object.entries(kindSchemas)) walk(kindSchema, kind);
  expect(missing).toEqual([]);
});
