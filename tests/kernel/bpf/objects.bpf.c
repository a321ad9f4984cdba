/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A map of each kind and a program of each type, for libbpf.test.ts and link.test.ts. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct pair {
	__u64 first;
	__u32 second;
	__u32 third;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 600);
	__type(key, __u32);
	__type(value, struct pair);
} array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__type(key, __u64);
	__type(value, struct pair);
} hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} percpu SEC(".maps");

/* Its value type is for the reader of the records: libbpf 1.1 cannot make it as declared. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, struct pair);
} events SEC(".maps");

/* One counter a program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

const volatile __u32 step = 1;
const volatile __u16 narrow = 7;
__u64 total;
__u32 started = 5;

static __always_inline void hit(__u32 index)
{
	__u64 *counter = bpf_map_lookup_elem(&hits, &index);

	if (counter)
		__sync_fetch_and_add(counter, step);
}

SEC("xdp")
int xdp_one(struct xdp_md *ctx)
{
	hit(0);
	total += step;
	return XDP_PASS;
}

SEC("xdp")
int xdp_two(struct xdp_md *ctx)
{
	hit(1);
	return XDP_PASS;
}

/* Swaps nothing, sends back: what live frames are tried with. */
SEC("xdp")
int xdp_drop(struct xdp_md *ctx)
{
	hit(4);
	return XDP_DROP;
}

/* Moves the packet by its four bytes of metadata and writes there. */
SEC("xdp")
int xdp_meta(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	__u32 *meta = (void *)(long)ctx->data_meta;

	if ((void *)(meta + 1) > data)
		return XDP_ABORTED;
	*meta += narrow;
	return ctx->rx_queue_index;
}

SEC("tc")
int tc_one(struct __sk_buff *skb)
{
	hit(2);
	return TC_ACT_UNSPEC;
}

SEC("tcx/ingress")
int tc_two(struct __sk_buff *skb)
{
	hit(3);
	return TC_ACT_UNSPEC;
}

SEC("tc/mark")
int tc_mark(struct __sk_buff *skb)
{
	skb->mark += started;
	return skb->ifindex;
}

struct sum {
	__u32 a;
	__u32 b;
	__u32 result;
};

SEC("syscall")
int add(struct sum *args)
{
	args->result = args->a + args->b;
	return args->a > args->b;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
