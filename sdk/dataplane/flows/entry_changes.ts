// SPDX-License-Identifier: Apache-2.0
/** Deletes entries, and has others look for their way anew: a thousand a system call. */

import type { RawFlowKey } from "../../layout/index.ts";
import {
  DecisionOperationValue,
  DecisionResultValue,
  FlowEndReasonValue,
  flowDecisionCodec,
  WEIR_DECISIONS_PER_WORKER,
} from "../../layout/index.ts";
import type { DecisionRecords } from "./decision_records.ts";

/** What becomes of a pair, named by one of its entries. */
export interface EntryChange {
  readonly operation: "delete" | "reroute";
  /** Delete: what is told of the end. Default: something has changed. */
  readonly reason?: "deleted" | "changed";
  readonly key: RawFlowKey;
  /** Of the entry that is meant; 0, delete only: of any. */
  readonly generation: number;
  /** Reroute: number of an interface that is no more; its entry's packets come from nowhere. Default: none. */
  readonly gone?: number;
}

/** What became of changes. */
export interface EntryResults {
  /** Entries deleted. */
  readonly deleted: number;
  /** Changes whose entries were being replaced then, or had been. */
  readonly late: readonly EntryChange[];
}

/** The kernel's mark for "routes have changed": not 0, and another one each time. */
let mark = 1;

const nextMark = (): number => {
  mark = mark >= 0xffff_ffff ? 2 : mark + 1;
  return mark;
};

export function changeEntries(records: DecisionRecords, changes: readonly EntryChange[]): EntryResults {
  const of = (operation: EntryChange["operation"]) => changes.filter((change) => change.operation === operation);
  const ended = apply(records, of("delete"), "changes");
  const rerouted = apply(records, of("reroute"), "others");
  return { deleted: ended.deleted, late: [...ended.late, ...rerouted.late] };
}

function apply(records: DecisionRecords, changes: readonly EntryChange[], which: "changes" | "others"): EntryResults {
  const codec = flowDecisionCodec;
  const { view } = records;
  const revision = nextMark();
  const late: EntryChange[] = [];
  let deleted = 0;
  for (let start = 0; start < changes.length; start += WEIR_DECISIONS_PER_WORKER) {
    const batch = changes.slice(start, start + WEIR_DECISIONS_PER_WORKER);
    for (const [i, { operation, key, generation, gone = 0, reason = "changed" }] of batch.entries()) {
      const base = records.begin(i, key);
      codec.operation.set(view, base, DecisionOperationValue[operation]);
      codec.generation.set(view, base, generation);
      codec.ingress.set(view, base, gone);
      codec.endReason.set(view, base, FlowEndReasonValue[reason]);
      codec.revision.set(view, base, revision);
    }
    deleted += records.apply(batch.length, which);
    for (const [i, change] of batch.entries()) {
      if (codec.result.get(view, records.at(i)) === DecisionResultValue.stale) late.push(change);
    }
  }
  return { deleted, late };
}
