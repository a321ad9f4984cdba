// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import * as weir from "./index.ts";

/** Names that controllers rely on: a change here is a change of the contract. */
const VALUES = [
  "DEFAULT_GATEWAYS",
  "DEFAULT_GATEWAY_MAC",
  "DEFAULT_HOLD_LIMIT",
  "DEFAULT_LIMITS",
  "DEFAULT_TIMEOUTS",
  "DataPlane",
  "StateSchema",
  "WeirError",
  "attachedPrograms",
  "checkState",
  "destroyInstance",
  "dropReasons",
  "eventKinds",
  "fixDevices",
  "inspectDevice",
  "kindSchemas",
  "kinds",
  "openOptionsOf",
  "stateJsonSchema",
  "trapReasons",
];

const METHODS = [
  "apply",
  "close",
  "destroy",
  "drops",
  "events",
  "inject",
  "onFlowMiss",
  "onPacket",
  "plan",
  "revision",
  "state",
  "trace",
  "transaction",
  "usage",
];

test("the public surface is what it was", () => {
  expect(Object.keys(weir).sort()).toEqual([...VALUES].sort());
  const own = Object.getOwnPropertyNames(weir.DataPlane.prototype).filter((name) => name !== "constructor");
  expect(own.sort()).toEqual(METHODS);
});
