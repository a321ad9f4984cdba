/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Takes packets out of tunnels that end at one of the node's own underlay addresses. What
 * comes out is walked on as received in the VRF of its VNI, or for its label's next hop.
 */
#ifndef WEIR_DECAPSULATE_H
#define WEIR_DECAPSULATE_H

#include "bridge.h"
#include "ecn.h"
#include "hash.h"
#include "output.h"
#include "remove_outer.h"
#include "trap.h"
#include "tunnel_lookup.h"
#include "udp_checksum.h"

/* Sets d->encap and the offset of the VXLAN or MPLS header; 0 if it is neither. */
static __always_inline int read_outer(const struct packet *p, struct decapsulation *d)
{
	struct walk *w = p->walk;

	d->offset = w->l4_offset;
	if (w->protocol == IPPROTO_GRE) {
		struct gre_header *gre = packet_at(p, d->offset, sizeof(*gre));

		if (!gre || (gre->flags & ~bpf_htons(GRE_COPY)) ||
		    gre->protocol != bpf_htons(ETHERTYPE_MPLS))
			return 0;
		d->encap = ENCAP_MPLS_GRE;
		d->offset += sizeof(*gre);
	} else {
		struct udp_header *udp = packet_at(p, d->offset, sizeof(*udp));

		if (!udp)
			return 0;
		d->encap = udp->destination == bpf_htons(VXLAN_PORT) ? ENCAP_VXLAN : ENCAP_MPLS_UDP;
		d->checksummed = udp->checksum != 0;
		d->offset += sizeof(*udp);
	}
	return 1;
}

/* CONTINUE: d->id is a VNI of ours; else the reason to drop. */
static __always_inline int read_vxlan(const struct packet *p, struct decapsulation *d)
{
	struct vxlan_header *vxlan = packet_at(p, d->offset, sizeof(*vxlan));
	struct vni_entry *entry;

	if (!vxlan)
		return DROP_INVALID_PACKET;
	if (!(vxlan->flags & bpf_htonl(VXLAN_VNI_VALID)))
		return DROP_UNKNOWN_VNI;
	d->id = bpf_ntohl(vxlan->vni) >> 8;
	entry = vni_find(d->id);
	if (!entry)
		return DROP_UNKNOWN_VNI;
	d->offset += sizeof(*vxlan);
	d->vrf = entry->vrf;
	d->ethernet = 1;
	return CONTINUE;
}

static __always_inline int read_label(const struct packet *p, struct decapsulation *d)
{
	__be32 *label = packet_at(p, d->offset, sizeof(*label));
	struct label_entry *entry;
	struct nexthop *nh;
	__be32 *control;
	__u32 word;

	if (!label)
		return DROP_INVALID_PACKET;
	word = bpf_ntohl(*label);
	d->id = word >> MPLS_LABEL_SHIFT;
	if (!(word & MPLS_BOTTOM))
		return DROP_UNKNOWN_LABEL;
	entry = label_find(d->id);
	if (!entry)
		return DROP_UNKNOWN_LABEL;
	d->offset += sizeof(*label);
	d->vrf = entry->vrf;
	d->nexthop = entry->nexthop;
	d->ethernet = (entry->flags & LABEL_ETHERNET) != 0;
	/* RFC 3032 section 2.4.2: it would be forwarded with 0. */
	d->expired = (word & MPLS_TTL_MASK) <= 1;
	if (p->walk->flags & WALK_QOS)
		d->forwarding_class = class_with_label(p, word >> MPLS_EXP_SHIFT);
	if (!d->ethernet)
		return CONTINUE;
	nh = nexthop_get(entry->nexthop);
	d->bridge = nh && nh->type != NEXTHOP_VRF;
	/* A control word may stand in front of a frame (RFC 4448 section 4.6): no MAC starts so. */
	control = packet_at(p, d->offset, sizeof(*control));
	if (control && *control == 0)
		d->offset += sizeof(*control);
	return CONTINUE;
}

/*
 * VLAN tags of a frame that was carried mean nothing here. They go with the outer headers:
 * on TC the kernel would not find them, since the skb's protocol is that of an outer header.
 */
static __always_inline int skip_inner_tags(const struct packet *p, struct decapsulation *d)
{
	struct ethhdr *inner = &d->inner;
	__u32 i;

	for (i = 0; i < MAX_VLAN_TAGS; i++) {
		struct vlan_header *tag;

		if (!is_vlan_type(bpf_ntohs(inner->h_proto)))
			return DROP_NONE;
		tag = packet_at(p, d->offset, sizeof(*tag));
		if (!tag)
			return DROP_INVALID_PACKET;
		inner->h_proto = tag->ethertype;
		d->offset += sizeof(*tag);
	}
	return is_vlan_type(bpf_ntohs(inner->h_proto)) ? DROP_UNSUPPORTED_PROTOCOL : DROP_NONE;
}

static __always_inline int read_inner(const struct packet *p, struct decapsulation *d)
{
	struct ethhdr *inner = &d->inner;
	struct config *c = the_config();
	struct ethhdr *eth;
	__u8 *version;
	int reason;

	if (d->ethernet) {
		eth = packet_at(p, d->offset, sizeof(*eth));
		if (!eth)
			return DROP_INVALID_PACKET;
		ethernet_copy(inner, eth);
		d->offset += sizeof(*eth);
		reason = skip_inner_tags(p, d);
		d->inner_family = inner->h_proto == bpf_htons(ETH_P_IP)     ? 4
				  : inner->h_proto == bpf_htons(ETH_P_IPV6) ? 6
									    : 0;
		return reason;
	}
	version = packet_at(p, d->offset, sizeof(*version));
	if (!version || !c)
		return DROP_INVALID_PACKET;
	d->inner_family = *version >> 4;
	if (d->inner_family != 4 && d->inner_family != 6)
		return DROP_UNSUPPORTED_PROTOCOL;
	mac_copy(inner->h_dest, c->gateway_mac);
	mac_copy(inner->h_source, c->gateway_mac);
	inner->h_proto = bpf_htons(d->inner_family == 4 ? ETH_P_IP : ETH_P_IPV6);
	return DROP_NONE;
}

