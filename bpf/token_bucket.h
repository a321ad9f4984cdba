/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A token bucket that all CPUs share, without locks: a single time, when it is full again, which
 * a compare-and-swap moves (the generic cell rate algorithm). Times are 2^-POLICER_TIME_SHIFT ns.
 */
#ifndef WEIR_TOKEN_BUCKET_H
#define WEIR_TOKEN_BUCKET_H

#include "clock.h"
#include "maps.h"
#include "trace_record.h"

#define BUCKET_TRIES 8 /* before a swap that other CPUs made fail is not tried again */

/* Between the clocks of two CPUs, and more. */
#define BUCKET_SKEW (NSEC_PER_SEC << POLICER_TIME_SHIFT)

/*
 * Takes what takes the time `cost` at the rate; 0: there is not as much in the bucket, which takes
 * `burst` in all. More than the whole bucket is taken from a full one, and leaves a debt.
 * `longest`: the highest cost that is ever taken.
 */
static __always_inline int bucket_take(__u64 *time, __u64 burst, __u64 cost, __u64 longest)
{
	__u64 now = bpf_ktime_get_ns() << POLICER_TIME_SHIFT;
	/* The clock wraps around: what is further ahead than it can be lies in the past. */
	__u64 most = burst + longest + BUCKET_SKEW;
	__u64 full, ahead;
	__u32 i;

	for (i = 0; i < BUCKET_TRIES; i++) {
		full = *(volatile __u64 *)time;
		ahead = full - now;
		if (ahead > most)
			ahead = 0;
		if (ahead && ahead + cost > burst)
			return 0;
		if (tracing || __sync_val_compare_and_swap(time, full, now + ahead + cost) == full)
			return 1;
	}
	/* It conformed each time; it is paid for, if not in one step. */
	__sync_fetch_and_add(time, cost);
	return 1;
}

#endif
