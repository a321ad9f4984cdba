/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The pipeline and what it is measured beside, each on a frame that is made anew every round by
 * the includer's restore_frame().
 */
#ifndef WEIR_BENCH_RESTORED_PROGRAMS_H
#define WEIR_BENCH_RESTORED_PROGRAMS_H

#include "receive.h"
#include "fib_forward.h"

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int bench_restore(struct xdp_md *ctx)
{
	return restore_frame(ctx) ? XDP_DROP : XDP_ABORTED;
}

SEC("xdp")
int bench_fib(struct xdp_md *ctx)
{
	return restore_frame(ctx) ? forward_by_fib(ctx) : XDP_ABORTED;
}

SEC("xdp")
int bench_pipeline(struct xdp_md *ctx)
{
	struct walk walk = {};
	struct packet p = { .hook = HOOK_XDP, .xdp = ctx, .linear = 1, .walk = &walk };

	return restore_frame(ctx) ? receive(&p) : XDP_ABORTED;
}

#endif
