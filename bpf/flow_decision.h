/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a decision says, as the key and the entries of its flow. */
#ifndef WEIR_FLOW_DECISION_H
#define WEIR_FLOW_DECISION_H

#include "flow_miss.h"
#include "flow_move.h"

static __always_inline void decision_key(const struct flow_decision *d, union flow_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	if (d->family == 4) {
		key->v4.vrf = d->vrf;
		__builtin_memcpy(&key->v4.source, d->source + 12, 4);
		__builtin_memcpy(&key->v4.destination, d->destination + 12, 4);
		key->v4.source_port = d->source_port;
		key->v4.destination_port = d->destination_port;
		key->v4.protocol = d->protocol;
	} else {
		key->v6.vrf = d->vrf;
		__builtin_memcpy(key->v6.source, d->source, 16);
		__builtin_memcpy(key->v6.destination, d->destination, 16);
		key->v6.source_port = d->source_port;
		key->v6.destination_port = d->destination_port;
		key->v6.protocol = d->protocol;
	}
}

static __always_inline void entry_from_decision(const struct flow_decision *d,
						struct flow_entry *flow)
{
	__u64 now = bpf_ktime_get_ns();

	__builtin_memset(flow, 0, sizeof(*flow));
	flow->created = now;
	flow->last_seen = now;
	flow->nexthop = d->nexthop;
	flow->rule = d->rule;
	flow->idle_seconds = d->idle_seconds;
	flow->revision = d->revision;
	flow->ingress = d->ingress;
	flow->action = d->action;
	flow->flags = d->flags & (FLOW_FLAG_BRIDGED | FLOW_FLAG_SINGLE | FLOW_FLAG_CHOSEN);
	flow->worker = d->worker;
	flow->drop_reason = d->drop_reason;
	flow->mirror = d->mirror;
	flow->label = d->label;
	flow->reverse_vrf = d->reverse_vrf;
	flow->reroute = d->flags & FLOW_FLAG_REROUTE;
	if (d->action == FLOW_NAT) {
		__builtin_memcpy(flow->new_source, d->new_source, 16);
		__builtin_memcpy(flow->new_destination, d->new_destination, 16);
		flow->new_source_port = d->new_source_port;
		flow->new_destination_port = d->new_destination_port;
	}
	if (has_ports(d->protocol))
		flow->state = FLOW_STATE_NEW;
}

/* Makes the reverse direction's entry of the other one. */
static __always_inline void entry_turn(const struct flow_decision *d, struct flow_entry *flow)
{
	flow->owner = 0;
	flow->nexthop = d->reverse_nexthop;
	flow->ingress = d->reverse_ingress;
	flow->label = d->reverse_label;
	flow->reverse_vrf = d->vrf;
	flow->flags = (flow->flags & ~FLOW_FLAG_CHOSEN) | FLOW_FLAG_REVERSE;
	if (d->flags & FLOW_FLAG_CHOSEN_BACK)
		flow->flags |= FLOW_FLAG_CHOSEN;
	if (d->reverse_mirror)
		flow->mirror = d->reverse_mirror;
	if (d->action != FLOW_NAT)
		return;
	__builtin_memcpy(flow->new_source, d->destination, 16);
	__builtin_memcpy(flow->new_destination, d->source, 16);
	flow->new_source_port = d->destination_port;
	flow->new_destination_port = d->source_port;
}

/* What the pipeline found out at the first packet, and the decision leaves as it is. */
static __always_inline void decision_complete(struct flow_decision *d, const struct flow_entry *old)
{
	if (old) {
		if (!d->label && d->nexthop == old->nexthop)
			d->label = old->label;
		if (!d->reverse_label)
			d->reverse_label = old->reverse_label;
		if (!d->reverse_vrf)
			d->reverse_vrf = old->reverse_vrf;
		if (!d->ingress && old->action == FLOW_HOLD)
			d->ingress = old->ingress;
	}
	if (!d->reverse_vrf)
		d->reverse_vrf = d->vrf;
	if (!d->ingress)
		d->ingress = ingress_of(d->reverse_nexthop);
	if (!d->reverse_ingress)
		d->reverse_ingress = ingress_of(d->nexthop);
}

/* A connection that is decided again keeps its counters, unless they are told, and its state. */
static __always_inline void entry_inherit(struct flow_entry *flow, const struct flow_entry *old,
					  int ended)
{
	if (!old || old->action == FLOW_HOLD)
		return;
	/* Who marks it looks afterwards whether it is claimed: then it is marked here, or once more. */
	flow->reroute |= old->reroute;
	if (!ended) {
		flow->created = old->created;
		flow->packets = old->packets;
		flow->bytes = old->bytes;
	}
	/* Decided again because the ports are used again: a new connection. */
	if (old->state == FLOW_STATE_CLOSED)
		return;
	flow->state = old->state;
	flow->tcp_flags = old->tcp_flags;
	flow->tcp_scale = old->tcp_scale;
	flow->tcp_end = old->tcp_end;
	flow->tcp_ack = old->tcp_ack;
	flow->tcp_window = old->tcp_window;
}

#endif
