// SPDX-License-Identifier: Apache-2.0
/** The table of packet cases (tests/kernel/cases), each on both hooks. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Bench, checkCase, packetsOf } from "./cases/check.ts";
import { topics } from "./cases/index.ts";
import { INTERFACES } from "./cases/node.ts";
import { WORDS } from "./cases/words.ts";
import { PacketLedger } from "./packet_ledger.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";
import { VethWires } from "./veth_wires.ts";

let bench: Bench;

beforeAll(() => {
  const pipeline = new Pipeline();
  const texts = topics.flatMap(({ cases }) => cases.flatMap(packetsOf));
  const packets = scapyPackets(Object.fromEntries(texts.map((text) => [text, text])), WORDS);
  bench = {
    pipeline,
    wires: new VethWires(INTERFACES.length),
    ledger: new PacketLedger(pipeline, INTERFACES),
    bytesOf: (text) => packets[text] ?? new Uint8Array(0),
  };
}, SCAPY_TIMEOUT_MS);
afterAll(() => {
  bench?.wires[Symbol.dispose]();
  bench?.pipeline[Symbol.dispose]();
});

for (const { name: topic, cases } of topics) {
  describe(topic, () => {
    for (const one of cases) {
      for (const hook of hooks) {
        if (one.only !== undefined && one.only.hook !== hook) continue;
        const why = one.only === undefined ? "" : ` (only there: ${one.only.why})`;
        test(`${one.name} [${hook}${why}]`, () => checkCase(bench, one, hook));
      }
    }
  });
}

test("the names of the cases are their own", () => {
  for (const { cases } of topics) expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
});
