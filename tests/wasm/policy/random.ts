// SPDX-License-Identifier: Apache-2.0
/** Random rule sets and packets. Few different values, so that rules overlap and packets hit their edges. */

import type { PolicyInput, PolicyRuleInput } from "../../../sdk/slowpath/index.ts";
import type { Flow } from "./naive.ts";

/** A seeded source of numbers (xorshift32): a failure can be brought again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.below(2);
  }

  /** 0 to n - 1. */
  below(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % n;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** True once in n times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  list<T>(from: number, to: number, make: () => T): T[] {
    return Array.from({ length: from + this.below(to - from + 1) }, make);
  }
}

/** A rule set and what it refers to. */
export interface Case {
  readonly policies: readonly PolicyInput[];
  readonly prefixSets: ReadonlyMap<string, readonly string[]>;
}

export const MIRRORS: ReadonlyMap<string, number> = new Map([
  ["left", 3],
  ["right", 9],
]);

const PORTS = [0, 1, 2, 79, 80, 81, 443, 1023, 1024, 8080, 32768, 65534, 65535];
const TYPES = [0, 3, 8, 11, 128, 129, 135, 255];
const SETS = ["alpha", "beta", "gamma", "delta"];
const PROTOCOLS = ["any", "tcp", "udp", "sctp", "icmp", "icmpv6", "gre", 1, 6, 58, 89] as const;
const ACTIONS = ["allow", "deny", "reject", "log", "pass", "ask"] as const;
const DEFAULTS = ["allow", "deny", "ask"] as const;

function address4(r: Random): number {
  const corner = [0, 0xffffffff, 0x0a000000, 0x0a0000ff, 0x0a000100, 0xc0a80001, 0x7fffffff, 0x80000000];
  return r.once(3) ? r.of(corner) : (0x0a000000 | (r.below(4) << 14) | r.below(8)) >>> 0;
}

function text4(value: number): string {
  return [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255].join(".");
}

function address6(r: Random): bigint {
  const corner = [0n, (1n << 128n) - 1n, 0xfd00n << 112n, (0xfd00n << 112n) | ((1n << 64n) - 1n), 1n << 64n];
  if (r.once(3)) return r.of(corner);
  return (0xfd00n << 112n) | (BigInt(r.below(3)) << 64n) | (BigInt(r.below(3)) << 63n) | BigInt(r.below(8));
}

/** The groups as they are; mapped addresses are IPv4's, and no text stands for them here. */
function text6(value: bigint): string {
  return Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - i * 16)) & 0xffffn).toString(16)).join(":");
}

export function prefix(r: Random): string {
  if (r.once(2)) {
    const length = r.once(3) ? r.below(33) : r.of([0, 8, 18, 24, 29, 31, 32]);
    const value = length === 0 ? 0 : (address4(r) & (0xffffffff << (32 - length))) >>> 0;
    return `${text4(value)}/${length}`;
  }
  const length = r.once(3) ? r.below(129) : r.of([0, 16, 64, 65, 125, 127, 128]);
  const value = (address6(r) >> BigInt(128 - length)) << BigInt(128 - length);
  return `${text6(value)}/${length}`;
}

function port(r: Random): number {
  return r.once(5) ? r.below(65536) : r.of(PORTS);
}

function range(r: Random): number | string {
  if (r.once(2)) return port(r);
  const [a, b] = [port(r), port(r)];
  return `${Math.min(a, b)}-${Math.max(a, b)}`;
}

function ruleOf(r: Random, name: string | undefined): PolicyRuleInput {
  const proto = r.of(PROTOCOLS);
  const ports = ["any", "tcp", "udp", "sctp", 6].includes(proto);
  const types = ["icmp", "icmpv6", 1, 58].includes(proto);
  const peers = () => r.list(r.once(12) ? 0 : 1, 4, () => (r.once(4) ? { set: r.of(SETS) } : prefix(r)));
  return {
    name,
    action: r.of(ACTIONS),
    direction: r.of(["ingress", "egress", undefined] as const),
    proto: r.once(2) ? undefined : proto,
    from: r.once(3) ? peers() : undefined,
    to: r.once(3) ? peers() : undefined,
    except: r.once(4) ? r.list(0, 3, () => prefix(r)) : undefined,
    mirror: r.once(8) ? r.of([...MIRRORS.keys()]) : undefined,
    log: r.once(8),
    ...(ports && r.once(2) ? { proto, ports: r.list(1, 4, () => range(r)) } : {}),
    ...(ports && r.once(4) ? { proto, sourcePorts: r.list(1, 3, () => range(r)) } : {}),
    ...(types && r.once(2)
      ? { proto, types: r.list(1, 3, () => (r.once(2) ? r.of(TYPES) : `${r.of(TYPES)}/${r.below(3)}`)) }
      : {}),
  };
}

export function prefixSets(r: Random): Map<string, string[]> {
  return new Map(SETS.map((name) => [name, r.list(0, 6, () => prefix(r))]));
}

/** Up to four policies with up to `most` rules each. */
export function randomCase(r: Random, most: number): Case {
  const policies = r
    .list(r.once(20) ? 0 : 1, 4, () => undefined)
    .map((_, i): PolicyInput => {
      const given = r.of(DEFAULTS);
      return {
        name: `p${i}`,
        default: r.once(3) ? { ingress: r.of(DEFAULTS), egress: given } : r.once(3) ? undefined : given,
        rules: r.list(0, most, () => undefined).map((_, k) => ruleOf(r, r.once(2) ? `r${k}` : undefined)),
      };
    });
  return { policies, prefixSets: prefixSets(r) };
}

export function randomFlow(r: Random): Flow {
  const v6 = r.once(2);
  const protocol = r.of([6, 6, 17, 132, 1, 58, 47, 89]);
  const address = () => (v6 ? text6(address6(r)) : text4(address4(r)));
  return {
    source: address(),
    destination: address(),
    protocol,
    sourcePort: port(r),
    destinationPort: port(r),
    icmp: protocol === (v6 ? 58 : 1) ? (r.of(TYPES) << 8) | r.below(4) : undefined,
  };
}
