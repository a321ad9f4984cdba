// SPDX-License-Identifier: Apache-2.0
/**
 * What the classifier is measured beside: IPv4 rules tried one after the other, with nothing else to be done. The rules
 * are those of harness/linear.ts: nine words each, and lists of (address, mask), in host order.
 */

import * as parsed from "../../../wasm/parse";
import { l3OffsetOf } from "../../../wasm/trap";

const RULE_BYTES: usize = 36;
const ANY_PROTOCOL: u32 = ~0;

let rules: usize = 0;
let count: u32 = 0;
let prefixes: usize = 0;

export function bind(rulesAt: u32, ruleCount: u32, prefixesAt: u32): void {
  rules = rulesAt;
  count = ruleCount;
  prefixes = prefixesAt;
}

/** Number of the first rule that the trapped packet matches; `count`: none. */
export function judge(packet: u32, length: u32): u32 {
  if (!parsed.parse(packet, length, length, l3OffsetOf(packet))) return count;
  const source = bswap<u32>(<u32>(parsed.source1 >> 32));
  const destination = bswap<u32>(<u32>(parsed.destination1 >> 32));
  let at = rules;
  for (let i: u32 = 0; i < count; i++, at += RULE_BYTES) {
    const protocol = load<u32>(at);
    if (protocol != ANY_PROTOCOL && protocol != parsed.protocol) continue;
    if (parsed.destinationPort < load<u32>(at, 28) || parsed.destinationPort > load<u32>(at, 32)) continue;
    if (parsed.sourcePort < load<u32>(at, 20) || parsed.sourcePort > load<u32>(at, 24)) continue;
    if (!isIn(load<u32>(at, 4), load<u32>(at, 8), source)) continue;
    if (isIn(load<u32>(at, 12), load<u32>(at, 16), destination)) return i;
  }
  return count;
}

/** No prefixes: every address. */
function isIn(first: u32, n: u32, address: u32): bool {
  if (n == 0) return true;
  let at = prefixes + (first << 3);
  for (let i: u32 = 0; i < n; i++, at += 8) {
    if (((address ^ load<u32>(at)) & load<u32>(at, 4)) == 0) return true;
  }
  return false;
}
