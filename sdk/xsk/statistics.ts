// SPDX-License-Identifier: Apache-2.0
import { runtime } from "#runtime";
import { getsockopt } from "../runtime/libc.ts";
import { SOL_XDP, XDP_STATISTICS } from "./constants.ts";

/** Counters of a socket since it was bound (`struct xdp_statistics`). One lost packet can raise two of them. */
export interface XskStatistics {
  /** Packets dropped for another reason than a full ring. */
  readonly rxDropped: number;
  /** Descriptors in the fill ring that name no frame. */
  readonly rxInvalidDescriptors: number;
  readonly txInvalidDescriptors: number;
  /** Packets dropped because the receive ring was full. */
  readonly rxRingFull: number;
  /** Times the kernel found no frame in the fill ring. */
  readonly fillRingEmpty: number;
  /** Times the kernel found nothing to send. */
  readonly txRingEmpty: number;
}

/** Reads the counters of the socket `fd`. */
export function readStatistics(fd: number): XskStatistics {
  const value = runtime.alloc(48);
  getsockopt(fd, SOL_XDP, XDP_STATISTICS, value, "XDP_STATISTICS");
  const field = (index: number): number => Number(value.view.getBigUint64(index * 8, true));
  return {
    rxDropped: field(0),
    rxInvalidDescriptors: field(1),
    txInvalidDescriptors: field(2),
    rxRingFull: field(3),
    fillRingEmpty: field(4),
    txRingEmpty: field(5),
  };
}
