/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The walk of a packet, from the interface that received it to its verdict. */
#ifndef WEIR_PIPELINE_H
#define WEIR_PIPELINE_H

#include "answer.h"
#include "bfd.h"
#include "bridge.h"
#include "controller_protocols.h"
#include "decapsulate.h"
#include "flow_follow.h"
#include "flow_miss.h"
#include "match.h"
#include "nat.h"
#include "nat_move.h"
#include "rpf.h"
#include "source_check.h"

/* From another node, for the MAC of an address: it may be answered where the way back is known. */
static __always_inline int is_question_of_node(const struct walk *w)
{
	return (w->ethertype == ETH_P_ARP || is_solicitation(w)) && (w->label & LABEL_IS_VNI) &&
	       !(w->ingress & (INGRESS_UNKNOWN | INGRESS_COPY)) && (w->flags & WALK_GROUP);
}

/* Whether the frame is for Weir as a router, and not for somebody on the same segment. */
static __always_inline int is_for_router(const struct packet *p, const struct interface *i)
{
	struct ethhdr *eth = packet_ethernet(p);

	return eth &&
	       (mac_equal(eth->h_dest, i->gateway_mac) || mac_equal(eth->h_dest, i->device_mac));
}

/* From a fabric device, and out of no tunnel: the host has addresses and routes of its own there. */
static __always_inline int is_underlay(const struct walk *w, const struct interface *i)
{
	return i->role == ROLE_FABRIC && !(w->flags & WALK_DECAPSULATED);
}

/*
 * Where policy is not asked, what leads nowhere else may be the answer to a translated packet:
 * CONTINUE if not.
 */
static __always_inline int follow_translated(const struct packet *p, const struct interface *i)
{
	if (i->flags & INTERFACE_POLICY)
		return CONTINUE;
	p->walk->flags |= WALK_LEADS_NOWHERE;
	return call_follow_flow(p);
}

/* A workload sent from what is not its own. */
static __always_inline int refuse_source(const struct packet *p, const struct interface *i)
{
	return drop_and_trap(p, DROP_SOURCE_MISMATCH,
			     takes_trap(i, TRAP_SOURCE_MISMATCH) ? TRAP_SOURCE_MISMATCH
								 : TRAP_NONE);
}

/* Sets walk->nexthop by the destination address; CONTINUE, or the packet's verdict. */
static __always_inline int find_route(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	struct route *route;

	if (destination_is_group(w))
		return drop(p, DROP_BROADCAST);
	route = route_to_destination(w);
	if (route && (route->flags & ROUTE_DEFAULT) && destination_is_link_scope(w))
		route = NULL;
	trace_step(p, TRACE_ROUTE, route != NULL, route ? route->nexthop : 0,
		   route ? label_of(route->label, route->flags) : 0);
	if (!route) {
		int verdict = follow_translated(p, i);

		if (verdict != CONTINUE)
			return verdict;
		if (is_underlay(w, i))
			return pass_to_host(p);
		return drop_and_trap(p, DROP_NO_ROUTE, TRAP_NO_ROUTE);
	}
	w->nexthop = route->nexthop;
	w->label = label_of(route->label, route->flags);
	return CONTINUE;
}

static __always_inline int find_bridge_entry(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	struct ethhdr *eth = packet_ethernet(p);
	struct fdb_entry *entry = eth ? bridge_find(w->key.vrf, eth->h_dest) : NULL;

	trace_step(p, TRACE_BRIDGE, entry != NULL, entry ? entry->nexthop : 0,
		   entry ? label_of(entry->label, entry->flags) : 0);
	if (!entry)
		return is_underlay(w, i) ? pass_to_host(p) : drop(p, DROP_UNKNOWN_UNICAST);
	w->nexthop = entry->nexthop;
	w->label = label_of(entry->label, entry->flags);
	w->trap_flags |= TRAP_FLAG_BRIDGED;
	return CONTINUE;
}

/* What the next hop of a route or label leads to: CONTINUE, or the packet's verdict. */
static __always_inline int follow_indirect(const struct packet *p)
{
	struct nexthop *nh = nexthop_get(p->walk->nexthop);

	return nh && is_indirect(nh) ? call_resolve(p) : CONTINUE;
}

