// SPDX-License-Identifier: Apache-2.0
/** What the main thread and a worker's handler module say to each other. */
import type { IdChanges } from "../state/ids.ts";

/** Ids of the maps that say where packets go. */
export interface RoutingMapIds {
  readonly routes4: number;
  readonly routes6: number;
  readonly nexthops: number;
  readonly members: number;
  readonly interfaces: number;
}

/** To a worker. */
export type ToModule =
  /** Before all others: what is known by then. `limits` are the lengths of the tables of interfaces, next hops and VRFs. */
  | {
      readonly kind: "begin";
      readonly maps: RoutingMapIds;
      readonly limits: readonly [interfaces: number, nexthops: number, vrfs: number];
      readonly names: IdChanges;
    }
  | { readonly kind: "names"; readonly names: IdChanges }
  /** Import it; it is answered. */
  | { readonly kind: "load"; readonly version: number; readonly url: string }
  /** Hand flows to a version that was loaded; `timeoutMs` is theirs. */
  | { readonly kind: "use"; readonly version: number; readonly timeoutMs: number }
  /** Forget a version that was loaded but is not used. */
  | { readonly kind: "forget"; readonly version: number }
  /** Hand flows to nobody. */
  | { readonly kind: "end" };

/** From a worker. */
export type FromModule =
  | { readonly kind: "loaded"; readonly version: number }
  | { readonly kind: "refused"; readonly version: number; readonly reason: string }
  /** The handler failed: the first time, or the first time after a success. */
  | { readonly kind: "failed"; readonly reason: string };
