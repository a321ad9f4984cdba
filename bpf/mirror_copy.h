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
	trace_frame_step(p, TRACE_COPY, trace_tag(p), 0, 0);
	return verdict;
}

/*
 * To `bytes`, or as little more as the kernel allows: TC cuts nothing that it has put into a
 * tunnel. Walk and frame then agree on the length.
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

/* `size` bytes in front of the frame, which gets the tag beside it as one of its own. */
static __always_inline int grow_with_tag(const struct packet *p, __u32 size)
{
	__u32 tag = CONTEXT_FIELD(p->skb, vlan_present) ? sizeof(struct vlan_header) : 0;
	struct vlan_header written = {
		.tci = bpf_htons(CONTEXT_FIELD(p->skb, vlan_tci)),
	};
	__be16 type = CONTEXT_FIELD(p->skb, vlan_proto);
	struct ethhdr *eth = packet_ethernet(p), copy;

	if (!eth || p->walk->tags > 1)
		return -1;
	copy = *eth;
	written.ethertype = copy.h_proto;
	copy.h_proto = type;
	if (!tag)
		return bpf_skb_change_head(p->skb, size, 0);
	if (bpf_skb_vlan_pop(p->skb) || bpf_skb_change_head(p->skb, size + tag, 0))
		return -1;
	return bpf_skb_store_bytes(p->skb, size, &copy, sizeof(copy), 0) ||
	       bpf_skb_store_bytes(p->skb, size + sizeof(copy), &written, sizeof(written), 0);
}

/*
 * XDP cuts any packet: at the far end of the link, which sends it back to here (cut_copy()).
 * The kernel finishes checksums, and makes segments of large ones, on the way there.
 */
static __always_inline int copy_to_cut(const struct packet *p)
{
	struct walk *w = p->walk;
	struct config *c = the_config();
	struct inject_meta *meta;

	if (!c || grow_with_tag(p, sizeof(*meta)))
		return copy_lost(p);
	meta = packet_at(p, 0, sizeof(*meta));
	if (!meta)
		return copy_lost(p);
	__builtin_memset(meta, 0, sizeof(*meta));
	meta->magic = WEIR_CUT_MAGIC;
	meta->action = INJECT_MIRROR;
	meta->interface = w->interface;
	meta->mirror = w->mirror;
	return bpf_redirect(c->trap_ifindex, 0);
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
	__u32 bytes, id;
	struct nexthop *underlay = find_underlay(p, nh, &id);
	struct interface *out = underlay ? interface_get(underlay->interface) : NULL;

	if (!out || !label_fits(nh, w->label) || (underlay->flags & NEXTHOP_FLAG_RESOLVE))
		return copy_lost(p);
	if (is_too_big(p, mtu_of(w, nh)))
		return copy_lost(p);
	if (w->tags && skb_pop_tags(p->skb, w))
		return copy_lost(p);
	bytes = w->length;
	trace_step(p, TRACE_ENCAPSULATE, nh->encap, w->nexthop, id);
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
	if (m->truncate && w->length > m->truncate && !(w->flags & WALK_INJECTED))
		return copy_to_cut(p);
	w->label = label_of(m->label, m->flags);
	w->nexthop = m->nexthop;
	nh = nexthop_get(w->nexthop);
	if (nh && nh->type == NEXTHOP_ECMP) {
		member = ecmp_choose(nh, p);
		w->nexthop = member ? member->nexthop : 0;
		nh = nexthop_get(w->nexthop);
		if (member && (member->flags & (ROUTE_LABEL | ROUTE_VNI)))
			w->label = label_of(member->label, member->flags);
	}
	if (nh && nh->type == NEXTHOP_INTERFACE)
		return copy_to_device(p, nh);
	return nh && nh->type == NEXTHOP_TUNNEL ? copy_to_tunnel(p, nh) : copy_lost(p);
}
STAGE(send_copy)

#endif
