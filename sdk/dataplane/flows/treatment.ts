// SPDX-License-Identifier: Apache-2.0
/** What a controller says of a flow, whether it was asked or not: names become numbers, and routes are looked up. */

import { formatAddress } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import type { RawFlowKey } from "../../layout/index.ts";
import { hashOf } from "./codec.ts";
import type { FlowLookup, RouteTarget } from "./decider.ts";
import { type Translation, translated } from "./translation.ts";

/** What becomes of a flow's answers, where that is not by the route of its source. */
export interface ReverseTreatment {
  /** Next hop of the answers. Default: by the route of the flow's source. */
  readonly nexthop?: string | undefined;
  /** Mirror that gets copies of the answers. Default: that of the flow. */
  readonly mirror?: string | undefined;
}

/** What a flow's packets get. */
export interface FlowTreatment {
  /** Action nat, and only that: what its packets become. */
  readonly translate?: Translation | undefined;
  /** Next hop in place of the one that the route of the (translated) destination gives. */
  readonly nexthop?: string | undefined;
  /** Idle time after which the flow goes, 1 to 2^32 - 1. Default: the protocol's. */
  readonly idleSeconds?: number | undefined;
  /** Mirror that gets copies of its packets, both directions. */
  readonly mirror?: string | undefined;
  /** Its answers; `false`: they are no part of it, and are decided by themselves. */
  readonly reverse?: ReverseTreatment | false | undefined;
}

/** The same in numbers. */
export interface RawTreatment {
  /** Key of what its packets become; action nat. */
  readonly becomes: RawFlowKey | undefined;
  /** `undefined`: by the route of the flow's destination. `chosen`: whatever the routes of its VRF say. */
  readonly forward: (RouteTarget & { readonly chosen: boolean }) | undefined;
  /** `undefined`: by the route of the flow's source. */
  readonly reverse: RouteTarget | undefined;
  /** 0: not given. */
  readonly mirror: number;
  readonly reverseMirror: number;
  readonly idleSeconds: number;
  readonly single: boolean;
}

const MAX_SECONDS = 0xffff_ffff;

/**
 * @param actions those that may be given.
 * @param vrf in which the destination is looked up. Default: the flow's.
 * @throws WeirError `EINVAL`
 */
export function treatmentOf(
  lookup: FlowLookup,
  key: RawFlowKey,
  o: FlowTreatment & { readonly action: string },
  {
    actions,
    vrf,
    operation,
  }: { readonly actions: readonly string[]; readonly vrf?: string | undefined; readonly operation: string },
): RawTreatment {
  const refuse = (reason: string) => new WeirError({ code: "EINVAL", operation, reason });
  const known = (what: string, name: string | undefined, idOf: (name: string) => number | undefined): number => {
    if (name === undefined) return 0;
    const id = idOf(name);
    if (id === undefined) throw refuse(`there is no ${what} "${name}"`);
    return id;
  };
  if (!actions.includes(o.action)) throw refuse(`action ${JSON.stringify(o.action)} is none of ${actions.join(", ")}`);
  const { translate, nexthop, idleSeconds = 0, reverse } = o;
  if ((o.action === "nat") !== (translate !== undefined)) {
    throw refuse(
      translate === undefined ? "action nat needs translate" : `translate does not go with action ${o.action}`,
    );
  }
  const sends = o.action === "forward" || o.action === "nat";
  const ways = { nexthop, vrf, reverse };
  const way = Object.entries(ways).find(([, value]) => value !== undefined)?.[0];
  if (!sends && way !== undefined) throw refuse(`${way} does not go with action ${o.action}`);
  if (nexthop !== undefined && vrf !== undefined) throw refuse("nexthop and vrf are given, of which one decides");
  if (
    o.idleSeconds !== undefined &&
    !(Number.isInteger(idleSeconds) && idleSeconds >= 1 && idleSeconds <= MAX_SECONDS)
  ) {
    throw refuse(`idleSeconds ${JSON.stringify(idleSeconds)} is not 1 to ${MAX_SECONDS}`);
  }
  const hash = hashOf(key);
  const becomes = translate === undefined ? undefined : translated(key, translate, operation);
  const destination = (becomes ?? key).destination;
  const through = (name: string, address: Uint8Array): RouteTarget => {
    const id = known("next hop", name, (one) => lookup.nexthopId(one));
    return found(lookup.through(id, key.family, key.vrf, address, hash), () =>
      refuse(`next hop "${name}" leads nowhere`),
    );
  };
  const routed = (vrfId: number): RouteTarget =>
    found(lookup.route(key.family, vrfId, destination, hash), () =>
      refuse(`there is no route to ${formatAddress(destination)} in ${vrf === undefined ? "its VRF" : `VRF "${vrf}"`}`),
    );
  const inVrf = known("VRF", vrf, (name) => lookup.vrfId(name));
  const back = reverse === false ? undefined : reverse;
  const mirrorId = (name: string | undefined) => known("mirror", name, (one) => lookup.mirrorId(one));
  return {
    becomes,
    forward:
      nexthop !== undefined
        ? { ...through(nexthop, destination), chosen: true }
        : inVrf !== 0 || becomes !== undefined
          ? { ...routed(inVrf === 0 ? key.vrf : inVrf), chosen: inVrf !== 0 }
          : undefined,
    reverse: back?.nexthop === undefined ? undefined : through(back.nexthop, key.source),
    mirror: mirrorId(o.mirror),
    reverseMirror: mirrorId(back?.mirror),
    idleSeconds,
    single: reverse === false,
  };
}

function found(target: RouteTarget, refusal: () => WeirError): RouteTarget {
  if (target.nexthop === 0) throw refusal();
  return target;
}
