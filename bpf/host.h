/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The host's own stack: what it is given, and what it sends.
 *
 * It may be an interface (role host). What its processes send by the device is seen on TC egress
 * there, and taken if it is for somebody behind Weir; what Weir has for it the device receives. So
 * to the stack the device, `lo` as a rule, is the link that workloads are on.
 */
#ifndef WEIR_HOST_H
#define WEIR_HOST_H

#include "counters.h"
#include "drop.h"
#include "handover.h"
#include "interface.h"
#include "mirror.h"
#include "nexthop.h"
#include "route.h"

/* The packet's receiver may be in another namespace: the stack there must take it as its own. */
static __always_inline void skb_to_host(struct __sk_buff *skb)
{
	if (CONTEXT_FIELD(skb, pkt_type) != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
}

/* Hands the packet to the host's stack, as received on its own interface. */
static __always_inline int pass_to_host(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);

	trace_step(p, TRACE_HOST, 0, 0, 0);
	if (p->hook == HOOK_XDP && !put_mark(p, sizeof(struct handover_mark), HANDOVER_PASS, 0)) {
		/* Without room for metadata the TC program decides again, with the same result. */
		uncount_received(w);
		police_again(w->interface, w->length);
		return XDP_PASS;
	}
	count_local(w);
	if (p->hook == HOOK_TC) {
		skb_to_host(p->skb);
		/* Received anew, which also gives the skb the protocol that the frame has. */
		if (i && (w->flags & (WALK_INJECTED | WALK_STALE_PROTOCOL)))
			return bpf_redirect(i->ifindex, BPF_F_INGRESS);
	}
	return verdict_pass(p);
}

/* To `local`: the frame is made one to the device itself, unless it is for a group. */
static __always_inline int deliver(const struct packet *p)
{
	struct interface *i = interface_get(p->walk->interface);
	struct ethhdr *eth = packet_ethernet(p);

	if (!i || !eth)
		return drop(p, DROP_INVALID_PACKET);
	if (!(p->walk->flags & WALK_GROUP))
		mac_copy(eth->h_dest, i->device_mac);
	return pass_to_host(p);
}

/* To the stack behind interface `out`. XDP leaves it to TC, which alone can have a device receive it. */
static __always_inline int enter_host(const struct packet *p, const struct interface *out)
{
	struct walk *w = p->walk;
	struct ethhdr *eth;

	/* A device without metadata: the stack receives it where it came in. */
	if (p->hook == HOOK_XDP)
		return transmit_by_tc(p, 0) ? deliver(p) : XDP_PASS;
	if (is_mirrored_sent(w, out))
		mirror_packet(p, out->mirror_sent, w->out_interface);
	eth = packet_ethernet(p);
	if (!eth)
		return drop(p, DROP_INVALID_PACKET);
	mac_copy(eth->h_dest, out->device_mac);
	trace_step(p, TRACE_HOST, 0, 0, 0);
	count_transmitted(w, w->out_interface);
	return bpf_redirect(out->ifindex, BPF_F_INGRESS);
}

/*
 * TC egress of the host's device: CONTINUE if the packet is for somebody behind Weir, who has a
 * route of its own in the interface's VRF. All else is the host's, and goes on untouched.
 */
static __always_inline int host_sent(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	struct nexthop *nh = NULL;
	struct route *route;

	w->route_vrf = i->vrf;
	if (w->family && !(w->flags & WALK_GROUP) && !destination_is_group(w)) {
		route = route_to_destination(w);
		if (route && !(route->flags & ROUTE_DEFAULT))
			nh = nexthop_get(route->nexthop);
	}
	if (nh && nh->type != NEXTHOP_LOCAL && !(nh->flags & NEXTHOP_FLAG_HOST))
		return CONTINUE;
	trace_step(p, TRACE_HOST, 0, 0, 0);
	return verdict_pass(p);
}

#endif
