// SPDX-License-Identifier: Apache-2.0
/** Which entries a change concerns, and in what. */
import { flowEntryCodec, type RawFlowKey } from "../../layout/index.ts";
import type { StaleFlows } from "../reconcile/context.ts";
import { becomesOf, tunnelOf } from "./codec.ts";
import { CoveringPrefixes } from "./covering_prefixes.ts";

/** What a change means for an entry. */
export interface Stale {
  /** Policies of an interface that it comes from or goes to have changed. */
  readonly policy: boolean;
  /** It may go elsewhere now, or come from elsewhere. */
  readonly way: boolean;
  /** It cannot be what it was. */
  readonly over: boolean;
}

const NOTHING: Stale = { policy: false, way: false, over: false };

/**
 * @param ends tells the numbers of the interfaces that an entry's packets come from and go to.
 * @returns `undefined` when nothing is concerned.
 */
export function staleTest(
  changed: StaleFlows,
  ends: (entry: DataView) => readonly number[],
): ((key: RawFlowKey, value: Uint8Array) => Stale) | undefined {
  const { interfaces, nexthops, policies, mirrors, over } = changed;
  const prefixes = new CoveringPrefixes(changed.prefixes);
  const sets = [interfaces, nexthops, policies, mirrors, over];
  if (prefixes.empty && sets.every(({ size }) => size === 0)) return undefined;
  const byEnds = policies.size > 0 || over.size > 0;
  // A flow is known by the VRF that it began in, also where its route is another VRF's.
  const translated = [...changed.translated].filter((vrf) => prefixes.has(vrf));
  const holds = (vrf: number, { source, destination }: RawFlowKey) =>
    prefixes.holds(vrf, destination) || prefixes.holds(vrf, source);
  const touches = (key: RawFlowKey) => holds(key.vrf, key) || translated.some((vrf) => holds(vrf, key));
  return (key, value) => {
    const entry = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const ingress = flowEntryCodec.ingress.get(entry, 0);
    const between = byEnds ? ends(entry) : [];
    const becomes = prefixes.empty ? undefined : becomesOf(key, value);
    const stale = {
      policy: between.some((id) => policies.has(id)),
      over: between.some((id) => over.has(id)) || mirrors.has(flowEntryCodec.mirror.get(entry, 0)),
      way:
        interfaces.has(ingress) ||
        nexthops.has(flowEntryCodec.nexthop.get(entry, 0)) ||
        nexthops.has(tunnelOf(ingress)) ||
        (!prefixes.empty && (touches(key) || (becomes !== undefined && touches(becomes)))),
    };
    return stale.policy || stale.over || stale.way ? stale : NOTHING;
  };
}
