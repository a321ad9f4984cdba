// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The rival that is attached to a device. */
#include "fib_forward.h"

SEC("xdp")
int fib_forward(struct xdp_md *ctx)
{
	return forward_by_fib(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
