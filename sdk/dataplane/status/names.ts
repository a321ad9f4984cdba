// SPDX-License-Identifier: Apache-2.0
import type { RawFlowKey } from "../../layout/index.ts";
import { endpoints, protocolName, tunnelOf } from "../flows/codec.ts";
import type { FlowKey } from "../flows/types.ts";
import type { Ids } from "../state/ids.ts";

/** Which policy and rule a number stands for. */
export interface RuleNames {
  rule(id: number): { readonly policy: string; readonly rule: string } | undefined;
}

/** Names for the numbers that kernel and slow path speak of. */
export class Names {
  readonly #ids: Ids;
  readonly #policies: RuleNames;

  constructor(ids: Ids, policies: RuleNames) {
    this.#ids = ids;
    this.#policies = policies;
  }

  /** `unknown` for 0: no interface could be found. */
  interface(id: number): string {
    return this.#ids.interface.nameOf(id) ?? (id === 0 ? "unknown" : `#${id}`);
  }

  interfaceId(name: string): number | undefined {
    return this.#ids.interface.get(name);
  }

  /** The tunnel that an ingress (struct flow_entry) stands for, as a field to spread; empty where it is none. */
  tunnel(ingress: number): { readonly tunnel?: string } {
    const tunnel = this.#ids.nexthop.nameOf(tunnelOf(ingress));
    return tunnel === undefined ? {} : { tunnel };
  }

  vrf(id: number): string {
    return this.#ids.vrf.nameOf(id) ?? `#${id}`;
  }

  vrfId(name: string): number | undefined {
    return this.#ids.vrf.get(name);
  }

  nexthopId(name: string): number | undefined {
    return this.#ids.nexthop.get(name);
  }

  mirror(id: number): string {
    return this.#ids.mirror.nameOf(id) ?? `#${id}`;
  }

  mirrorId(name: string): number | undefined {
    return this.#ids.mirror.get(name);
  }

  flowKey(key: RawFlowKey): FlowKey {
    return { vrf: this.vrf(key.vrf), proto: protocolName(key.protocol), ...endpoints(key) };
  }

  /** Policy and rule of a number, as fields to spread; empty where no rule decided. */
  rule(id: number): { readonly policy?: string; readonly rule?: string } {
    const rule = this.#policies.rule(id);
    return rule === undefined ? {} : { policy: rule.policy, rule: rule.rule };
  }
}
