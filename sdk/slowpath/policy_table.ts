// SPDX-License-Identifier: Apache-2.0
/** Collects rules, prefixes and ranges, and writes them as one struct policy_table. */

import { mappedLength, type Prefix } from "../address.ts";
import {
  policyPrefixCodec,
  policyPrefixLayout,
  policyRangeCodec,
  policyRangeLayout,
  policyRuleCodec,
  policyRuleLayout,
  policySetCodec,
  policySetLayout,
  policyTableCodec,
  policyTableLayout,
} from "../layout/index.ts";
import { maskOf, type Range } from "./policy_match.ts";

/** A list in one of the shared arrays. Equal lists are stored once. */
export interface ListReference {
  readonly first: number;
  readonly count: number;
}

/** No list: matches everything. */
export const EVERYTHING: ListReference = { first: 0, count: 0 };

/** A rule as the table holds it. */
export interface TableRule {
  readonly id: number;
  readonly direction: number;
  readonly action: number;
  readonly family: number;
  readonly protocol: number | undefined;
  readonly log: boolean;
  /** Index in `mirrors`; 0: none. */
  readonly mirror: number;
  /** Index of the rule to go on at, action pass. */
  readonly next: number;
  readonly source: ListReference;
  readonly sourceExcept: ListReference;
  readonly destination: ListReference;
  readonly destinationExcept: ListReference;
  readonly sourcePorts: ListReference;
  readonly destinationPorts: ListReference;
}

/** A policy set as the table holds it. */
export interface TableSet {
  readonly firstRule: number;
  readonly ruleCount: number;
  readonly defaultIngress: number;
  readonly defaultEgress: number;
  readonly defaultRule: number;
}

/** Builds one table. */
export class TableBuilder {
  /** Set 0 is never used. */
  readonly sets: TableSet[] = [{ firstRule: 0, ruleCount: 0, defaultIngress: 0, defaultEgress: 0, defaultRule: 0 }];
  readonly rules: TableRule[] = [];
  readonly #prefixes: Prefix[] = [];
  readonly #ranges: Range[] = [];
  readonly #known = new Map<string, ListReference>();

  prefixes(list: readonly Prefix[]): ListReference {
    const key = `p${list.map((prefix) => `${prefix.bytes.join(".")}/${prefix.family}/${prefix.length}`).join()}`;
    return this.#list(key, list, this.#prefixes);
  }

  ranges(list: readonly Range[]): ListReference {
    return this.#list(`r${list.map(({ first, last }) => `${first}-${last}`).join()}`, list, this.#ranges);
  }

  #list<T>(key: string, list: readonly T[], all: T[]): ListReference {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const reference = { first: all.length, count: list.length };
    // Not `push(...list)`: a list can be longer than a call may have arguments.
    for (const item of list) all.push(item);
    this.#known.set(key, reference);
    return reference;
  }

  write(revision: number): Uint8Array<ArrayBuffer> {
    const setOffset = policyTableLayout.size;
    const ruleOffset = setOffset + this.sets.length * policySetLayout.size;
    const prefixOffset = ruleOffset + this.rules.length * policyRuleLayout.size;
    const rangeOffset = prefixOffset + this.#prefixes.length * policyPrefixLayout.size;
    const size = Math.ceil((rangeOffset + this.#ranges.length * policyRangeLayout.size) / 8) * 8;

    const bytes = new Uint8Array(new ArrayBuffer(size));
    const view = new DataView(bytes.buffer);
    const header = policyTableCodec;
    header.revision.set(view, 0, revision);
    header.setCount.set(view, 0, this.sets.length);
    header.setOffset.set(view, 0, setOffset);
    header.ruleCount.set(view, 0, this.rules.length);
    header.ruleOffset.set(view, 0, ruleOffset);
    header.prefixCount.set(view, 0, this.#prefixes.length);
    header.prefixOffset.set(view, 0, prefixOffset);
    header.rangeCount.set(view, 0, this.#ranges.length);
    header.rangeOffset.set(view, 0, rangeOffset);
    header.size.set(view, 0, size);
    for (const [i, set] of this.sets.entries()) writeSet(view, setOffset + i * policySetLayout.size, set);
    for (const [i, rule] of this.rules.entries()) writeRule(view, ruleOffset + i * policyRuleLayout.size, rule);
    for (const [i, prefix] of this.#prefixes.entries()) {
      const base = prefixOffset + i * policyPrefixLayout.size;
      policyPrefixCodec.address.set(bytes, base, prefix.bytes);
      policyPrefixCodec.mask.set(bytes, base, maskOf(prefix));
      policyPrefixCodec.family.set(view, base, prefix.family);
      policyPrefixCodec.length.set(view, base, mappedLength(prefix));
    }
    for (const [i, range] of this.#ranges.entries()) {
      const base = rangeOffset + i * policyRangeLayout.size;
      policyRangeCodec.first.set(view, base, range.first);
      policyRangeCodec.last.set(view, base, range.last);
    }
    return bytes;
  }
}

function writeSet(view: DataView, base: number, set: TableSet): void {
  const codec = policySetCodec;
  codec.firstRule.set(view, base, set.firstRule);
  codec.ruleCount.set(view, base, set.ruleCount);
  codec.defaultIngress.set(view, base, set.defaultIngress);
  codec.defaultEgress.set(view, base, set.defaultEgress);
  codec.defaultRule.set(view, base, set.defaultRule);
}

function writeRule(view: DataView, base: number, rule: TableRule): void {
  const codec = policyRuleCodec;
  codec.direction.set(view, base, rule.direction);
  codec.action.set(view, base, rule.action);
  codec.family.set(view, base, rule.family);
  codec.protocolAny.set(view, base, rule.protocol === undefined ? 1 : 0);
  codec.protocol.set(view, base, rule.protocol ?? 0);
  codec.log.set(view, base, rule.log ? 1 : 0);
  codec.mirror.set(view, base, rule.mirror);
  codec.id.set(view, base, rule.id);
  codec.next.set(view, base, rule.next);
  codec.sourceFirst.set(view, base, rule.source.first);
  codec.sourceCount.set(view, base, rule.source.count);
  codec.sourceExceptFirst.set(view, base, rule.sourceExcept.first);
  codec.sourceExceptCount.set(view, base, rule.sourceExcept.count);
  codec.destinationFirst.set(view, base, rule.destination.first);
  codec.destinationCount.set(view, base, rule.destination.count);
  codec.destinationExceptFirst.set(view, base, rule.destinationExcept.first);
  codec.destinationExceptCount.set(view, base, rule.destinationExcept.count);
  codec.sourcePortFirst.set(view, base, rule.sourcePorts.first);
  codec.sourcePortCount.set(view, base, rule.sourcePorts.count);
  codec.destinationPortFirst.set(view, base, rule.destinationPorts.first);
  codec.destinationPortCount.set(view, base, rule.destinationPorts.count);
}
