/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What packet_generator.c tells generator.bpf.c; lies in its .bss. */
#ifndef WEIR_BENCH_GENERATOR_ABI_H
#define WEIR_BENCH_GENERATOR_ABI_H

#include <linux/types.h>

#define GENERATOR_HEADER_SIZE 42 /* Ethernet, IPv4, UDP */

struct generator_config {
	__u32 out_ifindex;
	__u32 flow_mask; /* flows - 1; flows is a power of two up to 4096 */
	__u64 gap_ns;    /* between two pacing points; 0: as fast as it goes */
	__u64 next_ns;   /* CLOCK_MONOTONIC of the next pacing point */
	__u32 sequence;
	__u32 pace_mask; /* packets between two pacing points - 1 */
	__u8 header[48]; /* GENERATOR_HEADER_SIZE bytes, padded */
};

#endif
