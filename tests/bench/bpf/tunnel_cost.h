/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF_PROG_TEST_RUN hands the same packet to a program again and again as the program left it:
 * with a tunnel's headers in front, or without them. So each round makes the frame anew.
 */
#ifndef WEIR_BENCH_TUNNEL_COST_H
#define WEIR_BENCH_TUNNEL_COST_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

/* Of every frame, inside or outside of a tunnel, so that restoring costs the same. */
#define TUNNEL_COST_FRAME 128

struct tunnel_cost {
	__u8 frame[TUNNEL_COST_FRAME];
};

/* Writer: tunnel_tables.ts. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tunnel_cost);
} tunnel_cost SEC(".maps");

/* The start of the frame is moved in every case, even by nothing: restoring costs all the same. */
static __always_inline bool restore_frame(struct xdp_md *ctx)
{
	int grown = CONTEXT_FIELD(ctx, data_end) - CONTEXT_FIELD(ctx, data) - TUNNEL_COST_FRAME;
	__u32 zero = 0;
	struct tunnel_cost *cost = bpf_map_lookup_elem(&tunnel_cost, &zero);
	__u8 *data, *end;

	if (!cost || bpf_xdp_adjust_head(ctx, grown))
		return false;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + TUNNEL_COST_FRAME > end)
		return false;
	__builtin_memcpy(data, cost->frame, TUNNEL_COST_FRAME);
	return true;
}

#endif
