/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Traces: what would become of a packet, told by the programs themselves.
 *
 * The SDK loads this object a second time with `tracing` 1, on the maps of the load that
 * forwards, and runs packets through it by BPF_PROG_TEST_RUN, which carries no verdict out: a
 * redirect sends nothing. In the load that forwards `tracing` is 0, which the verifier knows:
 * it takes every branch below away, and the maps below are not made.
 *
 * A traced packet may change nothing, and each stage says what it decided:
 *
 * - What the pipeline reads and writes (flows, fdb, fragments, interfaces, next hops, config,
 *   tokens of a policer): write it under `if (!tracing)`, and decide as if it had been written.
 * - What it only writes for user space to read (counters, samples), and limits that can be told
 *   apart from the decision, need no care as long as they are in a per-CPU map or a ring: the
 *   traced load has its own of these (sdk/dataplane/trace/traced_load.ts).
 * - What a helper does at once (bpf_clone_redirect): trace_frame_step() in its place.
 * - A decision: trace_step(p, TRACE_..., code, id, other), beside it. On the way of an
 *   established flow it costs the two instructions that load `tracing`: one place, no more.
 *
 * tests/kernel/trace_wire.test.ts compares all maps and link statistics before and after.
 */
#ifndef WEIR_TRACE_RECORD_H
#define WEIR_TRACE_RECORD_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

/* Not 0: this load records what the other one does. */
const volatile __u32 tracing = 0;

/* The three maps of the traced load. Writer: pipeline; the SDK reads and clears them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trace_log);
} trace_log SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_TRACE_STEPS);
	__type(key, __u32);
	__type(value, struct trace_record);
} trace_records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_TRACE_FRAMES);
	__type(key, __u32);
	__type(value, struct trace_frame);
} trace_frames SEC(".maps");

static __always_inline void trace_addresses(struct trace_record *r, const struct walk *w)
{
	if (w->family == 6) {
		__builtin_memcpy(r->source, w->key.v6.source, 16);
		__builtin_memcpy(r->destination, w->key.v6.destination, 16);
		r->source_port = w->key.v6.source_port;
		r->destination_port = w->key.v6.destination_port;
		return;
	}
	__builtin_memset(r->source, 0, 16);
	__builtin_memset(r->destination, 0, 16);
	r->source[10] = r->source[11] = 0xff;
	r->destination[10] = r->destination[11] = 0xff;
	__builtin_memcpy(r->source + 12, &w->key.v4.source, 4);
	__builtin_memcpy(r->destination + 12, &w->key.v4.destination, 4);
	r->source_port = w->key.v4.source_port;
	r->destination_port = w->key.v4.destination_port;
}

static __always_inline void trace_walk(struct trace_record *r, const struct walk *w)
{
	r->family = w->family;
	r->protocol = w->protocol;
	r->ttl = w->ttl;
	r->flags = w->flags & WALK_ROUTED ? TRACE_FLAG_ROUTED : 0;
	r->l3_offset = w->l3_offset;
	r->vrf = w->key.vrf;
	r->route_vrf = w->route_vrf;
	r->nexthop = w->nexthop;
	r->reverse_nexthop = w->reverse_nexthop;
	r->label = w->label;
	r->ingress = w->ingress;
	r->length = w->length;
	r->interface = w->interface;
	r->out_interface = w->out_interface;
	trace_addresses(r, w);
}

/* The next record, cleared, or NULL when all are used. */
static __always_inline struct trace_record *trace_next(void)
{
	__u32 index = 0;
	struct trace_log *log = bpf_map_lookup_elem(&trace_log, &index);
	struct trace_record *r;

	if (!log)
		return NULL;
	index = log->steps++;
	r = bpf_map_lookup_elem(&trace_records, &index);
	if (r)
		__builtin_memset(r, 0, sizeof(*r));
	return r;
}

/*
 * Functions of their own, and static: where nobody calls them they are not verified, and their
 * maps need not be there. They call no other: Linux 6.1 counts the stack of calls too that the
 * verifier takes away, and all calls in a row may have 512 bytes.
 */