static __always_inline int is_for_gateway(const struct ethhdr *eth)
{
	struct config *c = the_config();

	return c && mac_equal(eth->h_dest, c->gateway_mac);
}

/* The walk starts anew, with what came out. DROP_NONE or the reason to drop. */
static __always_inline int walk_anew(const struct packet *p, const struct decapsulation *d)
{
	struct walk *w = p->walk;
	/* The kernel is asked only where it has more to say than what was taken away. */
	__u32 length = p->hook == HOOK_XDP ? w->length + ETH_HLEN - d->offset : packet_length(p);
	int reason;

	__builtin_memset(w, 0, sizeof(*w));
	reason = parse_frame(p, length);
	w->interface = d->interface;
	w->ingress = d->ingress;
	w->key.vrf = d->vrf;
	w->route_vrf = d->vrf;
	w->nexthop = d->nexthop;
	w->flags |= WALK_DECAPSULATED;
	if (vrf_has(d->vrf, VRF_POLICY))
		w->flags |= WALK_UNROUTED;
	w->forwarding_class = d->forwarding_class;
	if (d->encap == ENCAP_VXLAN)
		w->label = LABEL_IS_VNI | d->id;
	if (d->injected)
		w->flags |= WALK_INJECTED;
	if (d->nexthop)
		w->flags |= WALK_LABEL;
	if (p->hook == HOOK_TC && !d->inner_family)
		w->flags |= WALK_STALE_PROTOCOL;
	if (reason)
		return reason;
	/* Padding is no part of what was carried. */
	if (w->family && w->l3_offset + w->ip_length > d->end + ETH_HLEN - d->offset)
		return DROP_INVALID_PACKET;
	if (d->bad_checksum && !call_checksum_is_partial(p))
		return DROP_CHECKSUM;
	/* A label to an interface costs no hop: the tunnel's other end has counted it. */
	if (!d->ethernet)
		w->flags |= WALK_ROUTED | WALK_KEEP_TTL;
	else if (d->bridge)
		w->trap_flags |= TRAP_FLAG_BRIDGED;
	else if (d->gateway)
		w->flags |= WALK_ROUTED;
	return ecn_transfer(p, d->traffic_class);
}

/* Not one of ours: the host may have tunnels of its own. */
static __always_inline int foreign(const struct packet *p, const struct decapsulation *d,
				   int reason)
{
	struct config *c = the_config();

	if (!(d->ingress & INGRESS_UNKNOWN))
		return drop(p, reason);
	return c && c->foreign_tunnels ? drop(p, DROP_UNKNOWN_TUNNEL) : pass_to_host(p);
}

/*
 * Reads the headers down to those of what is carried. FORWARD: there is something to take out;
 * CONTINUE: no tunnel packet; else its verdict.
 */
static __always_inline int read_tunnel(const struct packet *p, struct decapsulation *d)
{
	struct walk *w = p->walk;
	int reason;

	if (!is_own_underlay(w) || !read_outer(p, d))
		return CONTINUE;
	if (w->flags & WALK_FRAGMENT)
		return drop(p, DROP_FRAGMENT);
	d->interface = w->interface;
	d->family = w->family;
	d->end = w->l3_offset + w->ip_length;
	d->injected = (w->flags & WALK_INJECTED) != 0;
	d->forwarding_class = w->forwarding_class;
	d->traffic_class = traffic_class(p, w->l3_offset);
	d->ingress = find_tunnel(w, d->encap);
	if (carries_copy(p))
		d->ingress |= INGRESS_COPY;
	reason = d->encap == ENCAP_VXLAN ? read_vxlan(p, d) : read_label(p, d);
	if (reason == DROP_UNKNOWN_VNI || reason == DROP_UNKNOWN_LABEL)
		return foreign(p, d, reason);
	if (reason != CONTINUE)
		return drop(p, reason);
	reason = read_inner(p, d);
	/* TC could not even take the headers off. */
	if (!reason && d->inner_family && d->offset + ip_header_length(d->inner_family) > d->end)
		reason = DROP_INVALID_PACKET;
	if (reason)
		return drop(p, reason);
	d->gateway = d->ethernet && is_for_gateway(&d->inner);
	return FORWARD;
}

/* CONTINUE: not a tunnel packet, or one that has been taken out; else its verdict. */
static __always_inline int decapsulate(const struct packet *p)
{
	struct decapsulation d = {};
	int verdict = read_tunnel(p, &d);
	int reason;

	if (verdict != FORWARD)
		return verdict;
	/* Copies are made behind TC only, from the packet as it came. */
	if (p->hook == HOOK_XDP && d.ethernet && !d.gateway && is_flooded(d.vrf, d.inner.h_dest))
		return hand_over(p);
	count_decapsulated(p->walk, d.ingress);
	if (d.checksummed)
		d.bad_checksum = call_udp_checksum_fails(p) != 0;
	if (remove_outer(p, &d))
		return drop(p, DROP_REDIRECT_FAILED);
	reason = walk_anew(p, &d);
	trace_step(p, TRACE_DECAPSULATE, d.encap, d.id, 0);
	if (reason)
		return drop(p, reason);
	return d.expired ? drop_and_trap(p, DROP_TTL_EXPIRED, TRAP_TTL_EXPIRED) : CONTINUE;
}
STAGE(decapsulate)

#endif
