/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs of others on a device of Weir's: each counts what it sees and lets it go on. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 5);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline void count(__u32 index)
{
	__u64 *counter = bpf_map_lookup_elem(&seen, &index);

	if (counter)
		__sync_fetch_and_add(counter, 1);
}

SEC("xdp")
int other_xdp(struct xdp_md *ctx)
{
	count(0);
	return XDP_PASS;
}

SEC("xdp")
int other_behind(struct xdp_md *ctx)
{
	count(4);
	return XDP_PASS;
}

SEC("tc")
int other_first(struct __sk_buff *skb)
{
	count(1);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int other_last(struct __sk_buff *skb)
{
	count(2);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int other_filter(struct __sk_buff *skb)
{
	count(3);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
