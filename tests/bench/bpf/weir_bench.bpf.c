// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* One flow among many, and what a test run costs by itself. */
#include "flow_cost.h"
#include "restored_programs.h"

SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	return XDP_DROP;
}
