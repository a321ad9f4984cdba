// SPDX-License-Identifier: Apache-2.0
/** Limits the ICMP errors and resets that an interface may cause (RFC 1812 section 4.3.2.8, RFC 4443 2.4 (f)). */

import { count, get, now } from "./control";
import {
  WORKER_CONTROL_ERRORS_LIMITED,
  WORKER_CONTROL_ERROR_BURST,
  WORKER_CONTROL_ERROR_LIMITS,
  WORKER_CONTROL_ERROR_RATE,
  WORKER_CONTROL_INTERFACE_COUNT,
} from "./layout";

/** True if the interface may cause one more; a token bucket kept as the time at which it is full again. */
export function mayCauseError(interfaceId: u32): bool {
  const rate = get(WORKER_CONTROL_ERROR_RATE);
  if (rate != 0 && interfaceId < get(WORKER_CONTROL_INTERFACE_COUNT)) {
    const interval: u64 = 1_000_000_000 / <u64>rate;
    const at: usize = get(WORKER_CONTROL_ERROR_LIMITS) + (interfaceId << 3);
    const full = max(load<u64>(at), now);
    if (full - now < interval * <u64>get(WORKER_CONTROL_ERROR_BURST)) {
      store<u64>(at, full + interval);
      return true;
    }
  }
  count(WORKER_CONTROL_ERRORS_LIMITED);
  return false;
}
