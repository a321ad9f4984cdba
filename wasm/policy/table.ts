// SPDX-License-Identifier: Apache-2.0
/** What is in force: compiled rules and address sets (struct policy_root), taken over between packets. */

import { control } from "../control";
import {
  POLICY_ROOT_REVISION,
  POLICY_ROOT_SETS,
  POLICY_ROOT_TABLE,
  POLICY_SET_SIZE,
  POLICY_TABLE_SET_COUNT,
  POLICY_TABLE_SET_OFFSET,
  WORKER_CONTROL_POLICY,
  WORKER_CONTROL_POLICY_ACK,
} from "../layout";

let root: usize = 0;
/** struct policy_table and struct address_sets; 0: none yet. */
export let table: usize = 0;
export let addressSets: usize = 0;

/** Takes what is in force, and tells the main thread that nothing else is read any more. */
export function loadPolicy(): void {
  const current: usize = atomic.load<u32>(control + WORKER_CONTROL_POLICY);
  if (current == root) return;
  root = current;
  table = current == 0 ? 0 : load<u32>(current + POLICY_ROOT_TABLE);
  addressSets = current == 0 ? 0 : load<u32>(current + POLICY_ROOT_SETS);
  atomic.store<u32>(control + WORKER_CONTROL_POLICY_ACK, <u32>current);
}

/** Decides by the rules of another struct policy_root, until `loadPolicy`. */
export function usePolicy(address: usize): void {
  root = address;
  table = load<u32>(address + POLICY_ROOT_TABLE);
  addressSets = load<u32>(address + POLICY_ROOT_SETS);
}

/** Revision of the policy in force. */
export function policyRevision(): u32 {
  return root == 0 ? 0 : load<u32>(root + POLICY_ROOT_REVISION);
}

/** Address of a struct policy_set; 0: it is not known. */
export function policySetAt(set: u32): usize {
  if (table == 0 || set >= load<u32>(table + POLICY_TABLE_SET_COUNT)) return 0;
  return table + load<u32>(table + POLICY_TABLE_SET_OFFSET) + set * POLICY_SET_SIZE;
}
