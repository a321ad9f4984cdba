// SPDX-License-Identifier: Apache-2.0
/** Rule sets of 10 000 rules that are hard on a classifier, against the naive evaluation. */

import { describe, expect, test } from "bun:test";
import { compilePolicy, type PolicyRuleInput } from "../../../sdk/slowpath/index.ts";
import { Comparison } from "./comparison.ts";
import type { Flow } from "./naive.ts";
import { Random } from "./random.ts";

const RULES = 10_000;
const PACKETS = 60;
/** What the slow path has room for if nothing else is said. */
const ROOM = 32 << 20;

interface Shape {
  readonly rules: (r: Random, i: number) => PolicyRuleInput;
  readonly flow: (r: Random) => Partial<Flow>;
  readonly sets?: ReadonlyMap<string, readonly string[]>;
}

const v4 = (value: number): string => [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255].join(".");
const v6 = (a: number, b: number): string => `2001:db8:${a.toString(16)}::${b.toString(16)}`;
/** Many spread values, in an order that is none. */
const spread = (i: number): number => Math.imul(i, 0x9e3779b1) >>> 0;
const action = (i: number) => (["allow", "deny", "reject", "ask"] as const)[i % 4] ?? "allow";

const shapes: Readonly<Record<string, Shape>> = {
  "hosts, each with a port": {
    rules: (_, i) => ({ action: action(i), from: [v4(spread(i))], to: [v4(spread(i + 1))], proto: "tcp", ports: [i] }),
    flow: (r) => {
      const i = r.below(RULES);
      return { source: v4(spread(i)), destination: v4(spread(i + 1)), destinationPort: r.once(4) ? i + 1 : i };
    },
  },
  "port ranges that all overlap": {
    rules: (_, i) => ({
      action: action(i),
      proto: "tcp",
      ports: [`${i}-${65_535 - i}`],
      sourcePorts: [`${RULES - i}-${RULES + 2 * i}`],
    }),
    flow: (r) => ({ destinationPort: r.below(65_536), sourcePort: r.below(40_000) }),
  },
  "random port ranges": {
    rules: (r, i) => {
      const [a, b, c] = [r.below(65_536), r.below(65_536), r.below(65_000)];
      const ports = [`${Math.min(a, b)}-${Math.max(a, b)}`];
      return { action: action(i), proto: r.of(["tcp", "udp"]), ports, sourcePorts: [`${c}-${c + r.below(500)}`] };
    },
    flow: (r) => ({ destinationPort: r.below(65_536), sourcePort: r.below(65_536) }),
  },
  "wildcards that the last rule alone decides behind": {
    rules: (_, i) => (i === RULES - 1 ? { action: "allow" } : { action: "deny", proto: "udp" }),
    flow: (r) => ({ protocol: r.of([6, 17, 132]) }),
  },
  "nested prefixes with exceptions": {
    rules: (_, i) => {
      const [length, value] = [8 + (i % 24), spread(i)];
      const cut = (bits: number) => `${v4((value & (0xffffffff << (32 - bits))) >>> 0)}/${bits}`;
      return { action: action(i), from: [cut(length)], except: [cut(length + 1), `${v4(value)}/32`] };
    },
    flow: (r) => {
      const value = (spread(r.below(RULES)) ^ (1 << r.below(24))) >>> 0;
      return { source: v4(value), destination: v4((value ^ 1) >>> 0) };
    },
  },
  "IPv6 prefixes": {
    rules: (_, i) => ({
      action: action(i),
      from: [`2001:db8:${(i % 4096).toString(16)}::/48`, `${v6(i, i)}/127`.replace(/[13579bdf]\/127$/, "0/127")],
      to: [v6(i, 2 * i)],
      proto: "udp",
    }),
    flow: (r) => {
      const i = r.below(RULES);
      return { source: v6(i, r.below(RULES)), destination: v6(i, 2 * i), protocol: 17 };
    },
  },
  "address sets that share members": {
    rules: (_, i) => ({ action: action(i), from: [{ set: `s${i % 300}` }], to: [{ set: `s${(i * 7) % 300}` }] }),
    flow: (r) => ({ source: v4(0x0a000000 + r.below(200)), destination: v4(0x0a000000 + r.below(200)) }),
    sets: new Map(
      Array.from({ length: 300 }, (_, i) => [
        `s${i}`,
        Array.from({ length: 8 }, (_, k) => v4(0x0a000000 + ((i * 13 + k * k) % 150))),
      ]),
    ),
  },
};

const ANY: Flow = {
  source: "10.0.0.1",
  destination: "10.0.0.2",
  protocol: 6,
  sourcePort: 1000,
  destinationPort: 80,
  icmp: undefined,
};

describe("10 000 rules", () => {
  for (const [name, { rules, flow, sets }] of Object.entries(shapes)) {
    test(`of ${name} decide as they read`, () => {
      const r = new Random(11);
      const list = Array.from({ length: RULES }, (_, i) => rules(r, i));
      const comparison = new Comparison(ROOM);
      comparison.use({ policies: [{ name: "p", rules: list }], prefixSets: sets ?? new Map() });
      const verdicts = new Set<string>();
      for (let i = 0; i < PACKETS; i++) {
        const { expected, found } = comparison.compare({ ...ANY, ...flow(r) }, r.of(["ingress", "egress"] as const));
        expect(found).toBe(expected);
        verdicts.add(found);
      }
      expect(verdicts.size).toBeGreaterThan(1);
    }, 30_000);
  }
});

describe("a table that does not fit", () => {
  const rules: PolicyRuleInput[] = Array.from({ length: 500 }, (_, i) => ({ action: "allow", from: [v4(spread(i))] }));
  const sets = [[{ name: "p", rules }]];

  test("is refused by its name", () => {
    const compile = () => compilePolicy({ revision: 1, sets, room: { table: 20_000, addressSets: 1000 } });
    expect(compile).toThrow(
      'Cannot compile the policies: table "policies" would take more than the 20000 bytes that there is room for; ' +
        "use fewer rules, or prefixes in place of single addresses",
    );
    const prefixSets = new Map([["many", rules.map((_, i) => v4(spread(i)))]]);
    const named = [[{ name: "p", rules: [{ action: "allow" as const, from: [{ set: "many" }] }] }]];
    expect(() =>
      compilePolicy({ revision: 1, sets: named, prefixSets, room: { table: 20_000, addressSets: 1000 } }),
    ).toThrow('Cannot compile the address sets: table "address sets" would take more than the 1000 bytes');
  });

  test("changes nothing of what is in force", () => {
    const comparison = new Comparison(20_000);
    comparison.use({ policies: [{ name: "p", default: "ask", rules: [] }], prefixSets: new Map() });
    expect(() => comparison.use({ policies: [{ name: "p", rules }], prefixSets: new Map() })).toThrow("there is room");
    expect(comparison.compare(ANY, "ingress").found).toStartWith("ask");
  });
});
