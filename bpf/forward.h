/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Carries out what the next hop says: rewrite and send, deliver, drop or ask for it. */
#ifndef WEIR_FORWARD_H
#define WEIR_FORWARD_H

#include "nexthop.h"
#include "output.h"
#include "trap.h"

/* TTL or hop limit minus one; checksums by the difference only (RFC 1624). */
static __always_inline int decrement_ttl(const struct packet *p)
{
	struct walk *w = p->walk;
	__u32 check;

	if (w->family == 4) {
		struct iphdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return -1;
		/* The TTL is the high byte of its word: the sum falls by 0x0100. */
		check = ip->check + bpf_htons(0x0100);
		ip->check = check + (check >= 0xffff);
		ip->ttl--;
	} else {
		struct ipv6hdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return -1;
		ip->hop_limit--;
		/* No checksum in the header, but perhaps one of the whole packet from the device. */
		if (p->hook == HOOK_TC)
			bpf_csum_update(p->skb, bpf_htons(0xfffe));
	}
	return 0;
}

/* Routed: new MACs and one hop less. */
static __always_inline int rewrite(const struct packet *p, const struct nexthop *nh)
{
	struct ethhdr *eth = packet_ethernet(p);

	if (!eth)
		return -1;
	mac_copy(eth->h_dest, nh->destination_mac);
	mac_copy(eth->h_source, nh->source_mac);
	return p->walk->flags & WALK_KEEP_TTL ? 0 : decrement_ttl(p);
}

/* Whether the packet, or each segment that will be made of it, is larger than `mtu`. */
static __always_inline int is_too_big(const struct packet *p, __u32 mtu)
{
	struct walk *w = p->walk;

	if (!mtu || w->ip_length <= mtu)
		return 0;
	if (p->hook == HOOK_TC && (w->flags & WALK_GSO))
		return w->l4_offset - w->l3_offset + CONTEXT_FIELD(p->skb, gso_size) > mtu;
	return 1;
}

/* Out of a device. `routed` 0: bridged, or sent as it is. */
static __always_inline int forward_interface(const struct packet *p, const struct nexthop *nh,
					     int routed)
{
	struct walk *w = p->walk;

	w->out_interface = nh->interface;
	if (nh->flags & NEXTHOP_FLAG_DOWN)
		return drop(p, DROP_NO_NEXTHOP);
	if (routed && (nh->flags & NEXTHOP_FLAG_RESOLVE))
		return trap(p, TRAP_RESOLVE);
	if (is_too_big(p, nh->mtu)) {
		if (routed && (w->flags & WALK_DONT_FRAGMENT))
			return drop_and_trap(p, DROP_PACKET_TOO_BIG, TRAP_PACKET_TOO_BIG);
		return drop(p, DROP_PACKET_TOO_BIG);
	}
	if (routed && rewrite(p, nh))
		return drop(p, DROP_INVALID_PACKET);
	return transmit(p, nh->flags & NEXTHOP_FLAG_PEER);
}

static __always_inline int discard(const struct packet *p)
{
	count_kind(p->walk, VRF_KIND_DISCARD);
	return drop(p, DROP_DISCARD);
}

/* Sends the packet to walk->nexthop. */
static __always_inline int forward(const struct packet *p)
{
	struct walk *w = p->walk;
	struct nexthop *nh = nexthop_get(w->nexthop);

	if (!nh)
		return drop(p, DROP_NO_NEXTHOP);
	switch (nh->type) {
	case NEXTHOP_INTERFACE:
		count_kind(w, w->flags & WALK_ROUTED ? VRF_KIND_INTERFACE : VRF_KIND_BRIDGED);
		return forward_interface(p, nh, w->flags & WALK_ROUTED);
	case NEXTHOP_LOCAL:
		count_kind(w, VRF_KIND_LOCAL);
		return deliver(p);
	case NEXTHOP_DISCARD:
		return discard(p);
	case NEXTHOP_RESOLVE:
		count_kind(w, VRF_KIND_RESOLVE);
		return trap(p, TRAP_RESOLVE);
	default:
		return drop(p, DROP_NO_NEXTHOP);
	}
}

#endif
