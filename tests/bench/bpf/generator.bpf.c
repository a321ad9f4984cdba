// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Writes the headers into each live frame of BPF_PROG_RUN and sends it out of a device.
 * The frames are recycled by the kernel and come back changed by whoever received them,
 * hence the whole header is written each time. The UDP checksum is 0: none.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "generator_abi.h"

#define MAX_SPINS   (1 << 20)
#define MAX_LATE_NS 1000000 /* later than this the schedule is moved, not caught up */

struct generator_config config;

static long is_due(__u32 index, void *unused)
{
	return bpf_ktime_get_ns() >= config.next_ns;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u32 sequence, flow;

	if (data + GENERATOR_HEADER_SIZE > end)
		return XDP_DROP;
	sequence = config.sequence++;
	flow = sequence & config.flow_mask;
	if (config.gap_ns && !(sequence & config.pace_mask)) {
		__u64 now = bpf_ktime_get_ns();

		if (now > config.next_ns + MAX_LATE_NS)
			config.next_ns = now;
		bpf_loop(MAX_SPINS, is_due, NULL, 0);
		config.next_ns += config.gap_ns;
	}
	__builtin_memcpy(data, config.header, GENERATOR_HEADER_SIZE);
	data[34] = 0x10 | ((flow >> 8) & 0x0f);
	data[35] = flow;
	return bpf_redirect(config.out_ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
