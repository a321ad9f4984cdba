/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A frame to all members of a flood but its sender, each with its own headers. Only TC can
 * make copies; XDP leaves such frames to it.
 *
 * Headers are put in front of the one frame that is copied. They cannot be taken away again
 * from a frame that is not IP, only overwritten and added to: hence the members' order.
 */
#ifndef WEIR_FLOOD_H
#define WEIR_FLOOD_H

#include "encapsulate.h"

#define MAX_FLOOD_MEMBERS 256

/* A copy that could not be made; the others are. */
static __always_inline int flood_miss(const struct packet *p, __u32 reason)
{
	note_drop(p, reason);
	return CONTINUE;
}

static __always_inline int flood_clone(const struct packet *p, const struct interface *out,
				       __u32 id)
{
	if (is_mirrored_sent(p->walk, out))
		mirror_packet(p, out->mirror_sent, id);
	if (tracing)
		trace_frame_step(p, TRACE_COPY, trace_tag(p), 0, 0);
	else if (bpf_clone_redirect(p->skb, out->ifindex, 0) < 0)
		return flood_miss(p, DROP_REDIRECT_FAILED);
	count_transmitted(p->walk, id);
	return CONTINUE;
}

/* A copy with the code points of its interface; the frame gets back what it came with. */
static __always_inline int flood_marked(const struct packet *p, const struct interface *out,
					__u32 id)
{
	struct walk *w = p->walk;
	__u32 priority = CONTEXT_FIELD(p->skb, priority);
	__u32 queue = CONTEXT_FIELD(p->skb, queue_mapping);
	__u8 class = traffic_class(p, w->l3_offset);

	if (call_depart(p) != CONTINUE)
		return CONTINUE;
	flood_clone(p, out, id);
	if (w->family && !w->room)
		traffic_class_write(p, class);
	p->skb->priority = priority;
	p->skb->queue_mapping = queue;
	/* Whoever has the same tag writes one of his own. */
	w->vlan = 0;
	return CONTINUE;
}

static __always_inline int flood_copy(const struct packet *p, const struct interface *out, __u32 id)
{
	struct walk *w = p->walk;

	w->out_interface = id;
	if (needs_retag(w, out->vlan) && call_retag(p) != CONTINUE)
		return CONTINUE;
	return has_depart(out) ? flood_marked(p, out, id) : flood_clone(p, out, id);
}

static __always_inline int flood_to_interface(const struct packet *p, const struct nexthop *nh)
{
	struct walk *w = p->walk;
	struct interface *out = interface_get(nh->interface);

	if (nh->interface == w->interface && !(w->flags & WALK_DECAPSULATED))
		return CONTINUE;
	if (!out)
		return flood_miss(p, DROP_NO_NEXTHOP);
	if (w->room)
		return flood_miss(p, DROP_REDIRECT_FAILED);
	if (is_too_big(p, nh->mtu))
		return flood_miss(p, DROP_PACKET_TOO_BIG);
	return flood_copy(p, out, nh->interface);
}

/* More room in front, up to e->room bytes. */
static __always_inline int grow_room(const struct packet *p, struct encapsulation *e)
{
	struct walk *w = p->walk;
	int more = (int)e->room - w->room;

	if (!w->room)
		return make_room(p, e);
	if (more > 0)
		return w->flags & WALK_GSO ? -1 : bpf_skb_change_head(p->skb, more, 0);
	return more;
}

/* `tunnel`: number of `nh`. */
static __always_inline int flood_to_tunnel(const struct packet *p, const struct nexthop *nh,
					   __u32 tunnel)
{
	struct walk *w = p->walk;
	struct encapsulation e = {};
	struct nexthop *underlay;
	struct interface *out;
	__u32 id;

	/* From the fabric nothing goes back there. */
	if (w->flags & WALK_DECAPSULATED)
		return CONTINUE;
	underlay = find_underlay(p, nh, &id);
	out = underlay ? interface_get(underlay->interface) : NULL;
	if (!out || !label_fits(nh, w->label))
		return flood_miss(p, DROP_NO_NEXTHOP);
	if (underlay->flags & NEXTHOP_FLAG_RESOLVE)
		return flood_miss(p, DROP_NO_NEIGHBOUR);
	if (is_too_big(p, mtu_of(w, nh)))
		return flood_miss(p, DROP_PACKET_TOO_BIG);
	if (w->tags && call_strip_tags(p) != CONTINUE)
		return CONTINUE;
	if (plan(p, nh, underlay, &e) || grow_room(p, &e))
		return flood_miss(p, DROP_REDIRECT_FAILED);
	w->room = e.room;
	trace_step(p, TRACE_ENCAPSULATE, nh->encap, tunnel, id);
	if (write_headers(p, &e, nh, underlay))
		return flood_miss(p, DROP_REDIRECT_FAILED);
	count_tunnel(nh->counter, 0, e.length + ETH_HLEN);
	return flood_copy(p, out, underlay->interface);
}

/* One member, that w->member is the index of. */
static __always_inline int flood_member(const struct packet *p)
{
	struct walk *w = p->walk;
	__u32 index = w->member;
	struct member *m = bpf_map_lookup_elem(&members, &index);
	struct nexthop *nh;
	__u32 label = w->label;

	if (p->hook == HOOK_XDP || !m || (m->flags & MEMBER_DEAD))
		return CONTINUE;
	nh = nexthop_get(m->nexthop);
	trace_step(p, TRACE_MEMBER, nh ? nh->type : NEXTHOP_NONE, m->nexthop, 0);
	if (!nh || (nh->flags & NEXTHOP_FLAG_DOWN))
		return flood_miss(p, DROP_NO_NEXTHOP);
	if (nh->type == NEXTHOP_INTERFACE)
		return flood_to_interface(p, nh);
	if (nh->type != NEXTHOP_TUNNEL)
		return flood_miss(p, DROP_NO_NEXTHOP);
	if (m->flags & (ROUTE_LABEL | ROUTE_VNI))
		w->label = label_of(m->label, m->flags);
	flood_to_tunnel(p, nh, m->nexthop);
	w->label = label;
	return CONTINUE;
}
STAGE(flood_member)

/* XDP. A trace tells TC's part of what came out of a tunnel from the packet as it came, too. */
static __always_inline int flood_by_tc(const struct packet *p)
{
	int verdict = tracing ? hand_over(p) : leave_to_tc(p);

	return verdict == CONTINUE ? drop(p, DROP_REDIRECT_FAILED) : verdict;
}

/* Copies for all members; the frame itself goes nowhere. */
static __always_inline int flood(const struct packet *p)
{
	struct walk *w = p->walk;
	struct nexthop *nh = nexthop_get(w->nexthop);
	__u32 i;

	if (p->hook == HOOK_XDP)
		return flood_by_tc(p);
	if (!nh)
		return drop(p, DROP_NO_NEXTHOP);
	count_kind(w, VRF_KIND_FLOOD);
	for (i = 0; i < MAX_FLOOD_MEMBERS; i++) {
		if (i >= nh->members_count)
			break;
		w->member = nh->members_first + i;
		call_flood_member(p);
	}
	return verdict_drop(p);
}
STAGE(flood)

#endif
