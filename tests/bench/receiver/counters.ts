// SPDX-License-Identifier: Apache-2.0
/** What the worker counts and the main thread reads, in their shared memory. Offsets from `counters`, u32 each. */

/** Thread id of the worker; 0: not running yet. */
export const THREAD = 0;
export const POLLS = 4;
export const WAKEUPS = 8;
/** How late packets were seen, {@link BUCKET_NS} a bucket; the last one takes all above. */
export const HISTOGRAM = 12;
export const BUCKETS = 20_000;
export const BUCKET_NS = 100;
