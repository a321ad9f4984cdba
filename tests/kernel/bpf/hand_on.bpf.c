// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Hands what a device receives to another one, which takes it for what it has received itself, past XDP. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int hand_on(struct __sk_buff *skb)
{
	(void)skb;
	return bpf_redirect(TO, BPF_F_INGRESS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