/* Neither IP nor answered ARP. Policy cannot decide on it, so it does not get past policy. */
static __always_inline int walk_other(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	struct ethhdr *eth = packet_ethernet(p);
	struct nexthop *nh;
	int is_arp = w->ethertype == ETH_P_ARP;
	int verdict;

	if (!eth)
		return drop(p, DROP_INVALID_PACKET);
	if (w->flags & WALK_ROUTED)
		return is_arp ? trap(p, TRAP_ARP) : drop(p, DROP_UNSUPPORTED_PROTOCOL);
	if (!(w->flags & WALK_DECAPSULATED) && (i->flags & INTERFACE_SOURCE_CHECK)) {
		if (!mac_is_zero(i->mac) && !mac_equal(i->mac, eth->h_source))
			return refuse_source(p, i);
		if (is_arp && !arp_sender_is_own(p, i))
			return refuse_source(p, i);
	}
	if (!(w->flags & WALK_LABEL)) {
		verdict = find_bridge_entry(p, i);
		if (verdict != CONTINUE)
			return verdict;
	}
	verdict = follow_indirect(p);
	if (verdict != CONTINUE)
		return verdict;
	nh = nexthop_get(w->nexthop);
	if (!nh)
		return drop(p, DROP_NO_NEXTHOP);
	/* ARP too: what a neighbour may know has been answered, and forged answers redirect. */
	if ((i->flags & INTERFACE_POLICY) || (nh->flags & NEXTHOP_FLAG_POLICY))
		return drop(p, DROP_UNSUPPORTED_PROTOCOL);
	return nh->type == NEXTHOP_LOCAL ? drop(p, DROP_NO_NEXTHOP) : forward(p);
}

/* Broadcast and multicast: not decided by policy, but by who is told to get it. */
static __always_inline int walk_group(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	int verdict;

	if (!(w->flags & WALK_DECAPSULATED)) {
		if (is_dhcp_request(w))
			return trap(p, TRAP_DHCP);
		if ((i->flags & INTERFACE_SOURCE_CHECK) && !source_is_own(p, i) &&
		    !(w->family && source_is_unspecified(w)))
			return refuse_source(p, i);
		if (w->family && is_group_report(w))
			return trap(p, TRAP_IGMP);
	}
	if (!(w->flags & WALK_LABEL)) {
		struct ethhdr *eth = packet_ethernet(p);
		struct fdb_entry *entry = eth ? bridge_find(w->key.vrf, eth->h_dest) : NULL;

		trace_step(p, TRACE_BRIDGE, entry != NULL, entry ? entry->nexthop : 0,
			   entry ? label_of(entry->label, entry->flags) : 0);
		if (!entry)
			return drop(p, DROP_BROADCAST);
		w->nexthop = entry->nexthop;
		w->label = label_of(entry->label, entry->flags);
	}
	verdict = follow_indirect(p);
	if (verdict != CONTINUE)
		return verdict;
	return forward(p);
}

/* The last hop: only what is for the host may go on. CONTINUE, or the packet's verdict. */
static __always_inline int check_ttl(const struct packet *p)
{
	struct walk *w = p->walk;
	struct nexthop *nh;
	int verdict;

	if (w->flags & WALK_LABEL) {
		nh = nexthop_get(w->nexthop);
		if (!nh || nh->type != NEXTHOP_VRF)
			return CONTINUE;
	} else {
		struct route *route = route_to_destination(w);

		/* Without a route of its own it is not routed out. */
		if (!route)
			return CONTINUE;
		w->nexthop = route->nexthop;
	}
	verdict = follow_indirect(p);
	if (verdict != CONTINUE)
		return verdict;
	nh = nexthop_get(w->nexthop);
	if (!nh || (nh->type != NEXTHOP_INTERFACE && nh->type != NEXTHOP_TUNNEL) ||
	    (nh->flags & NEXTHOP_FLAG_HOST))
		return CONTINUE;
	w->out_interface = nh->interface;
	return drop_and_trap(p, DROP_TTL_EXPIRED, TRAP_TTL_EXPIRED);
}

