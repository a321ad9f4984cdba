/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The trap link, a pair of devices between the node and the slow path.
 *
 * Towards the slow path a packet has struct trap_meta in front, from it struct inject_meta.
 * XDP at either end makes metadata of the header; it cannot fail for a packet of ours, so
 * what has no header is dropped.
 */
#ifndef WEIR_INJECT_H
#define WEIR_INJECT_H

#include "mirror_copy.h"
#include "pipeline.h"

_Static_assert(sizeof(struct trap_meta) == sizeof(struct inject_meta), "one header size");

/* The header at the front becomes metadata; the bytes stay where they are. */
static __always_inline int header_to_metadata(struct xdp_md *xdp)
{
	if (bpf_xdp_adjust_head(xdp, sizeof(struct trap_meta)))
		return -1;
	return bpf_xdp_adjust_meta(xdp, -(int)sizeof(struct trap_meta));
}

/* Far end: a copy that TC could not cut (copy_to_cut()) goes back with as many bytes as its mirror wants. */
static __always_inline int cut_copy(const struct packet *p, struct inject_meta *meta)
{
	__u32 interface = meta->interface & (WEIR_MAX_INTERFACES - 1);
	__u32 index = meta->mirror & (WEIR_MAX_MIRRORS - 1);
	struct mirror *m = bpf_map_lookup_elem(&mirrors, &index);
	__u32 length = p->walk->length - sizeof(*meta);

	meta->magic = WEIR_TRAP_MAGIC;
	if (m && m->truncate && length > m->truncate &&
	    bpf_xdp_adjust_tail(p->xdp, (int)m->truncate - (int)length)) {
		mirror_lost(index, interface, length);
		return XDP_DROP;
	}
	return XDP_TX;
}

/* Far end: gives a trapped packet to the socket of the queue that it arrived on. */
static __always_inline int receive_trapped(const struct packet *p)
{
	struct trap_meta *meta = packet_at(p, 0, sizeof(*meta));
	struct walk *w = p->walk;

	w->length = packet_length(p);
	if (meta && meta->magic == WEIR_CUT_MAGIC)
		return cut_copy(p, (void *)meta);
	if (!meta || meta->magic != WEIR_TRAP_MAGIC)
		return drop(p, DROP_INVALID_PACKET);
	w->interface = meta->interface & (WEIR_MAX_INTERFACES - 1);
	w->length -= sizeof(*meta);
	if (header_to_metadata(p->xdp))
		return drop(p, DROP_INVALID_PACKET);
	if (bpf_redirect_map(&xsks, packet_queue(p), XDP_DROP) != XDP_REDIRECT)
		return drop(p, DROP_NO_CONTROLLER);
	return XDP_REDIRECT;
}

/* Node's end, XDP: TC on the same device goes on with the packet. */
static __always_inline int receive_injected_xdp(const struct packet *p)
{
	struct inject_meta *meta = packet_at(p, 0, sizeof(*meta));

	p->walk->length = packet_length(p);
	if (!meta || meta->magic != WEIR_TRAP_MAGIC || header_to_metadata(p->xdp))
		return drop(p, DROP_INVALID_PACKET);
	return XDP_PASS;
}

/* Where its destination leads to; CONTINUE, or the packet's verdict. */
static __always_inline int find_injected(const struct packet *p, __u32 bridged)
{
	struct walk *w = p->walk;
	struct ethhdr *eth = packet_ethernet(p);
	struct fdb_entry *entry;
	struct route *route;

	if (bridged) {
		entry = eth ? bridge_find(w->key.vrf, eth->h_dest) : NULL;
		if (!entry)
			return drop(p, DROP_UNKNOWN_UNICAST);
		w->nexthop = entry->nexthop;
		w->label = label_of(entry->label, entry->flags);
		return CONTINUE;
	}
	route = route_to_destination(w);
	if (!route)
		return drop(p, DROP_NO_ROUTE);
	w->nexthop = route->nexthop;
	w->label = label_of(route->label, route->flags);
	w->flags |= WALK_ROUTED;
	return CONTINUE;
}

