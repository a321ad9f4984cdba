// SPDX-License-Identifier: Apache-2.0
/** Deletes flows that the controller names: a thousand a system call. */
import {
  DecisionOperationValue,
  FlowEndReasonValue,
  flowDecisionCodec,
  type RawFlowKey,
  WEIR_DECISIONS_PER_WORKER,
} from "../../layout/index.ts";
import type { DecisionRecords } from "./decision_records.ts";

/** Deletes the pairs of which these are entries. @returns entries deleted */
export function deleteFlows(records: DecisionRecords, keys: readonly RawFlowKey[]): number {
  const codec = flowDecisionCodec;
  const { view } = records;
  let deleted = 0;
  for (let start = 0; start < keys.length; start += WEIR_DECISIONS_PER_WORKER) {
    const batch = keys.slice(start, start + WEIR_DECISIONS_PER_WORKER);
    for (const [i, key] of batch.entries()) {
      const base = records.begin(i, key);
      codec.operation.set(view, base, DecisionOperationValue.delete);
      codec.endReason.set(view, base, FlowEndReasonValue.deleted);
    }
    deleted += records.apply(batch.length);
  }
  return deleted;
}
