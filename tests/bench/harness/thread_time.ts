// SPDX-License-Identifier: Apache-2.0
/** What a thread has cost. */
import { runtime } from "#runtime";

const { clock_gettime } = runtime.open(["libc.so.6"], {
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
});

/** linux/time.h */
const CLOCK_THREAD_CPUTIME_ID = 3;

const timespec = runtime.alloc(16);

/**
 * Processor time of the calling thread, milliseconds: neither what others take of the core counts, nor the
 * threads of the JavaScript engine that compile and collect meanwhile.
 */
export function threadCpuMs(): number {
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, timespec.address);
  return Number(timespec.view.getBigInt64(0, true)) * 1000 + Number(timespec.view.getBigInt64(8, true)) / 1e6;
}