/* Look the destination up, whatever MAC it is for; no policy, and the TTL stays. */
static __always_inline int inject_route(const struct packet *p, __u32 vrf, __u32 bridged)
{
	struct walk *w = p->walk;
	struct nexthop *nh;
	struct ethhdr *eth;
	int verdict;

	if (!w->family)
		return drop(p, DROP_UNSUPPORTED_PROTOCOL);
	w->key.vrf = vrf;
	w->route_vrf = vrf;
	w->flags |= WALK_KEEP_TTL;
	verdict = find_injected(p, bridged);
	if (verdict != CONTINUE)
		return verdict;
	verdict = follow_indirect(p);
	if (verdict != CONTINUE)
		return verdict;
	nh = nexthop_get(w->nexthop);
	if (!nh)
		return drop(p, DROP_NO_NEXTHOP);
	/* A translation to another VRF would let it fall there. */
	w->flags |= WALK_KEEP_TTL;
	if (bridged || nh->type != NEXTHOP_INTERFACE)
		return forward(p);
	eth = packet_ethernet(p);
	if (!eth)
		return drop(p, DROP_INVALID_PACKET);
	if (nh->flags & NEXTHOP_FLAG_RESOLVE)
		return drop(p, DROP_NO_NEIGHBOUR);
	mac_copy(eth->h_dest, nh->destination_mac);
	mac_copy(eth->h_source, nh->source_mac);
	return forward_interface(p, nh, 0);
}

/* A copy of what `interface` received or sent; `flags` of the walk. */
static __always_inline int receive_copy(const struct packet *p, __u32 interface, __u32 mirror,
					__u32 flags)
{
	struct walk *w = p->walk;

	/* What is malformed is carried as it is, as any frame. */
	if (parse_packet(p))
		w->family = 0;
	w->interface = interface & (WEIR_MAX_INTERFACES - 1);
	w->mirror = mirror & (WEIR_MAX_MIRRORS - 1);
	w->flags |= flags;
	return call_send_copy(p);
}

/* A clone that mirror_clone() has marked. */
static __always_inline int receive_clone(const struct packet *p)
{
	__u32 mark = p->skb->mark;

	p->skb->mark = 0;
	return receive_copy(p, mark >> MIRROR_INTERFACE_SHIFT, mark, 0);
}

/* Node's end, TC: does what the slow path asks for. */
static __always_inline int receive_injected_tc(const struct packet *p)
{
	struct inject_meta *front = packet_metadata(p, sizeof(*front)), meta;
	struct walk *w = p->walk;
	struct interface *i;
	int reason;

	if ((p->skb->mark & MIRROR_MARK_MASK) == MIRROR_MARK)
		return receive_clone(p);
	if (!front || front->magic != WEIR_TRAP_MAGIC) {
		w->length = CONTEXT_FIELD(p->skb, len);
		return drop(p, DROP_INVALID_PACKET);
	}
	/* It does not outlive a pull. As memory: in registers it would take more of the stack. */
	meta = *front;
	asm volatile("" : : "r"(&meta) : "memory");
	if (meta.action == INJECT_MIRROR)
		return receive_copy(p, meta.interface, meta.mirror, WALK_INJECTED);
	reason = parse_packet(p);
	w->forwarding_class = meta.forwarding_class;
	w->interface = meta.interface & (WEIR_MAX_INTERFACES - 1);
	w->ingress = w->interface;
	w->flags |= WALK_INJECTED;
	if (meta.flags & INJECT_FLAG_MIRRORED)
		w->flags |= WALK_MIRRORED;
	if (meta.flags & INJECT_FLAG_ALLOWED)
		w->flags |= WALK_STATELESS;
	i = interface_get(w->interface);
	if (meta.action == INJECT_TRANSMIT) {
		w->out_interface = w->interface;
		return transmit(p, i && (i->flags & INTERFACE_PEER));
	}
	if (reason)
		return drop(p, reason);
	if (meta.action == INJECT_ROUTE)
		return inject_route(p, meta.vrf, meta.flags & INJECT_FLAG_BRIDGED);
	if (meta.action != INJECT_RECEIVED || !i)
		return drop(p, DROP_UNKNOWN_INTERFACE);
	if (meta.ingress & INGRESS_TUNNEL)
		resume_decapsulated(p, meta.vrf, meta.ingress, meta.nexthop);
	return walk(p, i);
}

#endif
