// SPDX-License-Identifier: Apache-2.0
/** What `compilePolicy` takes. Rules are the state document's own; names of sets are resolved before. */

/** Rule actions of the state document. */
export type RuleActionName = "allow" | "deny" | "reject" | "log" | "pass" | "ask";
/** Directions as the workload sees them. */
export type DirectionName = "ingress" | "egress";
/** What decides the flows that no rule decides. */
export type DefaultAction = "allow" | "deny" | "ask";

/** One rule. Lists left out match everything; lists that are given and empty match nothing. */
export interface PolicyRuleInput {
  readonly name?: string | undefined;
  readonly action: RuleActionName;
  /** Left out: both. */
  readonly direction?: DirectionName | undefined;
  /** `any` (default), `tcp`, `udp`, `icmp` (IPv4), `icmpv6`, `sctp`, `gre`, `esp` or an IP protocol number. */
  readonly proto?: string | number | undefined;
  /** Destination ports: numbers and ranges (`"8000-8080"`). */
  readonly ports?: readonly (number | string)[] | undefined;
  readonly sourcePorts?: readonly (number | string)[] | undefined;
  /** ICMP types: numbers, or type and code (`"3/4"`). */
  readonly types?: readonly (number | string)[] | undefined;
  /** Source prefixes. */
  readonly from?: readonly PeerInput[] | undefined;
  /** Destination prefixes. */
  readonly to?: readonly PeerInput[] | undefined;
  /** Prefixes taken out of `from` (ingress) or `to` (egress). */
  readonly except?: readonly string[] | undefined;
  /** Report the flows that it decides. */
  readonly log?: boolean | undefined;
  /** Name of the mirror that gets copies of the flows that it matches. */
  readonly mirror?: string | undefined;
}

/** A prefix (`10.0.0.0/8`, an address alone is one host), or a named set of them. */
export type PeerInput = string | { readonly set: string };

/** One policy: ordered rules and a default. */
export interface PolicyInput {
  readonly name: string;
  /** One for both directions, or each. Default `deny`. */
  readonly default?:
    | DefaultAction
    | { readonly ingress?: DefaultAction | undefined; readonly egress?: DefaultAction | undefined }
    | undefined;
  readonly rules?: readonly PolicyRuleInput[] | undefined;
}

/** All policy sets of a node. */
export interface PolicyCompilerInput {
  /** Revision reported with the decisions. */
  readonly revision: number;
  /**
   * The policies of each set, in order. The first element is set 1: an interface with `policy` n takes
   * `sets[n - 1]`. A set without policies asks the controller about every flow.
   */
  readonly sets: readonly (readonly PolicyInput[])[];
  /** Members of the named sets. */
  readonly prefixSets?: ReadonlyMap<string, readonly string[]> | undefined;
  /** Numbers of the mirrors (their index in the map `mirrors`). */
  readonly mirrors?: ReadonlyMap<string, number> | undefined;
  /** Bytes that there is room for. Default: any number. */
  readonly room?: PolicyRoom | undefined;
}

/** Which rule a numeric id stands for. */
export interface RuleReference {
  /** As in flows, events and hit counters. Depends only on policy and rule, so that it outlives restarts. */
  readonly id: number;
  readonly policy: string;
  /** The rule's name; without one its position from 0 (`"#2"`); `default` for a policy's default. */
  readonly rule: string;
}

/** Bytes that a worker has room for. */
export interface PolicyRoom {
  /** Of all policy sets. */
  readonly table: number;
  readonly addressSets: number;
}

/** A compiled policy set: struct policy_set and what it refers to. */
export type CompiledSet = Uint8Array<ArrayBuffer>;

/** What the slow path decides by. Arrays that are the same objects as before are not written anew. */
export interface PolicyImage {
  /** Reported with the decisions. */
  readonly revision: number;
  /** The first element is set 1. Sets that are the same may be the same array. */
  readonly compiled: readonly CompiledSet[];
  /** struct address_sets and what it refers to: the members of the sets that the table's rules name. */
  readonly addressSets: Uint8Array<ArrayBuffer>;
}

/** What a compilation makes. */
export interface CompiledPolicy extends PolicyImage {
  /** Names of the sets that rules name, by number: for `compileAddressSets`. Absent: nobody has that number. */
  readonly sets: readonly (string | undefined)[];
  /** Of the policy sets that were compiled, and not known from before. */
  readonly rules: readonly RuleReference[];
}

/** Bytes of all compiled policy sets of an image. */
export const bytesOf = ({ compiled }: Pick<PolicyImage, "compiled">): number =>
  [...new Set(compiled)].reduce((sum, set) => sum + set.byteLength, 0);