/* Route or bridge, then policy: FORWARD, or the packet's verdict. */
static __always_inline int decide(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	__u32 policy = i->flags & INTERFACE_POLICY;
	struct nexthop *nh;
	int verdict;

	if ((i->flags & INTERFACE_SOURCE_CHECK) && !(w->flags & WALK_DECAPSULATED) &&
	    !source_is_own(p, i))
		return refuse_source(p, i);
	if ((i->flags & (INTERFACE_RPF_LOOSE | INTERFACE_RPF_STRICT)) && !is_underlay(w, i) &&
	    (w->flags & WALK_ROUTED)) {
		verdict = call_check_reverse_path(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (!(w->flags & WALK_LABEL)) {
		verdict = w->flags & WALK_ROUTED ? find_route(p, i) : find_bridge_entry(p, i);
		if (verdict != CONTINUE)
			return verdict;
	}
	verdict = follow_indirect(p);
	if (verdict != CONTINUE)
		return verdict;
	nh = nexthop_get(w->nexthop);
	if (!nh)
		return drop(p, DROP_NO_NEXTHOP);
	if (nh->type == NEXTHOP_DISCARD || nh->type == NEXTHOP_LOCAL) {
		verdict = follow_translated(p, i);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (nh->type == NEXTHOP_DISCARD)
		return discard(p);
	w->out_interface = nh->interface;
	if (!(nh->flags & NEXTHOP_FLAG_POLICY) && !policy)
		return FORWARD;
	if (w->flags & WALK_STATELESS)
		return FORWARD;
	if (!policy) {
		verdict = call_follow_flow(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (w->flags & WALK_ALLOWED) {
		/* Another decision would not find another way either; of a tunnel a neighbour may be. */
		if (nh->flags & NEXTHOP_FLAG_DOWN)
			return nh->flags & NEXTHOP_FLAG_POLICY ? drop(p, DROP_NO_NEXTHOP) : FORWARD;
		verdict = call_flow_move(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	return call_flow_miss(p);
}

static __always_inline int walk_ip(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	int verdict = CONTINUE;

	if (takes_trap(i, TRAP_BFD) && (w->flags & WALK_ROUTED) &&
	    !(w->flags & (WALK_DECAPSULATED | WALK_INJECTED))) {
		verdict = call_take_bfd(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if ((w->flags & WALK_ROUTED) && w->ttl <= 1 && !(w->flags & WALK_FROM_HOST)) {
		verdict = check_ttl(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (i->flags & INTERFACE_POLICY) {
		verdict = call_follow_flow(p);
	} else if (w->flags & WALK_UNROUTED) {
		verdict = call_follow_flow(p);
		w->flags &= ~WALK_UNROUTED;
	}
	if (verdict == CONTINUE)
		verdict = decide(p, i);
	if (verdict == FORWARD && (w->flags & WALK_NAT_LOST)) {
		verdict = call_nat_move(p);
		if (verdict == CONTINUE)
			verdict = call_flow_miss(p);
	}
	if (verdict != FORWARD)
		return verdict;
	if (w->mirror)
		mirror_flow(p);
	if (w->flags & WALK_NAT) {
		verdict = call_translate_flow(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	return forward(p);
}

/* A packet that interface `i` received. */
static __always_inline int walk(const struct packet *p, struct interface *i)
{
	struct walk *w = p->walk;
	int is_host_device, verdict;

	if (!(w->flags & WALK_DECAPSULATED)) {
		w->key.vrf = i->vrf;
		w->route_vrf = i->vrf;
		if ((i->flags & (INTERFACE_QOS | INTERFACE_POLICE_RECEIVED)) &&
		    !(w->flags & WALK_INJECTED)) {
			verdict = call_admit(p);
			if (verdict != CONTINUE)
				return verdict;
		}
		if (i->role == ROLE_FABRIC && may_be_tunneled(w)) {
			verdict = call_decapsulate(p);
			if (verdict != CONTINUE)
				return verdict;
		}
	}
	if (takes_trap(i, TRAP_USER) && !(w->flags & WALK_INJECTED)) {
		verdict = call_match_packet(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	is_host_device = is_underlay(w, i);
	if (i->role == ROLE_HOST) {
		is_host_device = 1;
		w->flags |= WALK_FROM_HOST;
	}
	if (is_host_device && ((w->flags & WALK_GROUP) || w->ethertype == ETH_P_ARP ||
			       is_solicitation(w) || is_advertisement(w)))
		return pass_to_host(p);
	if ((i->flags & INTERFACE_LEARN_MAC) && !(i->flags & INTERFACE_MAC_LEARNED))
		learn_mac(p, i);
	if ((i->flags & INTERFACE_BRIDGE_LEARN) && !(w->flags & WALK_DECAPSULATED)) {
		verdict = call_learn_source(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (!(w->flags & WALK_DECAPSULATED) && is_for_router(p, i))
		w->flags |= WALK_ROUTED;
	if (!is_host_device && may_be_answered(w) &&
	    (!(w->flags & WALK_DECAPSULATED) || is_question_of_node(w))) {
		verdict = call_answer(p);
		if (verdict == FORWARD)
			return forward(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (w->flags & WALK_GROUP)
		return walk_group(p, i);
	if (!w->family)
		return is_host_device && (w->flags & WALK_ROUTED) ? pass_to_host(p)
								  : walk_other(p, i);
	if ((w->flags & WALK_ROUTED) && is_advertisement(w))
		return trap(p, TRAP_NEIGHBOUR_DISCOVERY);
	return walk_ip(p, i);
}

#endif
