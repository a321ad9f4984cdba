/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF_PROG_TEST_RUN hands the same packet to a program again and again as the program left
 * it. So each round writes the frame anew: MAC addresses, TTL, and one of many destinations.
 */
#ifndef WEIR_BENCH_FLOW_COST_H
#define WEIR_BENCH_FLOW_COST_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "flow_cost_abi.h"

/* Writer: flow_tables.ts; the program keeps the state of the random generator in it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_cost);
} flow_cost SEC(".maps");

/* Same cost in both modes: the draw is made and thrown away where the flow is always the same. */
static __always_inline bool restore_frame(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, index, sum;
	struct flow_cost *cost = bpf_map_lookup_elem(&flow_cost, &zero);

	if (!cost || data + FLOW_COST_FRAME > end)
		return false;
	cost->random = cost->random * 6364136223846793005ull + 1442695040888963407ull;
	index = ((cost->random >> 32) * cost->flows) >> 32;
	index &= cost->same ? 0 : ~0u;
	__builtin_memcpy(data, cost->frame, FLOW_COST_FRAME);
	*(__be32 *)(data + 30) = bpf_htonl(cost->first + index);
	sum = cost->checksum + (index >> 16) + (index & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__be16 *)(data + 24) = bpf_htons(~sum);
	return true;
}

#endif
