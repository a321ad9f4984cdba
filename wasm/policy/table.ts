// SPDX-License-Identifier: Apache-2.0
/** What is in force: compiled rules and address sets (struct policy_root), taken over between packets. */

import { control } from "../control";
import {
  POLICY_ROOT_ADDRESS_SETS,
  POLICY_ROOT_REVISION,
  POLICY_ROOT_SETS,
  POLICY_ROOT_SET_COUNT,
  WORKER_CONTROL_POLICY,
  WORKER_CONTROL_POLICY_ACK,
} from "../layout";

let root: usize = 0;
/** The struct policy_set that `selectSet` has chosen: offsets in it are from here. */
export let table: usize = 0;
/** struct address_sets; 0: none yet. */
export let addressSets: usize = 0;

/** Takes what is in force, and tells the main thread that nothing else is read any more. */
export function loadPolicy(): void {
  const current: usize = atomic.load<u32>(control + WORKER_CONTROL_POLICY);
  if (current == root) return;
  usePolicy(current);
  atomic.store<u32>(control + WORKER_CONTROL_POLICY_ACK, <u32>current);
}

/** Decides by the rules of another struct policy_root, until `loadPolicy`. */
export function usePolicy(address: usize): void {
  root = address;
  table = 0;
  addressSets = address == 0 ? 0 : load<u32>(address + POLICY_ROOT_ADDRESS_SETS);
}

/** Revision of the policy in force. */
export function policyRevision(): u32 {
  return root == 0 ? 0 : load<u32>(root + POLICY_ROOT_REVISION);
}

/** Has a set decide. False: it is not known. */
export function selectSet(set: u32): bool {
  table = 0;
  if (root == 0 || set >= load<u32>(root + POLICY_ROOT_SET_COUNT)) return false;
  table = load<u32>(load<u32>(root + POLICY_ROOT_SETS) + (set << 2));
  return table != 0;
}
