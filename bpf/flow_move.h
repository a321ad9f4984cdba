/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Flows that were decided when the ways of packets change. An entry holds what a route led to in
 * the end. When routes may lead elsewhere (flow_entry.reroute), or where they led is down, the next
 * packet of that direction goes the whole walk, and its entry is led to where it comes out; what is
 * known of the flow stays. Answers that come by another way than before are taken where the
 * route of their source leads to it.
 *
 * Policy has allowed the flow between two interfaces. It is asked only where one of the two is
 * another one now, with other policies: in the slow path, about the direction that began.
 */
#ifndef WEIR_FLOW_MOVE_H
#define WEIR_FLOW_MOVE_H

#include "flow_age.h"
#include "reverse.h"

/* Where packets come from that next hop `id` leads back to; 0: nothing known. */
static __always_inline __u32 ingress_of(__u32 id)
{
	struct nexthop *nh = nexthop_get(id);

	if (!nh)
		return 0;
	return nh->type == NEXTHOP_TUNNEL ? INGRESS_TUNNEL | id : nh->interface;
}

/* Whether `interface` has no policies, or those of the interface that `ingress` is. */
static __always_inline int policy_is_same(__u32 ingress, __u32 interface)
{
	struct interface *now = interface_get(interface);
	struct interface *was;

	if (!now || !(now->flags & INTERFACE_POLICY))
		return 1;
	was = ingress & INGRESS_TUNNEL ? NULL : interface_get(ingress);
	return was && (was->flags & INTERFACE_POLICY) && was->policy == now->policy;
}

/* Next hop that the source is behind, by the flow's own table; 0: nothing known. */
static __always_inline __u32 nexthop_of_source(const struct packet *p, __u8 flow_flags)
{
	struct walk *w = p->walk;
	struct fdb_entry *entry;
	struct route *route;
	struct ethhdr *eth;

	if (flow_flags & FLOW_FLAG_BRIDGED) {
		eth = packet_ethernet(p);
		entry = eth ? fdb_find(w->key.vrf, eth->h_source) : NULL;
		return entry ? entry->nexthop : 0;
	}
	route = route_to_source(w, w->key.vrf);
	return route ? route->nexthop : 0;
}

/* The pair's other entry; NULL: it has none, or that is another flow's. */
static __always_inline struct flow_entry *flow_partner(const struct walk *w,
						       const struct flow_entry *flow)
{
	union flow_key reverse;

	flow_key_partner(w->family, &w->key, flow, &reverse);
	return partner_of(w->family, flow, &reverse);
}

static __always_inline int is_syn_alone(const struct walk *w)
{
	return w->protocol == IPPROTO_TCP &&
	       (w->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

/*
 * A packet of a pair's reverse direction that comes by another way than the entry says. FORWARD:
 * its source is behind that way, the entry says so now, and the other direction looks where to go;
 * CONTINUE: it is not the flow's, or policy is to be asked.
 */
static __always_inline int follow_answer(const struct packet *p)
{
	struct walk *w = p->walk;
	struct flow_entry *flow, *other;

	/* Errors come from anywhere on the way; and an answer connects nobody. */
	if ((w->flags & WALK_RELATED) || (w->ingress & (INGRESS_UNKNOWN | INGRESS_COPY)) ||
	    is_syn_alone(w))
		return CONTINUE;
	flow = flow_find(w->family, &w->key);
	if (!flow || !(flow->flags & FLOW_FLAG_REVERSE))
		return CONTINUE;
	w->reverse_nexthop = nexthop_of_source(p, flow->flags);
	follow_back(w);
	if (!leads_back(w))
		return CONTINUE;
	if (!policy_is_same(flow->ingress, w->ingress & INGRESS_TUNNEL ? 0 : w->interface)) {
		/* The key of the direction that began a translated flow is not that of its answers, turned. */
		if (flow->action == FLOW_FORWARD)
			w->flags |= WALK_ANSWER;
		return CONTINUE;
	}
	if (tracing)
		return FORWARD;
	flow->ingress = w->ingress;
	other = flow_partner(w, flow);
	if (other && !(other->flags & FLOW_FLAG_CHOSEN))
		other->reroute = 1;
	return FORWARD;
}
STAGE(follow_answer)

/* Leads the entry, and what answers it, to walk->nexthop. `reroute`: why. */
static __always_inline void entry_lead(const struct walk *w, struct flow_entry *flow,
				       struct flow_entry *other, __u32 reroute)
{
	*(volatile __u64 *)&flow->nexthop = (__u64)w->label << 32 | w->nexthop;
	if (other)
		other->ingress = ingress_of(w->nexthop);
	/* Unless routes have changed once more. */
	__sync_val_compare_and_swap(&flow->reroute, reroute, 0);
}

/*
 * A packet of an allowed flow that goes on to walk->nexthop, and not where its entry says. FORWARD, or
 * CONTINUE: policy is to be asked.
 */
static __always_inline int flow_move(const struct packet *p)
{
	struct walk *w = p->walk;
	struct flow_entry *flow = flow_find(w->family, &w->key);
	struct flow_entry *other;
	__u32 reroute;

	if (!flow || flow->action != FLOW_FORWARD)
		return CONTINUE;
	reroute = flow->reroute;
	other = flow_partner(w, flow);
	if (!policy_is_same(other ? other->ingress : 0, w->out_interface))
		return CONTINUE;
	/* An error goes where its own destination is; what the controller has chosen may come back. */
	if (tracing || (w->flags & WALK_RELATED) || (flow->flags & FLOW_FLAG_CHOSEN))
		return FORWARD;
	entry_lead(w, flow, other, reroute);
	return FORWARD;
}
STAGE(flow_move)

#endif
