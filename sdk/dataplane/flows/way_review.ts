// SPDX-License-Identifier: Apache-2.0
/**
 * Flows whose ways may be others: the kernel programs find them with the flows' next packets (bpf/flow_move.h,
 * bpf/nat_move.h). What cannot go on ends.
 */
import { WEIR_REVIEW_VRFS } from "../../layout/index.ts";
import { compilePolicy, type FlowReview, type PolicyImage } from "../../slowpath/index.ts";
import type { StaleFlows } from "../reconcile/context.ts";
import type { PackedPrefixes } from "../routes/packed_prefixes.ts";
import type { FlowLook, ReviewEngine } from "./flow_look.ts";

/** Prefixes of which it is told which flows they concern; of more, all flows of their VRFs look for their ways. */
const MOST_PREFIXES = 4096;

/** The kernel's mark for "routes have changed": not 0 nor 1, and another one each time. */
let mark = 1;

const nextMark = (): number => {
  mark = mark >= 0xffff_ffff ? 2 : mark + 1;
  return mark;
};

/** Leads flows that are there. */
export class WayReview {
  readonly #look: FlowLook;
  readonly #engine: ReviewEngine;

  constructor(look: FlowLook, engine: ReviewEngine) {
    this.#look = look;
    this.#engine = engine;
  }

  /** Has flows look for their ways, and ends those that cannot go on. @returns entries deleted */
  run(changed: StaleFlows): number {
    const review = this.#begin(changed);
    return review === undefined ? 0 : this.#look.change(review, () => review.lead(true));
  }

  /** How many entries may go elsewhere, or cannot go on. */
  count(changed: StaleFlows): number {
    const review = this.#begin(changed);
    return review === undefined ? 0 : this.#look.sum(review, () => review.lead(false));
  }

  /** `undefined`: no flow can be concerned. */
  #begin(changed: StaleFlows): FlowReview | undefined {
    const { interfaces, gone, over, nexthops, mirrors, prefixes } = changed;
    const others = [interfaces, gone, over, nexthops, mirrors];
    if ((prefixes.length === 0 && others.every(({ size }) => size === 0)) || this.#look.isEmpty) return undefined;
    const review = this.#engine.flowReview;
    const [vrfs, filter] = [vrfsOf(changed), filterOf(prefixes)];
    review.beginLeading({ interfaces, gone, over, nexthops, mirrors, vrfs, filter, mark: nextMark() });
    return review;
  }
}

/** Of which the flows may be concerned: by routes of VRFs that others' are looked up in again, those of all. */
function vrfsOf({ prefixes, translated }: StaleFlows): Iterable<number> {
  const vrfs = new Set<number>();
  for (let i = 0; i < prefixes.length; i++) vrfs.add(prefixes.vrf(i));
  return [...translated].some((vrf) => vrfs.has(vrf)) ? everyVrf : vrfs;
}

const everyVrf: readonly number[] = Array.from({ length: WEIR_REVIEW_VRFS }, (_, vrf) => vrf);

/** Allows flows from and to the prefixes. */
function filterOf(prefixes: PackedPrefixes): PolicyImage | undefined {
  if (prefixes.length === 0 || prefixes.length > MOST_PREFIXES) return undefined;
  const texts = Array.from({ length: prefixes.length }, (_, i) => prefixes.text(i));
  const rules = [
    { action: "allow", from: texts },
    { action: "allow", to: texts },
  ] as const;
  return compilePolicy({ revision: 0, sets: [[{ name: "routes", default: "deny", rules }]] });
}
