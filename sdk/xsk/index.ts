// SPDX-License-Identifier: Apache-2.0
/** AF_XDP: frames, rings and sockets, all inside a WebAssembly memory. */

export { XDP_PACKET_HEADROOM } from "./constants.ts";
export { type Ring, type RingEntries, type RingKind, type RingOffsets, ringBytes } from "./rings.ts";
export {
  type BusyPoll,
  SO_BUSY_POLL,
  SO_BUSY_POLL_BUDGET,
  SO_PREFER_BUSY_POLL,
  type XskMode,
  type XskOptions,
  XskSocket,
} from "./socket.ts";
export type { XskStatistics } from "./statistics.ts";
export { Umem, type UmemOptions } from "./umem.ts";
