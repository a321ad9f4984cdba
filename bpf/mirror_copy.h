/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What becomes of a mirror's copy: cut to size, and out of a device as it is or into a tunnel
 * as an Ethernet frame. On TC of the trap link's node's end, where clones arrive (mirror.h).
 */
#ifndef WEIR_MIRROR_COPY_H
#define WEIR_MIRROR_COPY_H

#include "encapsulate.h"
#include "resolve.h"

/* The kernel cuts no packet in front of a checksum field that is not finished yet. */
#define MIRROR_LEAST_BYTES 192

static __always_inline int copy_lost(const struct packet *p)
{
	struct walk *w = p->walk;

	mirror_lost(w->mirror, w->interface, w->length);
	return TC_ACT_SHOT;
}

static __always_inline int copy_sent(const struct packet *p, __u32 bytes, int verdict)
{
	struct walk *w = p->walk;
	__u32 mirror = w->mirror;
	struct mirror_counters *c = bpf_map_lookup_elem(&mirror_counters, &mirror);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
	count_transmitted(w, w->out_interface);
	return verdict;
}

/*
 * To `bytes`, or as little more as the kernel allows: it cuts nothing that is in a tunnel
 * already. Walk and frame then agree on the length.
 */
static __always_inline void truncate(const struct packet *p, __u32 bytes)
{
	struct walk *w = p->walk;

	if (bytes && w->length > bytes &&
	    (!bpf_skb_change_tail(p->skb, bytes, 0) ||
	     (bytes < MIRROR_LEAST_BYTES && w->length > MIRROR_LEAST_BYTES &&
	      !bpf_skb_change_tail(p->skb, MIRROR_LEAST_BYTES, 0)))) {
		w->flags &= ~WALK_GSO;
		w->length = packet_length(p);
	}
	if (!w->family)
		w->ip_length = w->length - ETH_HLEN;
	else if (w->l3_offset + w->ip_length > w->length)
		w->ip_length = w->length - w->l3_offset;
}

static __always_inline int copy_to_device(const struct packet *p, const struct nexthop *nh)
{
	struct walk *w = p->walk;
	struct interface *out = interface_get(nh->interface);
	__u32 bytes = w->length;

	if (!out || (nh->flags & NEXTHOP_FLAG_DOWN) || is_too_big(p, out->mtu))
		return copy_lost(p);
	w->out_interface = nh->interface;
	/* Out of a device itself the copy has the tags of the packet. */
	if (out->vlan && needs_retag(w, out->vlan) && call_retag(p) != CONTINUE)
		return copy_lost(p);
	return copy_sent(p, bytes, bpf_redirect(out->ifindex, 0));
}

static __always_inline int copy_to_tunnel(const struct packet *p, const struct nexthop *nh)
{
	struct walk *w = p->walk;
	__u32 bytes, id, payload = nh->encap == ENCAP_VXLAN ? 0 : ETH_HLEN;
	struct nexthop *underlay = find_underlay(p, nh, &id);
	struct interface *out = underlay ? interface_get(underlay->interface) : NULL;

	if (!out || !label_fits(nh, w->label) || (underlay->flags & NEXTHOP_FLAG_RESOLVE))
		return copy_lost(p);
	/* A tunnel's MTU is that of the IP packet; MPLS has it without an Ethernet header. */
	if (nh->mtu && is_too_big(p, nh->mtu - payload))
		return copy_lost(p);
	if (w->tags && skb_pop_tags(p->skb, w))
		return copy_lost(p);
	bytes = w->length;
	if (encapsulate_frame(p, nh, underlay))
		return copy_lost(p);
	if (needs_retag(w, out->vlan) && call_retag(p) != CONTINUE)
		return copy_lost(p);
	return copy_sent(p, bytes, bpf_redirect(out->ifindex, 0));
}

/* A parsed packet, all of whose walk is by what it was parsed, for walk->mirror; its verdict. */
static __always_inline int send_copy(const struct packet *p)
{
	struct walk *w = p->walk;
	__u32 index = w->mirror;
	struct mirror *m = bpf_map_lookup_elem(&mirrors, &index);
	struct member *member;
	struct nexthop *nh;

	if (p->hook == HOOK_XDP)
		return XDP_DROP;
	w->ingress = INGRESS_COPY;
	if (!m)
		return copy_lost(p);
	truncate(p, m->truncate);
	w->label = label_of(m->label, m->flags);
	nh = nexthop_get(m->nexthop);
	if (nh && nh->type == NEXTHOP_ECMP) {
		member = ecmp_choose(nh, p);
		nh = member ? nexthop_get(member->nexthop) : NULL;
		if (member && (member->flags & (ROUTE_LABEL | ROUTE_VNI)))
			w->label = label_of(member->label, member->flags);
	}
	if (nh && nh->type == NEXTHOP_INTERFACE)
		return copy_to_device(p, nh);
	return nh && nh->type == NEXTHOP_TUNNEL ? copy_to_tunnel(p, nh) : copy_lost(p);
}
STAGE(send_copy)

#endif
