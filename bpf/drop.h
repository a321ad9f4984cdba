/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every drop goes through here and has a reason. */
#ifndef WEIR_DROP_H
#define WEIR_DROP_H

#include "drop_sample.h"
#include "trace_record.h"

/* Counts a packet of `bytes` on `interface` (0: unknown) as dropped for `reason`. */
static __always_inline void count_drop(__u32 interface, __u32 reason, __u32 bytes)
{
	__u32 key = interface;
	struct drop_counter *counters = bpf_map_lookup_elem(&drop_counters, &key);

	if (counters) {
		struct drop_counter *c = &counters[reason & (WEIR_MAX_REASONS - 1)];

		c->packets++;
		c->bytes += bytes;
	}
	trace_event(TRACE_DROP, reason, interface);
}

/* What both hooks' note_drop_*() do. */
static __always_inline int noted_drop(const struct packet *p, __u32 interface, __u32 reason,
				      __u32 rule)
{
	struct config *c = the_config();

	count_drop(interface, reason, p->walk->length);
	if (!tracing && c && c->drop_samples)
		sample_drop(p, c->drop_samples, interface, reason, rule);
	return 0;
}

__attribute__((noinline)) int note_drop_xdp(struct xdp_md *xdp, struct walk *walk, __u32 interface,
					    __u32 reason, __u32 rule)
{
	struct packet p = { .hook = HOOK_XDP, .xdp = xdp, .walk = walk };

	return walk ? noted_drop(&p, interface, reason, rule) : 0;
}

__attribute__((noinline)) int note_drop_tc(struct __sk_buff *skb, struct walk *walk,
					   __u32 interface, __u32 reason, __u32 rule)
{
	struct packet p = { .hook = HOOK_TC, .skb = skb, .walk = walk };

	return walk ? noted_drop(&p, interface, reason, rule) : 0;
}

/* Counts the packet as dropped on `interface`, and samples it; the verdict is the caller's. */
static __always_inline void note_drop_on(const struct packet *p, __u32 interface, __u32 reason,
					 __u32 rule)
{
	if (p->hook == HOOK_XDP)
		note_drop_xdp(p->xdp, p->walk, interface, reason, rule);
	else
		note_drop_tc(p->skb, p->walk, interface, reason, rule);
}

static __always_inline void note_drop(const struct packet *p, __u32 reason)
{
	note_drop_on(p, p->walk->interface, reason, 0);
}

/* Counted on another interface than the one that received it. */
static __always_inline int drop_on(const struct packet *p, __u32 interface, __u32 reason)
{
	note_drop_on(p, interface, reason, 0);
	return verdict_drop(p);
}

/* Because policy rule `rule` says so; 0: none. */
static __always_inline int drop_by_rule(const struct packet *p, __u32 reason, __u32 rule)
{
	note_drop_on(p, p->walk->interface, reason, rule);
	return verdict_drop(p);
}

static __always_inline int drop(const struct packet *p, __u32 reason)
{
	return drop_on(p, p->walk->interface, reason);
}

#endif
