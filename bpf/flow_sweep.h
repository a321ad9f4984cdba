/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Ageing, in two phases: a pair that has been idle for too long is marked, and removed at
 * the next sweep if no packet has taken the mark off since. A packet that comes between the
 * last look and the removal is decided again.
 *
 * weir_flow_sweep goes through a whole table, which takes about 0.4 us an entry and cannot
 * be continued where it stopped. For large tables user space reads the table in slices and
 * names the pairs that look idle to weir_flow_update (DECISION_AGE), which looks again.
 */
#ifndef WEIR_FLOW_SWEEP_H
#define WEIR_FLOW_SWEEP_H

#include "flow_age.h"
#include "flow_remove.h"

struct sweep {
	struct config *config;
	__u64 now;
	__u32 seen, removed, marked, holds;
};

static __always_inline void sweep_flow(struct sweep *s, __u8 family, const union flow_key *key,
				       struct flow_entry *flow, __u8 protocol)
{
	union flow_key reverse;
	struct flow_entry *other;

	s->seen++;
	if (flow->action == FLOW_HOLD) {
		if (!hold_is_over(s->config, flow, s->now)) {
			s->holds++;
			return;
		}
		s->removed += flow_remove(family, key, flow);
		return;
	}
	flow_key_partner(family, key, flow, &reverse);
	other = partner_of(family, flow, &reverse);
	/* The forward entry speaks for the pair. */
	if ((flow->flags & FLOW_FLAG_REVERSE) && other)
		return;
	if (!pair_is_idle(s->config, flow, other, protocol, s->now)) {
		if (flow->flags & FLOW_FLAG_MARKED)
			flow->flags &= ~FLOW_FLAG_MARKED;
		return;
	}
	if (!(flow->flags & FLOW_FLAG_MARKED) || (other && !(other->flags & FLOW_FLAG_MARKED))) {
		flow->flags |= FLOW_FLAG_MARKED;
		if (other)
			other->flags |= FLOW_FLAG_MARKED;
		s->marked++;
		return;
	}
	s->removed += flow_remove(family, key, flow);
	if (other)
		s->removed += flow_remove(family, &reverse, other);
}

static long sweep_flow4(void *map __attribute__((unused)), const struct flow4_key *key,
			struct flow_entry *flow, struct sweep *s)
{
	union flow_key copy;

	copy.v4 = *key;
	sweep_flow(s, 4, &copy, flow, copy.v4.protocol);
	return 0;
}

static long sweep_flow6(void *map __attribute__((unused)), const struct flow6_key *key,
			struct flow_entry *flow, struct sweep *s)
{
	union flow_key copy;

	copy.v6 = *key;
	sweep_flow(s, 6, &copy, flow, copy.v6.protocol);
	return 0;
}

/*
 * Functions of their own: merged by the compiler, the two calls would be one instruction
 * with two maps, which Linux 6.1 refuses.
 */
static __attribute__((noinline)) long sweep_all4(struct sweep *s)
{
	return bpf_for_each_map_elem(&flows4, sweep_flow4, s, 0);
}

static __attribute__((noinline)) long sweep_all6(struct sweep *s)
{
	return bpf_for_each_map_elem(&flows6, sweep_flow6, s, 0);
}

static __always_inline int flow_sweep(struct flow_sweep_args *args)
{
	struct sweep s = { .config = the_config(), .now = bpf_ktime_get_ns() };

	if (!s.config)
		return -1;
	if (args->family == 4)
		sweep_all4(&s);
	else if (args->family == 6)
		sweep_all6(&s);
	else
		return -1;
	args->seen = s.seen;
	args->removed = s.removed;
	args->marked = s.marked;
	args->holds = s.holds;
	return 0;
}

#endif
