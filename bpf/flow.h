/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flow table: lookup, counters and the state of the connection.
 *
 * A decided flow is a pair of entries, one a direction, with the same generation. An entry
 * is hit only by packets of the interface that it names; any other packet with its key is a
 * new decision.
 */
#ifndef WEIR_FLOW_H
#define WEIR_FLOW_H

#include "counters.h"
#include "drop.h"
#include "flow_slot.h"
#include "flow_tcp.h"
#include "nexthop.h"
#include "trap.h"

/* `key`: on the caller's own stack, or in a map. */
static __always_inline struct flow_entry *flow_at(__u8 family, const union flow_key *key)
{
	struct flow_entry *flow;

	if (family == 4) {
		flow = bpf_map_lookup_elem(&flows4, &key->v4);
		NOT_MERGED(flow, 4);
	} else {
		flow = bpf_map_lookup_elem(&flows6, &key->v6);
		NOT_MERGED(flow, 6);
	}
	return flow;
}

/* Linux 6.1 takes no map key from the memory that a function gets as an argument: a copy. */
static __always_inline struct flow_entry *flow_find(__u8 family, const union flow_key *key)
{
	union flow_key copy;

	if (family == 4)
		copy.v4 = key->v4;
	else
		copy.v6 = key->v6;
	return flow_at(family, &copy);
}

/* `flags`: BPF_ANY or BPF_NOEXIST. */
static __always_inline long flow_put(__u8 family, const union flow_key *key,
				     const struct flow_entry *flow, __u64 flags)
{
	union flow_key copy;
	long error;

	if (family == 4) {
		copy.v4 = key->v4;
		error = bpf_map_update_elem(&flows4, &copy.v4, flow, flags);
		NOT_MERGED(error, 4);
	} else {
		copy.v6 = key->v6;
		error = bpf_map_update_elem(&flows6, &copy.v6, flow, flags);
		NOT_MERGED(error, 6);
	}
	return error;
}

/* `vrf`: of the reverse direction; 0: the same. */
static __always_inline void flow_key_reverse(__u8 family, const union flow_key *key, __u32 vrf,
					     union flow_key *reverse)
{
	*reverse = *key;
	if (vrf)
		reverse->vrf = vrf;
	if (family == 4) {
		reverse->v4.source = key->v4.destination;
		reverse->v4.destination = key->v4.source;
		reverse->v4.source_port = key->v4.destination_port;
		reverse->v4.destination_port = key->v4.source_port;
	} else {
		__builtin_memcpy(reverse->v6.source, key->v6.destination, 16);
		__builtin_memcpy(reverse->v6.destination, key->v6.source, 16);
		reverse->v6.source_port = key->v6.destination_port;
		reverse->v6.destination_port = key->v6.source_port;
	}
}

/* Key of the reverse direction's entry: of what answers the flow's packets where they come out. */
static __always_inline void flow_key_partner(__u8 family, const union flow_key *key,
					     const struct flow_entry *flow, union flow_key *partner)
{
	flow_key_reverse(family, key, flow->reverse_vrf, partner);
	if (flow->action != FLOW_NAT)
		return;
	if (family == 4) {
		__builtin_memcpy(&partner->v4.source, flow->new_destination + 12, 4);
		__builtin_memcpy(&partner->v4.destination, flow->new_source + 12, 4);
		partner->v4.source_port = flow->new_destination_port;
		partner->v4.destination_port = flow->new_source_port;
	} else {
		__builtin_memcpy(partner->v6.source, flow->new_destination, 16);
		__builtin_memcpy(partner->v6.destination, flow->new_source, 16);
		partner->v6.source_port = flow->new_destination_port;
		partner->v6.destination_port = flow->new_source_port;
	}
}

/* Both directions' entries get the state, that of the pair. `other`: NULL, or the reverse one. */
static __always_inline void flow_set_state(__u8 family, struct flow_entry *flow,
					   struct flow_entry *other, __u8 state)
{
	__u32 slot = flow->slot;

	if (flow->state == state)
		return;
	if (other) {
		other->state = state;
		slot |= other->slot;
	}
	flow->state = state;
	/* All other states may be idle for a shorter time than the one before. */
	if (state != FLOW_STATE_ESTABLISHED && slot)
		slot_hasten(family, slot);
}

/*
 * A packet that may change the state of its flow: CONTINUE if it is a new connection that
 * has to be decided, FORWARD otherwise.
 */
static __always_inline int flow_transition(const struct packet *p)
{
	struct walk *w = p->walk;
	struct flow_entry *flow = flow_find(w->family, &w->key);
	struct flow_entry *other;
	union flow_key reverse;
	__u8 state;
	int reused;

	if (!flow)
		return CONTINUE;
	/* The ports are used again. Only the side that was allowed to may connect. */
	reused = w->protocol == IPPROTO_TCP && flow->state == FLOW_STATE_CLOSED &&
		 (w->tcp_flags & TCP_FLAGS_KEPT) == TCP_FLAG_SYN;
	if (reused && (flow->flags & FLOW_FLAG_REVERSE))
		return CONTINUE;
	if (tracing)
		return FORWARD;
	flow_key_partner(w->family, &w->key, flow, &reverse);
	other = flow_find(w->family, &reverse);
	if (other && other->generation != flow->generation)
		other = NULL;
	if (reused) {
		flow_set_state(w->family, flow, other, FLOW_STATE_NEW);
		tcp_forget(flow);
		if (other)
			tcp_forget(other);
	}
	state = w->protocol == IPPROTO_TCP ? tcp_follow(p, flow, other) : FLOW_STATE_ESTABLISHED;
	flow_set_state(w->family, flow, other, state);
	return FORWARD;
}
STAGE(flow_transition)

/* Whether flow_transition() is to be asked; false for the packets of an established flow. */
static __always_inline int flow_may_change(const struct walk *w, const struct flow_entry *flow)
{
	if (w->flags & WALK_RELATED)
		return 0;
	if (w->protocol == IPPROTO_TCP)
		return flow->state == FLOW_STATE_NEW ||
		       (w->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST));
	return flow->state == FLOW_STATE_NEW && (flow->flags & FLOW_FLAG_REVERSE);
}

/* Several CPUs may count at once; a coarse clock is enough for ageing. */
static __always_inline void flow_touch(const struct walk *w, struct flow_entry *flow)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	if (flow->last_seen != now)
		flow->last_seen = now;
	if (flow->flags & FLOW_FLAG_MARKED)
		flow->flags &= ~FLOW_FLAG_MARKED;
	__sync_fetch_and_add(&flow->packets, 1);
	__sync_fetch_and_add(&flow->bytes, w->ip_length);
}

#endif
