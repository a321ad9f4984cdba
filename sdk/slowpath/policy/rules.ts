// SPDX-License-Identifier: Apache-2.0
/** Reads rules into spans of values. Equal lists are read once, and give the same arrays. */

import type { Prefix } from "../../address.ts";
import { PORT_FIELD_ICMP } from "../../layout/index.ts";
import { familyOfProtocol, parseNetwork, parsePorts, parseProtocol, parseTypes } from "./match_fields.ts";
import type { SetNumbers } from "./set_numbers.ts";
import {
  complement,
  everything,
  IPV4,
  IPV6,
  PORT,
  PROTOCOL,
  type Span,
  spansOf4,
  spansOf6,
  spansOfRanges,
  without,
} from "./spans.ts";
import type { DirectionName, PeerInput, PolicyRuleInput, RuleActionName } from "./types.ts";

/** The addresses that a rule takes on one side. */
export interface Side {
  readonly ipv4: readonly Span<number>[];
  readonly ipv6: readonly Span<bigint>[];
  /** Numbers of address sets whose members it takes too, as far as they are allowed. */
  readonly sets: readonly number[];
  /** What exceptions leave over: the members of sets that it takes. */
  readonly allowed4: readonly Span<number>[];
  readonly allowed6: readonly Span<bigint>[];
}

/** A rule, read. */
export interface ReadRule {
  readonly id: number;
  readonly action: RuleActionName;
  readonly log: boolean;
  /** Index in `mirrors`; 0: none. */
  readonly mirror: number;
  /** Position of its policy among those of the interface. */
  readonly policy: number;
  /** 0: both. */
  readonly family: 0 | 4 | 6;
  /** By direction; `undefined`: it is not for that one. */
  readonly sides: Readonly<Record<DirectionName, { readonly source: Side; readonly destination: Side } | undefined>>;
  readonly protocols: readonly Span<number>[];
  readonly sourcePorts: readonly Span<number>[];
  readonly destinationPorts: readonly Span<number>[];
}

const ALL_PROTOCOLS = everything(PROTOCOL);
const ALL_PORTS = everything(PORT);
const ALL_IPV4 = everything(IPV4);
const ALL_IPV6 = everything(IPV6);

/** Reads the rules of all policies of one compilation. */
export class RuleReader {
  readonly #sets: SetNumbers;
  readonly #sides = new Map<string, Side>();
  readonly #spans = new Map<string, readonly Span<number>[]>();

  constructor(sets: SetNumbers) {
    this.#sets = sets;
  }

  /** What a rule matches; `undefined` for nothing: a list that is given and empty can never match. */
  read(rule: PolicyRuleInput, where: string): Omit<ReadRule, "id" | "mirror" | "policy"> | undefined {
    const protocol = parseProtocol(rule.proto, where);
    const sidesOf = (direction: DirectionName): ReadRule["sides"][DirectionName] => {
      if (rule.direction !== undefined && rule.direction !== direction) return undefined;
      const [source, destination] = direction === "ingress" ? [rule.except, undefined] : [undefined, rule.except];
      return {
        source: this.#side(rule.from, source, where),
        destination: this.#side(rule.to, destination, where),
      };
    };
    const read = {
      action: rule.action,
      log: rule.log === true,
      family: familyOfProtocol(protocol),
      sides: { ingress: sidesOf("ingress"), egress: sidesOf("egress") },
      protocols: protocol === undefined ? ALL_PROTOCOLS : this.#protocol(protocol),
      sourcePorts: this.#ports(rule.sourcePorts, protocol, where),
      destinationPorts:
        rule.types === undefined
          ? this.#ports(rule.ports, protocol, where)
          : this.#cached(`types ${protocol} ${rule.types.join()}`, () =>
              spansOfRanges(parseTypes(rule.types ?? [], protocol, where), PORT_FIELD_ICMP),
            ),
    };
    const lists = [rule.from, rule.to, rule.types ?? rule.ports, rule.sourcePorts];
    return lists.some((list) => list?.length === 0) ? undefined : read;
  }

  #protocol(protocol: number): readonly Span<number>[] {
    return this.#cached(`protocol ${protocol}`, () => [{ first: protocol, end: protocol + 1 }]);
  }

  #ports(
    ports: readonly (number | string)[] | undefined,
    protocol: number | undefined,
    where: string,
  ): readonly Span<number>[] {
    if (ports === undefined) return ALL_PORTS;
    return this.#cached(`ports ${protocol} ${ports.join()}`, () => spansOfRanges(parsePorts(ports, protocol, where)));
  }

  #cached(key: string, read: () => readonly Span<number>[]): readonly Span<number>[] {
    let spans = this.#spans.get(key);
    if (spans === undefined) {
      spans = read();
      this.#spans.set(key, spans);
    }
    return spans;
  }

  #side(peers: readonly PeerInput[] | undefined, except: readonly string[] | undefined, where: string): Side {
    const texts = peers?.map((peer) => (typeof peer === "string" ? peer : `set ${peer.set}`));
    const key = `${texts?.join() ?? "all"} except ${except?.join() ?? ""}`;
    let side = this.#sides.get(key);
    if (side === undefined) {
      side = this.#readSide(peers, except ?? [], where);
      this.#sides.set(key, side);
    }
    return side;
  }

  #readSide(peers: readonly PeerInput[] | undefined, except: readonly string[], where: string): Side {
    const [holes4, holes6] = byFamily(except.map((text) => parseNetwork(text, where)));
    const [allowed4, allowed6] =
      except.length === 0 ? [ALL_IPV4, ALL_IPV6] : [complement(IPV4, holes4), complement(IPV6, holes6)];
    if (peers === undefined) return { ipv4: allowed4, ipv6: allowed6, sets: [], allowed4, allowed6 };
    const prefixes: Prefix[] = [];
    const sets = new Set<number>();
    for (const peer of peers) {
      if (typeof peer === "string") prefixes.push(parseNetwork(peer, where));
      else sets.add(this.#sets.of(peer.set, where));
    }
    const [ipv4, ipv6] = byFamily(prefixes);
    return {
      ipv4: without(ipv4, holes4),
      ipv6: without(ipv6, holes6),
      sets: [...sets],
      allowed4,
      allowed6,
    };
  }
}

const NO_IPV4: readonly Span<number>[] = [];
const NO_IPV6: readonly Span<bigint>[] = [];

/** The addresses of prefixes, in each family. */
function byFamily(prefixes: readonly Prefix[]): readonly [readonly Span<number>[], readonly Span<bigint>[]] {
  const of = (family: 4 | 6) => prefixes.filter((prefix) => prefix.family === family);
  const ipv4 = of(4);
  // Most lists are of one family.
  if (ipv4.length === prefixes.length) return [spansOf4(ipv4), NO_IPV6];
  return ipv4.length === 0 ? [NO_IPV4, spansOf6(prefixes)] : [spansOf4(ipv4), spansOf6(of(6))];
}
