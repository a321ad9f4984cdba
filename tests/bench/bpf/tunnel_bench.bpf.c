// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The pipeline with tunnels, and what it is measured beside, each on a frame that is made anew every round. */
#include "pipeline.h"
#include "fib_forward.h"
#include "tunnel_cost.h"

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int tunnel_restore(struct xdp_md *ctx)
{
	return restore_tunnel_frame(ctx) ? XDP_DROP : XDP_ABORTED;
}

SEC("xdp")
int tunnel_fib(struct xdp_md *ctx)
{
	return restore_tunnel_frame(ctx) ? forward_by_fib(ctx) : XDP_ABORTED;
}

SEC("xdp")
int tunnel_pipeline(struct xdp_md *ctx)
{
	struct walk walk = {};
	struct packet p = { .hook = HOOK_XDP, .xdp = ctx, .linear = 1, .walk = &walk };

	return restore_tunnel_frame(ctx) ? receive(&p) : XDP_ABORTED;
}
