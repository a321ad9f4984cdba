// SPDX-License-Identifier: Apache-2.0
/** Which entries a change concerns, and in what. */
import { flowEntryCodec, INGRESS_TUNNEL, nexthopCodec, type RawFlowKey } from "../../layout/index.ts";
import type { KernelTables } from "../kernel/tables.ts";
import type { StaleFlows } from "../reconcile/context.ts";
import { becomesOf, tunnelOf } from "./codec.ts";
import { CoveringPrefixes } from "./covering_prefixes.ts";

/** What a change means for an entry. */
export interface Stale {
  /** It may go elsewhere now, or come from elsewhere. */
  readonly way: boolean;
  /** It cannot be what it was. */
  readonly over: boolean;
}

const NOTHING: Stale = { way: false, over: false };

/** Numbers of the interfaces that an entry's packets come from and go to; 0: none, a tunnel. */
function endsOf(entry: DataView, { nexthops }: Pick<KernelTables, "nexthops">): readonly [from: number, to: number] {
  const ingress = flowEntryCodec.ingress.get(entry, 0);
  const nexthop = flowEntryCodec.nexthop.get(entry, 0);
  const to = nexthop === 0 ? 0 : nexthopCodec.interface.get(nexthops.view, nexthops.at(nexthop));
  return [(ingress & INGRESS_TUNNEL) === 0 ? ingress : 0, to];
}

/** @returns `undefined` when nothing is concerned, but by changes of policy alone. */
export function staleTest(
  changed: StaleFlows,
  tables: Pick<KernelTables, "nexthops">,
): ((key: RawFlowKey, value: Uint8Array) => Stale) | undefined {
  const { interfaces, nexthops, mirrors, over } = changed;
  const prefixes = new CoveringPrefixes(changed.prefixes);
  const sets = [interfaces, nexthops, mirrors, over];
  if (prefixes.empty && sets.every(({ size }) => size === 0)) return undefined;
  // A flow is known by the VRF that it began in, also where its route is another VRF's.
  const translated = [...changed.translated].filter((vrf) => prefixes.has(vrf));
  const holds = (vrf: number, { source, destination }: RawFlowKey) =>
    prefixes.holds(vrf, destination) || prefixes.holds(vrf, source);
  const touches = (key: RawFlowKey) => holds(key.vrf, key) || translated.some((vrf) => holds(vrf, key));
  return (key, value) => {
    const entry = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const ingress = flowEntryCodec.ingress.get(entry, 0);
    const between = over.size > 0 ? endsOf(entry, tables) : [];
    const becomes = prefixes.empty ? undefined : becomesOf(key, value);
    const stale = {
      over: between.some((id) => over.has(id)) || mirrors.has(flowEntryCodec.mirror.get(entry, 0)),
      way:
        interfaces.has(ingress) ||
        nexthops.has(flowEntryCodec.nexthop.get(entry, 0)) ||
        nexthops.has(tunnelOf(ingress)) ||
        (!prefixes.empty && (touches(key) || (becomes !== undefined && touches(becomes)))),
    };
    return stale.over || stale.way ? stale : NOTHING;
  };
}