static __attribute__((noinline)) int trace_append(const struct walk *w, const struct ethhdr *eth,
						  __u32 stage_code, __u32 id, __u32 other)
{
	struct trace_record *r = trace_next();

	if (!r)
		return 0;
	r->stage = stage_code >> 24;
	r->code = stage_code & 0xffffff;
	r->id = id;
	r->other = other;
	trace_walk(r, w);
	if (eth) {
		__builtin_memcpy(r->destination_mac, eth->h_dest, 6);
		__builtin_memcpy(r->source_mac, eth->h_source, 6);
	}
	return 0;
}

/* Adds a step. `code` has 24 bits. */
static __always_inline void trace_step(const struct packet *p, __u32 stage, __u32 code, __u32 id,
				       __u32 other)
{
	if (tracing)
		trace_append(p->walk, packet_ethernet(p), stage << 24 | code, id, other);
}

/* A step of a packet that is not at hand. Not a call, for the sake of the stack. */
static __always_inline void trace_event(__u32 stage, __u32 code, __u32 interface)
{
	struct trace_record *r = tracing ? trace_next() : NULL;

	if (!r)
		return;
	r->stage = stage;
	r->code = code;
	r->interface = interface;
}

/* Index of the trace_frame that now holds the beginning of the frame, plus 1; 0: there is none left. */
static __always_inline __u32 trace_keep(const struct packet *p)
{
	__u32 index = 0;
	struct trace_log *log = bpf_map_lookup_elem(&trace_log, &index);
	struct trace_frame *frame;
	__u64 length = packet_length(p);

	if (!log)
		return 0;
	index = log->frames;
	frame = bpf_map_lookup_elem(&trace_frames, &index);
	if (!frame)
		return 0;
	frame->length = length;
	if (length > sizeof(frame->bytes))
		length = sizeof(frame->bytes);
	/* In assembly: the compiler knows the bound, and the verifier forgets it. */
	asm volatile("if %0 > %1 goto +1\n\tgoto +1\n\t%0 = %1"
		     : "+r"(length)
		     : "i"(sizeof(frame->bytes)));
	if (length < ETH_HLEN)
		return 0;
	if (p->hook == HOOK_XDP ? bpf_xdp_load_bytes(p->xdp, 0, frame->bytes, length)
				: bpf_skb_load_bytes(p->skb, 0, frame->bytes, length))
		return 0;
	log->frames++;
	return index + 1;
}

/* A step with the frame as it is now. */
static __always_inline int trace_with_frame(const struct packet *p, __u32 stage_code, __u32 id,
					    __u32 other)
{
	struct trace_record *r;
	__u32 frame = trace_keep(p);
	struct ethhdr *eth = packet_ethernet(p);

	r = trace_next();
	if (!r)
		return 0;
	r->stage = stage_code >> 24;
	r->code = stage_code & 0xffffff;
	r->id = id;
	r->other = other;
	r->frame = frame;
	trace_walk(r, p->walk);
	if (eth) {
		__builtin_memcpy(r->destination_mac, eth->h_dest, 6);
		__builtin_memcpy(r->source_mac, eth->h_source, 6);
	}
	return 0;
}

static __attribute__((noinline)) int trace_frame_xdp(struct xdp_md *xdp, struct walk *walk,
						     __u32 stage_code, __u32 id, __u32 other)
{
	struct packet p = { .hook = HOOK_XDP, .xdp = xdp, .walk = walk };

	return trace_with_frame(&p, stage_code, id, other);
}

static __attribute__((noinline)) int trace_frame_tc(struct __sk_buff *skb, struct walk *walk,
						    __u32 stage_code, __u32 id, __u32 other)
{
	struct packet p = { .hook = HOOK_TC, .skb = skb, .walk = walk };

	return trace_with_frame(&p, stage_code, id, other);
}

/* Adds a step with the frame as it is now. `code` has 24 bits. */
static __always_inline void trace_frame_step(const struct packet *p, __u32 stage, __u32 code,
					     __u32 id, __u32 other)
{
	if (!tracing)
		return;
	if (p->hook == HOOK_XDP)
		trace_frame_xdp(p->xdp, p->walk, stage << 24 | code, id, other);
	else
		trace_frame_tc(p->skb, p->walk, stage << 24 | code, id, other);
}

/* TC: the VLAN tag that the kernel keeps beside the frame; 0: none. */
static __always_inline __u32 trace_tag(const struct packet *p)
{
	if (p->hook == HOOK_XDP || !CONTEXT_FIELD(p->skb, vlan_present))
		return 0;
	return CONTEXT_FIELD(p->skb, vlan_tci);
}

#endif
