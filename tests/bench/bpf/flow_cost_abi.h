/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What flow_tables.ts tells flow_cost.h; element 0 of `flow_cost`, 96 bytes. */
#ifndef WEIR_BENCH_FLOW_COST_ABI_H
#define WEIR_BENCH_FLOW_COST_ABI_H

#include <linux/types.h>

#define FLOW_COST_FRAME 64

struct flow_cost {
	__u64 random; /* state of the generator, not 0 */
	__u32 flows;  /* destinations first, first + 1, ... first + flows - 1 */
	__u32 same;   /* 1: always the first flow; 0: drawn at random */
	__u32 first;  /* IPv4 address, host order; its lower 22 bits are 0 */
	__u32 checksum; /* of the IPv4 header with destination `first`, not complemented, host order */
	__u64 reserved;
	__u8 frame[FLOW_COST_FRAME];
};

#endif
