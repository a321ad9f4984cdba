/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reads the packet without a bounds check. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int reads_too_far(struct xdp_md *ctx)
{
	char *data = (char *)(long)ctx->data;

	return data[7];
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
