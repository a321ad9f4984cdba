// SPDX-License-Identifier: Apache-2.0
/** The compiled table matched in AssemblyScript, against a naive evaluation of the rules themselves. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ruleActions } from "../../../sdk/layout/index.ts";
import {
  compilePolicy,
  type DirectionName,
  type PolicyInput,
  type PolicyRuleInput,
} from "../../../sdk/slowpath/index.ts";
import { FakeWorker } from "../harness.ts";
import { decideNaively, type Flow, frameOf } from "./naive.ts";

const v4Address = fc
  .tuple(fc.constantFrom(10, 192), fc.constantFrom(0, 1), fc.constantFrom(0, 128), fc.constantFrom(1, 2))
  .map((b) => b.join("."));
const v6Address = fc.tuple(fc.constantFrom("fd00", "2001"), fc.constantFrom("1", "2")).map(([a, b]) => `${a}::${b}`);
const prefix = fc.oneof(
  fc.constantFrom(
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/8",
    "10.0.0.0/15",
    "10.1.128.0/17",
    "192.0.0.1/32",
    "fd00::/16",
    "fd00::1/128",
    "2000::/3",
  ),
);
const port = fc.constantFrom(1, 53, 80, 443, 8080, 65535);
const ports = fc.array(fc.oneof(port, fc.constantFrom("1-100", "8000-8080", "443-65535")), {
  minLength: 1,
  maxLength: 3,
});
const list = fc.option(fc.array(prefix, { minLength: 1, maxLength: 3 }), { nil: undefined });

const ruleOf = (proto: string): fc.Arbitrary<PolicyRuleInput> =>
  fc.record({
    action: fc.constantFrom("allow", "deny", "reject", "log", "pass", "ask" as const),
    direction: fc.constantFrom("ingress", "egress", undefined),
    proto: fc.constant(proto),
    from: list,
    to: list,
    except: list,
    ports: ["tcp", "udp", "any"].includes(proto) ? fc.option(ports, { nil: undefined }) : fc.constant(undefined),
    sourcePorts: proto === "tcp" ? fc.option(ports, { nil: undefined }) : fc.constant(undefined),
    types: proto.startsWith("icmp")
      ? fc.option(fc.array(fc.constantFrom(0, 8, 128, "8/0", "3/4"), { minLength: 1, maxLength: 2 }), {
          nil: undefined,
        })
      : fc.constant(undefined),
  }) as fc.Arbitrary<PolicyRuleInput>;

const rule = fc.constantFrom("any", "tcp", "udp", "icmp", "icmpv6").chain(ruleOf);
const decision = fc.constantFrom("allow", "deny", "ask" as const);
const policies = fc.array(
  fc.record({
    name: fc.constantFrom("p", "q", "r"),
    default: fc.oneof(decision, fc.record({ ingress: decision, egress: decision }), fc.constant(undefined)),
    rules: fc.array(rule, { maxLength: 6 }),
  }),
  { maxLength: 3 },
) as fc.Arbitrary<PolicyInput[]>;

const flow: fc.Arbitrary<Flow> = fc
  .tuple(fc.boolean(), fc.constantFrom(6, 17, 1, 58, 132, 47), port, port, fc.constantFrom(0x0800, 0x0000, 0x8000))
  .chain(([v6, protocol, sourcePort, destinationPort, type]) => {
    const address = v6 ? v6Address : v4Address;
    const isIcmp = protocol === (v6 ? 58 : 1);
    return fc.record({
      source: address,
      destination: address,
      protocol: fc.constant(protocol),
      sourcePort: fc.constant(sourcePort),
      destinationPort: fc.constant(destinationPort),
      icmp: fc.constant(isIcmp ? type : undefined),
    });
  });

const worker = new FakeWorker();
const AT = worker.layout.umem + 256;

function verdict(sets: readonly (readonly PolicyInput[])[], f: Flow, egressSet: number, ingressSet: number): string {
  worker.setPolicy(compilePolicy({ revision: 1, sets }));
  worker.setInterface(1, egressSet);
  worker.setInterface(2, ingressSet);
  return judged(f);
}

function judged(f: Flow): string {
  const frame = frameOf(f);
  worker.writeTrap(AT, frame, {});
  const action = ruleActions[worker.wasm.judge(AT, frame.length)] ?? "none";
  worker.takeEvents();
  return action;
}

const naiveVerdict = (policies: readonly PolicyInput[], f: Flow, direction: DirectionName): string =>
  decideNaively(policies, f, direction).action;

describe("policy", () => {
  test("a set decides as its rules read", () => {
    fc.assert(
      fc.property(policies, flow, fc.constantFrom("ingress", "egress" as const), (set, f, direction) => {
        const got = direction === "egress" ? verdict([set], f, 1, 0) : verdict([set], f, 0, 1);
        expect(got).toBe(naiveVerdict(set, f, direction as DirectionName));
      }),
      { numRuns: 2000 },
    );
  });

  test("both policies must allow; a denial on either side is final", () => {
    fc.assert(
      fc.property(policies, policies, flow, (from, to, f) => {
        const egress = naiveVerdict(from, f, "egress");
        const ingress = naiveVerdict(to, f, "ingress");
        const expected = egress === "deny" || egress === "reject" || ingress === "allow" ? egress : ingress;
        expect(verdict([from, to], f, 1, 2)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  const any: Flow = {
    source: "10.0.0.1",
    destination: "10.0.0.2",
    protocol: 17,
    sourcePort: 1,
    destinationPort: 2,
    icmp: undefined,
  };

  test("interfaces without policy allow, and an empty list of policies asks", () => {
    expect(verdict([], any, 0, 0)).toBe("allow");
    expect(verdict([[]], any, 1, 0)).toBe("ask");
  });

  test("an interface whose policy is not known yet is not decided", () => {
    expect(verdict([], any, 5, 0)).toBe("none");
  });

  test("a list that is given and empty matches nothing", () => {
    const rules: PolicyRuleInput[] = [{ action: "allow", from: [{ set: "nobody" }] }];
    const sets = [[{ name: "p", default: "ask" as const, rules }]];
    worker.setInterface(1, 1);
    worker.setPolicy(compilePolicy({ revision: 1, sets, prefixSets: new Map([["nobody", []]]) }));
    expect(judged(any)).toBe("ask");
    expect(verdict([[{ name: "p", default: "ask", rules: [{ action: "allow", to: [] }] }]], any, 1, 0)).toBe("ask");
  });

  test("rule numbers depend on the policy and the rule only", () => {
    const web: PolicyInput = { name: "web", rules: [{ name: "http", action: "allow" }, { action: "deny" }] };
    const ids = (sets: PolicyInput[][]) =>
      new Map(compilePolicy({ revision: 1, sets }).rules.map((r) => [`${r.policy}/${r.rule}`, r.id]));
    const alone = ids([[web]]);
    const among = ids([[{ name: "other", rules: [{ action: "pass" }] }, web], [web]]);
    expect([...alone.keys()].sort()).toEqual(["web/#1", "web/default", "web/http"]);
    for (const [key, id] of alone) if (among.has(key)) expect(among.get(key)).toBe(id);
  });

  test("a wrong rule is named", () => {
    const compile = (r: PolicyRuleInput) => () => compilePolicy({ revision: 1, sets: [[{ name: "web", rules: [r] }]] });
    expect(compile({ name: "http", action: "allow", proto: "tcp", ports: ["80-70"] })).toThrow(
      'Cannot compile rule "http" of policy "web": "80-70" is no port or range; write 80 or "8000-8080"',
    );
    expect(compile({ action: "allow", proto: "icmp", ports: [80] })).toThrow("IP protocol 1 has no ports");
    expect(compile({ action: "allow", types: [8] })).toThrow("types belong to ICMP; use proto icmp or icmpv6");
    expect(compile({ action: "allow", from: ["10.0.0.1/8"] })).toThrow('"10.0.0.1/8" has bits behind its length');
    expect(compile({ action: "allow", from: [{ set: "x" }] })).toThrow('there is no set "x"');
    expect(compile({ action: "allow", proto: "tpc" })).toThrow('"tpc" is no protocol');
  });
});
