/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The ways out: another device, the host's stack as an interface, back where it came from. */
#ifndef WEIR_OUTPUT_H
#define WEIR_OUTPUT_H

#include "host.h"
#include "qos.h"
#include "vlan.h"

static __always_inline int redirect_peer(const struct packet *p, const struct interface *out)
{
	skb_to_host(p->skb);
	return bpf_redirect_peer(out->ifindex, 0);
}

/* What is special about leaving by walk->out_interface: CONTINUE, or the packet's verdict. */
static __always_inline int depart(const struct packet *p)
{
	struct interface *out = interface_get(p->walk->out_interface);
	int verdict;

	if (!out)
		return drop(p, DROP_NO_NEXTHOP);
	/* TC polices and marks what XDP leaves to it. */
	if (p->hook == HOOK_XDP && (out->flags & INTERFACE_HOST))
		return enter_host(p, out);
	verdict = leave(p, out);
	if (verdict != CONTINUE)
		return verdict;
	return out->flags & INTERFACE_HOST ? enter_host(p, out) : CONTINUE;
}
STAGE(depart)

/* Whether depart() has anything to do for `out`. */
static __always_inline int has_depart(const struct interface *out)
{
	return out->flags & (INTERFACE_QOS | INTERFACE_POLICE_SENT | INTERFACE_HOST);
}

/* Sends the frame out of walk->out_interface as it is, but for VLAN tags and code points. */
static __always_inline int transmit(const struct packet *p, int peer)
{
	struct walk *w = p->walk;
	struct interface *out = interface_get(w->out_interface);
	int verdict;

	if (!out)
		return drop(p, DROP_NO_NEXTHOP);
	if (p->hook == HOOK_XDP && is_mirrored_sent(w, out) && transmit_by_tc(p, peer) == 0)
		return XDP_PASS;
	if (needs_retag(w, out->vlan)) {
		verdict = call_retag(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (has_depart(out)) {
		verdict = call_depart(p);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (is_mirrored_sent(w, out))
		mirror_packet(p, out->mirror_sent, w->out_interface);
	if (p->hook == HOOK_XDP && peer && !out->vlan && w->protocol == IPPROTO_TCP &&
	    (w->flags & WALK_DECAPSULATED) && deliver_by_tc(p) == 0) {
		verdict = XDP_PASS;
	} else if (p->hook == HOOK_XDP) {
		verdict = bpf_redirect_map(&tx_ports, w->out_interface, XDP_DROP);
		if (verdict != XDP_REDIRECT)
			return drop(p, DROP_REDIRECT_FAILED);
	} else if (peer && !out->vlan && !(w->flags & (WALK_STALE_PROTOCOL | WALK_FROM_HOST))) {
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
		w->nexthop = w->ingress & INGRESS_ID;
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

/*
 * TC, on a device whose packets XDP decides: goes on with what it has marked. CONTINUE if that
 * is to be walked; walk->flags tell whether it has come out of a tunnel there. On the device of
 * the host's stack: whether the packet is Weir's.
 */
static __always_inline int take_over(const struct packet *p)
{
	struct handover_mark *mark;
	struct walk *w = p->walk;
	struct interface *out = interface_get(w->interface);
	struct resume_mark *resume;

	if (out && (out->flags & INTERFACE_HOST))
		return host_sent(p, out);
	mark = packet_metadata(p, sizeof(*mark));
	if (!mark)
		return CONTINUE;
	switch (mark->handover) {
	case HANDOVER_PASS:
		return verdict_pass(p);
	case HANDOVER_DELIVER:
		out = interface_get(mark->interface);
		return out ? redirect_peer(p, out) : CONTINUE;
	case HANDOVER_TRANSMIT:
		w->out_interface = mark->interface;
		w->forwarding_class = mark->forwarding_class;
		return transmit(p, mark->peer);
	case HANDOVER_RESUME:
		resume = packet_metadata(p, sizeof(*resume));
		if (!resume)
			return CONTINUE;
		w->interface = resume->mark.interface;
		w->forwarding_class = resume->mark.forwarding_class;
		resume_decapsulated(p, resume->vrf, resume->ingress, resume->nexthop);
		return CONTINUE;
	default:
		return CONTINUE;
	}
}
STAGE(take_over)

#endif
