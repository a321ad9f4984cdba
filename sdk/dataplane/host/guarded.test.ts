// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { type Prefix, parsePrefix } from "../../address.ts";
import { DesiredState } from "../state/desired.ts";
import { GuardedAddresses } from "./guarded.ts";

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

const state = new DesiredState();
state.begin();
state.put("nexthops", "t4", "state", { name: "t4", type: "tunnel", encap: "vxlan", remote: "198.51.100.7" });
state.put("nexthops", "t6", "state", { name: "t6", type: "tunnel", encap: "vxlan", remote: "2001:db8::7" });
state.put("nexthops", "up", "state", { name: "up", type: "interface", device: "f0", gateway: "203.0.113.254" });
const guarded = GuardedAddresses.of(state, [prefix("192.0.2.1/24"), prefix("2001:db8:1::1/64")]);

test.each([
  "198.51.100.7/32",
  "198.51.100.0/29",
  "198.0.0.0/8",
  "2001:db8::7/128",
  "2001:db8::/29",
  "::/1",
  "203.0.113.254/31",
  "192.0.2.2/32",
  "192.0.2.128/25",
  "192.0.2.0/24",
  "2001:db8:1::2/128",
])("%s stays the host's", (text) => {
  expect(guarded.guards(prefix(text))).toBe(true);
});

test.each(["198.51.100.6/32", "198.51.100.8/29", "10.97.0.0/16", "192.0.0.0/9", "2001:db8:2::/64", "2001:db8::8/125"])(
  "%s is led to Weir",
  (text) => {
    expect(guarded.guards(prefix(text))).toBe(false);
  },
);
