// SPDX-License-Identifier: Apache-2.0
import { formatPrefix, hasHostBits, networkOf, parsePrefix } from "../../address.ts";
import { invalid } from "../schema/index.ts";

/** @throws WeirError when bits behind the length are set, with the prefix that was probably meant. */
export function checkPrefix(text: string, pointer: string): void {
  const prefix = parsePrefix(text);
  if (prefix === undefined || !hasHostBits(prefix)) return;
  throw invalid(pointer, `is "${text}", which has host bits set`, `write "${formatPrefix(networkOf(prefix))}"`);
}
