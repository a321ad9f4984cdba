// SPDX-License-Identifier: Apache-2.0
/** The kernel programs' clock. */
import { runtime } from "#runtime";

const { clock_gettime } = runtime.open(["libc.so.6"], {
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
});

/** linux/time.h */
const CLOCK_MONOTONIC = 1;

const timespec = runtime.alloc(16);

/** CLOCK_MONOTONIC in milliseconds: what `bpf_ktime_get_ns` counts. */
export function monotonicMs(): number {
  clock_gettime(CLOCK_MONOTONIC, timespec.address);
  return Number(timespec.view.getBigInt64(0, true)) * 1000 + Number(timespec.view.getBigInt64(8, true)) / 1e6;
}

/** A time of CLOCK_MONOTONIC, nanoseconds, on the wall clock: RFC 3339. */
export function timeText(time: bigint, offsetMs: number): string {
  return new Date(Number(time) / 1e6 + offsetMs).toISOString();
}

/** Offset from the monotonic to the wall clock, in milliseconds. Take it once for many times that are compared. */
export function wallClockOffsetMs(): number {
  return Date.now() - monotonicMs();
}
