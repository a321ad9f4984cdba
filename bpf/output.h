/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The ways out: another device, back where it came from, the host's stack. */
#ifndef WEIR_OUTPUT_H
#define WEIR_OUTPUT_H

#include "counters.h"
#include "drop.h"
#include "interface.h"
#include "qos.h"
#include "vlan.h"

/*
 * In front of a packet that XDP passes to the stack: tells the TC program on the same device
 * that it has been decided. The same for all packets, because GRO merges only what has equal
 * metadata.
 */
#define PASS_MARK 0x57504153

/*
 * In front of a packet out of a tunnel that XDP has made ready for a workload: the kernel
 * merges (GRO) such packets of a flow before TC sees them, and TC puts the large one into the
 * workload's namespace. A redirect by XDP would deliver each by itself.
 */
#define DELIVER_MARK 0x57444c56

struct pass_mark {
	__u32 mark;
	__u32 interface; /* deliver: id */
};

/* The packet's receiver may be in another namespace: the stack there must take it as its own. */
static __always_inline void skb_to_host(struct __sk_buff *skb)
{
	if (CONTEXT_FIELD(skb, pkt_type) != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
}

/* XDP: TC does it, see DELIVER_MARK. -1 if there is no room for the mark. */
static __always_inline int deliver_by_tc(const struct packet *p)
{
	struct pass_mark *mark;

	if (bpf_xdp_adjust_meta(p->xdp, -(int)sizeof(*mark)))
		return -1;
	mark = packet_metadata(p, sizeof(*mark));
	if (!mark)
		return -1;
	mark->mark = DELIVER_MARK;
	mark->interface = p->walk->out_interface;
	return 0;
}

/* TC: the interface that XDP wants the packet delivered to; NULL: it has said nothing. */
static __always_inline struct interface *delivered_to(const struct packet *p)
{
	struct pass_mark *mark;

	if (p->hook != HOOK_TC)
		return NULL;
	mark = packet_metadata(p, sizeof(*mark));
	return mark && mark->mark == DELIVER_MARK ? interface_get(mark->interface) : NULL;
}

static __always_inline int redirect_peer(const struct packet *p, const struct interface *out)
{
	skb_to_host(p->skb);
	return bpf_redirect_peer(out->ifindex, 0);
}

/* Sends the frame out of walk->out_interface as it is, but for VLAN tags and code points. */
static __always_inline int transmit(const struct packet *p, int peer)
{
	struct walk *w = p->walk;
	struct interface *out = interface_get(w->out_interface);
	int verdict;

	if (!out)
		return drop(p, DROP_NO_NEXTHOP);
	if (needs_retag(w, out->vlan)) {
		verdict = call_retag(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (has_leave(out)) {
		verdict = call_leave(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (p->hook == HOOK_XDP && peer && !out->vlan && w->protocol == IPPROTO_TCP &&
	    (w->flags & WALK_DECAPSULATED) && deliver_by_tc(p) == 0) {
		verdict = XDP_PASS;
	} else if (p->hook == HOOK_XDP) {
		verdict = bpf_redirect_map(&tx_ports, w->out_interface, XDP_DROP);
		if (verdict != XDP_REDIRECT)
			return drop(p, DROP_REDIRECT_FAILED);
	} else if (peer && !out->vlan && !(w->flags & WALK_STALE_PROTOCOL)) {
		verdict = redirect_peer(p, out);
	} else {
		verdict = bpf_redirect(out->ifindex, 0);
	}
	trace_step(p, TRACE_OUTPUT, trace_tag(p), 0, 0);
	count_transmitted(w, w->out_interface);
	return verdict;
}

/* Sends an answer, made of the request, to where it came from; FORWARD: to walk->nexthop. */
static __always_inline int send_answer(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);

	if (!i)
		return drop(p, DROP_UNKNOWN_INTERFACE);
	count_answered(w);
	trace_step(p, TRACE_ANSWER, 0, 0, 0);
	if (w->flags & WALK_DECAPSULATED) {
		/* Back into the tunnel; the label is still that of the question. */
		w->nexthop = w->ingress & ~INGRESS_TUNNEL;
		w->flags &= ~WALK_DECAPSULATED;
		w->flags |= WALK_KEEP_TTL;
		return FORWARD;
	}
	/*
	 * Not XDP_TX: on a veth it wakes the other end only if that has an XDP program too;
	 * a redirect wakes it with GRO alone (drivers/net/veth.c, veth_xdp_flush).
	 */
	w->out_interface = w->interface;
	return transmit(p, 0);
}

/* Hands the packet to the host's stack, as received on its own interface. */
static __always_inline int pass_to_host(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);
	struct pass_mark *mark;

	count_local(w);
	trace_step(p, TRACE_HOST, 0, 0, 0);
	if (p->hook == HOOK_TC) {
		skb_to_host(p->skb);
		/* Received anew, which also gives the skb the protocol that the frame has. */
		if (i && (w->flags & (WALK_INJECTED | WALK_STALE_PROTOCOL)))
			return bpf_redirect(i->ifindex, BPF_F_INGRESS);
		return TC_ACT_OK;
	}
	/* Without room for metadata the TC program decides again, with the same result. */
	if (bpf_xdp_adjust_meta(p->xdp, -(int)sizeof(*mark))) {
		police_again(w->interface, w->length);
		return XDP_PASS;
	}
	mark = packet_metadata(p, sizeof(*mark));
	if (!mark)
		return XDP_PASS;
	mark->mark = PASS_MARK;
	mark->interface = 0;
	return XDP_PASS;
}

/* XDP: what TC alone can do, the program there does from the start. */
static __always_inline int hand_over(const struct packet *p)
{
	uncount_received(p->walk);
	police_again(p->walk->interface, p->walk->length);
	trace_step(p, TRACE_HAND_OVER, 0, 0, 0);
	return XDP_PASS;
}

/* TC on a device whose packets XDP decides: has it passed this one? */
static __always_inline int is_passed(const struct packet *p)
{
	struct pass_mark *mark;

	if (p->hook != HOOK_TC)
		return 0;
	mark = packet_metadata(p, sizeof(*mark));
	return mark && mark->mark == PASS_MARK;
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

#endif
