/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Samples of dropped packets, for who wants to see them: as many a second as config.drop_samples
 * says, over all CPUs. The counters have them all.
 */
#ifndef WEIR_DROP_SAMPLE_H
#define WEIR_DROP_SAMPLE_H

#include "clock.h"
#include "maps.h"
#include "packet.h"

/* Whether one more may be taken. Beyond the limit the CPUs only read the shared window. */
static __always_inline int sample_admit(__u32 limit)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 zero = 0;
	struct drop_sampling *s = bpf_map_lookup_elem(&drop_sampling, &zero);
	__u64 start;

	if (!s)
		return 0;
	start = s->window_start;
	/* Signed: another CPU may have begun a window later than this one's `now`. */
	if ((__s64)(now - start) >= (__s64)NSEC_PER_SEC &&
	    __sync_val_compare_and_swap(&s->window_start, start, now) == start)
		s->taken = 0;
	return s->taken < limit && __sync_fetch_and_add(&s->taken, 1) < limit;
}

/* Looked up where it is needed, and not held, for the sake of the stack (see sample_drop()). */
static __always_inline struct drop_sample_counters *sample_counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&drop_sample_counters, &zero);
}

static __always_inline void sample_limited(void)
{
	struct drop_sample_counters *c = sample_counters();

	if (c)
		c->limited++;
}

static __always_inline void sample_lost(void)
{
	struct drop_sample_counters *c = sample_counters();

	if (c)
		c->lost++;
}

static __always_inline void sample_taken(void)
{
	struct drop_sample_counters *c = sample_counters();

	if (c)
		c->sampled++;
}

/* Addresses and ports, as far as they were read. */
static __always_inline void sample_key(struct drop_sample *sample, const struct walk *w)
{
	sample->family = w->family;
	sample->protocol = w->family ? w->protocol : 0;
	if (w->family == 4) {
		__u32 *source = (__u32 *)sample->source;
		__u32 *destination = (__u32 *)sample->destination;

		source[0] = destination[0] = 0;
		source[1] = destination[1] = 0;
		source[2] = destination[2] = bpf_htonl(0xffff);
		source[3] = w->key.v4.source;
		destination[3] = w->key.v4.destination;
		sample->source_port = w->key.v4.source_port;
		sample->destination_port = w->key.v4.destination_port;
		return;
	}
	/* Without an IP header the key is all zero. */
	__builtin_memcpy(sample->source, w->key.v6.source, sizeof(sample->source));
	__builtin_memcpy(sample->destination, w->key.v6.destination, sizeof(sample->destination));
	sample->source_port = w->key.v6.source_port;
	sample->destination_port = w->key.v6.destination_port;
}

/* Copies the packet's first bytes, wherever they lie. */
static __always_inline void sample_head(struct drop_sample *sample, const struct packet *p)
{
	__u64 last = (__u64)packet_length(p) - 1;
	__u64 length;
	long error;

	/* The verifier is to see the bounds of the register that the helper gets: 1 to all. */
	asm volatile("" : "+r"(last));
	if (last >= WEIR_SAMPLE_BYTES)
		last = WEIR_SAMPLE_BYTES - 1;
	asm volatile("" : "+r"(last));
	length = last + 1;
	if (p->hook == HOOK_XDP)
		error = bpf_xdp_load_bytes(p->xdp, 0, sample->head, length);
	else
		error = bpf_skb_load_bytes(p->skb, 0, sample->head, length);
	sample->head_length = error ? 0 : length;
}

/*
 * Any stage may drop, at the end of any row of calls, whose frames may have 512 bytes together:
 * the frame of the function that this becomes part of must stay small.
 */
static __always_inline void sample_drop(const struct packet *p, __u32 limit, __u32 interface,
					__u32 reason, __u32 rule)
{
	const struct walk *w = p->walk;
	struct drop_sample *sample;

	if (!sample_admit(limit)) {
		sample_limited();
		return;
	}
	sample = bpf_ringbuf_reserve(&drop_samples, sizeof(*sample), 0);
	if (!sample) {
		sample_lost();
		return;
	}
	sample->time = bpf_ktime_get_ns();
	sample->length = w->length;
	sample->rule = rule;
	sample->vrf = w->key.vrf;
	sample->ingress = w->ingress;
	sample->interface = interface;
	sample->out_interface = w->out_interface;
	sample->vlan = w->vlan;
	sample->reason = reason;
	sample->hook = p->hook == HOOK_XDP ? SAMPLE_XDP : SAMPLE_TC;
	sample_key(sample, w);
	sample_head(sample, p);
	bpf_ringbuf_submit(sample, 0);
	sample_taken();
}

#endif
