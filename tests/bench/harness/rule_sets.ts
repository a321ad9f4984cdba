// SPDX-License-Identifier: Apache-2.0
/**
 * Rule sets of the kinds that classifiers are measured with, and packets for them. ACL and firewall follow what
 * ClassBench (Taylor and Turner, 2007) found in real ones: access lists name long prefixes and single ports, firewalls
 * have wildcards and ranges; the third is what a controller of pods makes of network policies.
 */

/** First address and prefix length. */
export interface Network {
  readonly address: number;
  readonly length: number;
}

/** An IPv4 rule. Empty lists take every address. */
export interface BenchRule {
  readonly proto: "tcp" | "udp" | "any";
  readonly from: readonly Network[];
  readonly to: readonly Network[];
  /** First and last, both included. */
  readonly sourcePorts: readonly [number, number];
  readonly ports: readonly [number, number];
}

/** The first packet of a flow. */
export interface BenchPacket {
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export type Kind = "access list" | "firewall" | "pods";
export const kinds: readonly Kind[] = ["access list", "firewall", "pods"];

type Ports = readonly [number, number];
const ALL: Ports = [0, 65_535];
const SERVICES = [22, 25, 53, 80, 110, 123, 143, 161, 389, 443, 445, 993, 1433, 3306, 3389, 5432, 8080, 8443, 9090];

/** Numbers below a bound; the same ones for the same seed. */
export type Below = (bound: number) => number;

/** xorshift32. */
export function numbers(seed: number): Below {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}

const pick = <T>(below: Below, list: readonly T[]): T => list[below(list.length)] as T;

const network = (address: number, length: number): Network => ({
  address: length === 0 ? 0 : (address & (0xffffffff << (32 - length))) >>> 0,
  length,
});

/** Addresses of a few hundred sites, as a company has them, so that prefixes lie in one another. */
const site = (below: Below): number => (0x0a000000 | (below(24) << 19) | below(1 << 19)) >>> 0;

function service(below: Below): Ports {
  const port = below(4) === 0 ? below(65_536) : pick(below, SERVICES);
  return [port, port];
}

function range(below: Below): Ports {
  const first = pick(below, [1024, 5000, 8000, below(60_000)]);
  return [first, Math.min(65_535, first + pick(below, [16, 100, 1000, 65_535]))];
}

const generators: Readonly<Record<Kind, (below: Below) => BenchRule>> = {
  "access list": (below) => ({
    proto: pick(below, ["tcp", "tcp", "tcp", "udp", "any"] as const),
    from: below(8) === 0 ? [] : [network(site(below), pick(below, [16, 20, 24, 24, 27, 28, 30, 32, 32]))],
    to: below(20) === 0 ? [] : [network(site(below), pick(below, [24, 28, 30, 32, 32, 32, 32]))],
    sourcePorts: ALL,
    ports: below(6) === 0 ? range(below) : service(below),
  }),
  firewall: (below) => ({
    proto: pick(below, ["tcp", "tcp", "udp", "any"] as const),
    from: below(5) < 2 ? [] : [network(site(below), pick(below, [8, 12, 16, 20, 24, 28, 32, 32]))],
    to: below(10) < 3 ? [] : [network(site(below), pick(below, [16, 22, 24, 28, 32, 32]))],
    sourcePorts: below(5) === 0 ? range(below) : ALL,
    ports: below(3) === 0 ? range(below) : service(below),
  }),
  // A few dozen pods that a selector found, towards one pod.
  pods: (below) => ({
    proto: pick(below, ["tcp", "tcp", "tcp", "udp"] as const),
    from:
      below(6) === 0
        ? [network((0x0a000000 | below(1 << 24)) >>> 0, pick(below, [8, 16, 24]))]
        : Array.from({ length: 1 + below(12) }, () => network(0x0af40000 + below(16_384), 32)),
    to: [network(0x0af40000 + below(16_384), 32)],
    sourcePorts: ALL,
    ports: service(below),
  }),
};

export function ruleSet(kind: Kind, count: number, seed: number): BenchRule[] {
  const below = numbers(seed);
  return Array.from({ length: count }, () => generators[kind](below));
}

/** Packets that most of the time match a rule, anywhere in the list; every eighth is drawn at large. */
export function packetsFor(rules: readonly BenchRule[], count: number, seed: number): BenchPacket[] {
  const below = numbers(seed);
  const inside = (networks: readonly Network[]): number => {
    if (networks.length === 0) return site(below);
    const { address, length } = pick(below, networks);
    return (address + below(2 ** (32 - length))) >>> 0;
  };
  const between = ([first, last]: Ports): number => first + below(last - first + 1);
  return Array.from({ length: count }, (_, i) => {
    const rule = pick(below, rules);
    const isStray = i % 8 === 7;
    return {
      protocol: rule.proto === "udp" ? 17 : 6,
      source: isStray ? site(below) : inside(rule.from),
      destination: isStray ? site(below) : inside(rule.to),
      sourcePort: between(rule.sourcePorts),
      destinationPort: isStray ? below(65_536) : between(rule.ports),
    };
  });
}
