// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Where measured packets end: counted and dropped, by XDP or by TC ingress. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "sink_abi.h"

/* Packets that `drop` or `drop_tc` took, per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dropped SEC(".maps");

/* How long stamped packets were under way: 1 us a bucket, and the total. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SINK_ELEMENTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} latency SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sink_watch);
} watch SEC(".maps");

static __always_inline void add(__u32 element)
{
	__u64 *value = bpf_map_lookup_elem(&latency, &element);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* Counts the packet if it carries a stamp. */
static __always_inline bool record(const __u8 *data, const __u8 *end)
{
	const char magic[4] = STAMP_MAGIC;
	__u64 sent, bucket;

	if (data + STAMP_END > end)
		return false;
	if (data[STAMP_OFFSET] != magic[0] || data[STAMP_OFFSET + 1] != magic[1] ||
	    data[STAMP_OFFSET + 2] != magic[2] || data[STAMP_OFFSET + 3] != magic[3])
		return false;
	__builtin_memcpy(&sent, data + STAMP_TIME, sizeof(sent));
	bucket = (bpf_ktime_get_ns() - sent) / 1000;
	if (bucket >= SINK_BUCKETS)
		bucket = SINK_BUCKETS - 1;
	add(bucket);
	add(SINK_TOTAL);
	return true;
}

/* Takes everything: the cheapest end there is. */
SEC("xdp")
int drop(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&dropped, &zero);

	if (count)
		*count += 1;
	return XDP_DROP;
}

/* The same where packets come that native XDP does not see: by bpf_redirect_peer. */
SEC("tc")
int drop_tc(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&dropped, &zero);

	(void)skb;
	if (count)
		*count += 1;
	return TC_ACT_SHOT;
}

SEC("xdp")
int latency_xdp(struct xdp_md *ctx)
{
	return record((void *)(long)ctx->data, (void *)(long)ctx->data_end) ? XDP_DROP : XDP_PASS;
}

/* For packets that bpf_redirect_peer brings: they do not pass the device's native XDP. */
SEC("tc")
int latency_tc(struct __sk_buff *skb)
{
	if (bpf_skb_pull_data(skb, STAMP_END))
		return TC_ACT_OK;
	return record((void *)(long)skb->data, (void *)(long)skb->data_end) ? TC_ACT_SHOT
									    : TC_ACT_OK;
}

static __always_inline bool is_between(__u16 port, __u16 first, __u16 last)
{
	return port >= first && port <= last;
}

/* Counts stamped packets apart by their ports, and notes when the last one of the watched flows came. */
SEC("tc")
int watch_tc(struct __sk_buff *skb)
{
	const char magic[4] = STAMP_MAGIC;
	__u32 zero = 0;
	struct sink_watch *w = bpf_map_lookup_elem(&watch, &zero);
	__u8 *data, *end;

	if (!w || bpf_skb_pull_data(skb, STAMP_END))
		return TC_ACT_OK;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (data + STAMP_END > end || data[STAMP_OFFSET] != magic[0] ||
	    data[STAMP_OFFSET + 1] != magic[1] || data[STAMP_OFFSET + 2] != magic[2] ||
	    data[STAMP_OFFSET + 3] != magic[3])
		return TC_ACT_OK;
	if (is_between(bpf_ntohs(*(__u16 *)(data + SOURCE_PORT_OFFSET)), w->first_source_port,
		       w->last_source_port) &&
	    is_between(bpf_ntohs(*(__u16 *)(data + DESTINATION_PORT_OFFSET)),
		       w->first_destination_port, w->last_destination_port)) {
		w->last = bpf_ktime_get_ns();
		__sync_fetch_and_add(&w->watched, 1);
	} else {
		__sync_fetch_and_add(&w->others, 1);
	}
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
