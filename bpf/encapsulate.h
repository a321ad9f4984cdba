/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Puts a packet into a tunnel: room in front, the headers of bpf/tunnel.h, out of the device
 * that the underlay's next hop leads to.
 *
 * On TC the room is made such that the kernel still segments, and finishes checksums, behind
 * the tunnel's headers; XDP writes whole packets.
 */
#ifndef WEIR_ENCAPSULATE_H
#define WEIR_ENCAPSULATE_H

#include "ecmp.h"
#include "output.h"
#include "rewrite.h"
#include "trap.h"
#include "tunnel.h"

#define OUTER_TTL         64
#define ENTROPY_PORT      49152  /* RFC 7348 section 5: a source port by the inner flow, ... */
#define ENTROPY_PORT_MASK 0x3fff /* ... up to 65535 */

/* What the headers say, known before the frame is changed. */
struct encapsulation {
	struct ethhdr inner; /* of an Ethernet payload */
	__u32 room;          /* bytes of all headers between outer Ethernet and inner IP header */
	__u32 length;        /* layer 3 bytes of the outer packet */
	__u32 id;            /* label or VNI */
	__be16 source_port;
	__u8 encap;    /* enum encap */
	__u8 ethernet; /* the payload is an Ethernet frame, not an IP packet */
	__u8 ipv6;     /* of the outer header */
	__u8 traffic_class;
	__u8 ttl;  /* of the label */
	__u8 exp;  /* the same */
	__u8 copy; /* a mirror's */
};

/* Label and kind of tunnel must go together. */
static __always_inline int label_fits(const struct nexthop *nh, __u32 label)
{
	return nh->encap == ENCAP_VXLAN ? label & LABEL_IS_VNI : label & LABEL_IS_MPLS;
}

/* Bytes between the outer IP header and what is carried. */
static __always_inline __u32 shim_length(__u8 encap)
{
	if (encap == ENCAP_VXLAN)
		return sizeof(struct udp_header) + sizeof(struct vxlan_header);
	return (encap == ENCAP_MPLS_UDP ? sizeof(struct udp_header) : sizeof(struct gre_header)) +
	       sizeof(__be32);
}

/* The outer headers' code points of the packet's class, where it has one; else DSCP is the inner one's. */
static __always_inline void plan_marks(const struct walk *w, const struct nexthop *underlay,
				       struct encapsulation *e)
{
	struct interface *out = interface_get(underlay->interface);
	struct class_marks *marks = out ? class_marks_of(w, out) : NULL;

	if (!marks)
		return;
	if (marks->flags & MARK_DSCP)
		e->traffic_class = marks->dscp << DSCP_SHIFT | (e->traffic_class & ECN_MASK);
	if (marks->flags & MARK_EXP)
		e->exp = marks->exp;
}

/* All of the range but the port that tells copies. */
static __always_inline __be16 entropy_port(const struct packet *p)
{
	__u32 port = ENTROPY_PORT + (hash_packet(p) & ENTROPY_PORT_MASK);

	return bpf_htons(port == COPY_PORT ? port - 1 : port);
}

/* Frame and walk are as they will be carried: routed, without tags. */
static __always_inline int plan(const struct packet *p, const struct nexthop *nh,
				const struct nexthop *underlay, struct encapsulation *e)
{
	struct walk *w = p->walk;
	struct ethhdr *eth = packet_at(p, w->room, sizeof(*eth));

	if (!eth)
		return -1;
	ethernet_copy(&e->inner, eth);
	e->encap = nh->encap;
	e->ipv6 = nh->underlay_family == 6;
	e->ethernet = nh->encap == ENCAP_VXLAN || !(w->flags & WALK_ROUTED);
	e->room = (e->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) +
		  shim_length(nh->encap) + (e->ethernet ? ETH_HLEN : 0);
	/* What pads a short frame behind its IP packet is not carried. */
	e->length = e->room + (w->family ? w->ip_length : packet_length(p) - w->room - ETH_HLEN);
	e->id = w->label & LABEL_MASK;
	e->copy = is_copy(w);
	e->source_port = e->copy ? bpf_htons(COPY_PORT) : entropy_port(p);
	e->traffic_class = traffic_class(p, w->room + w->l3_offset);
	e->ttl = e->ethernet ? OUTER_TTL : w->ttl;
	if (w->forwarding_class != CLASS_NONE)
		plan_marks(w, underlay, e);
	return 0;
}

static __always_inline __u64 room_flags(const struct encapsulation *e)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;

	flags |= e->ipv6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	flags |= e->encap == ENCAP_MPLS_GRE ? BPF_F_ADJ_ROOM_ENCAP_L4_GRE
					    : BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	/* A label stands where the kernel's segmentation takes the inner link header to be. */
	return flags |
	       (e->ethernet ? BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN)
			    : BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(__be32)));
}

static __always_inline int make_room(const struct packet *p, const struct encapsulation *e)
{
	struct walk *w = p->walk;

	if (p->hook == HOOK_XDP)
		return bpf_xdp_adjust_head(p->xdp, -(int)e->room);
	if (w->family && bpf_skb_adjust_room(p->skb, e->room, BPF_ADJ_ROOM_MAC, room_flags(e)) == 0)
		return 0;
	/* What is no IP packet, or is in a tunnel already: without the kernel's knowledge. */
	return w->flags & WALK_GSO ? -1 : bpf_skb_change_head(p->skb, e->room, 0);
}

/* 0 where the kernel segments a packet that is larger than the field can say. */
static __always_inline __be16 length_field(__u32 length)
{
	return length > 0xffff ? 0 : bpf_htons(length);
}

static __always_inline int write_ipv4(const struct packet *p, const struct encapsulation *e,
				      const struct nexthop *nh)
{
	struct iphdr *ip = packet_at(p, ETH_HLEN, sizeof(*ip));
	__u16 *words = (__u16 *)ip;
	__u32 sum = 0, i;

	if (!ip)
		return -1;
	*(__u8 *)ip = 0x45;
	ip->tos = e->traffic_class;
	ip->tot_len = length_field(e->length);
	ip->id = 0; /* never fragmented, so it means nothing (RFC 6864 section 4.1) */
	ip->frag_off = bpf_htons(IP_DONT_FRAGMENT);
	ip->ttl = OUTER_TTL;
	ip->protocol = e->encap == ENCAP_MPLS_GRE ? IPPROTO_GRE : IPPROTO_UDP;
	ip->check = 0;
	__builtin_memcpy(&ip->saddr, nh->local_address + 12, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, nh->remote_address + 12, sizeof(ip->daddr));
	for (i = 0; i < sizeof(*ip) / sizeof(*words); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~sum;
	return 0;
}

static __always_inline int write_ipv6(const struct packet *p, const struct encapsulation *e,
				      const struct nexthop *nh)
{
	struct ipv6hdr *ip = packet_at(p, ETH_HLEN, sizeof(*ip));

	if (!ip)
		return -1;
	*(__be32 *)ip = bpf_htonl(0x60000000 | (__u32)e->traffic_class << 20);
	ip->payload_len = length_field(e->length - sizeof(*ip));
	ip->nexthdr = e->encap == ENCAP_MPLS_GRE ? IPPROTO_GRE : IPPROTO_UDP;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, nh->local_address, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, nh->remote_address, sizeof(ip->daddr));
	return 0;
}

/* `at`: offset of the header behind IP. The checksum stays 0 (RFC 6935, RFC 6936). */
static __always_inline int write_udp(const struct packet *p, const struct encapsulation *e,
				     __u32 at)
{
	struct udp_header *udp = packet_at(p, at, sizeof(*udp));

	if (!udp)
		return -1;
	udp->source = e->source_port;
	udp->destination = bpf_htons(e->encap == ENCAP_VXLAN ? VXLAN_PORT : MPLS_PORT);
	udp->length = length_field(e->length + ETH_HLEN - at);
	udp->checksum = 0;
	return 0;
}

static __always_inline int write_shim(const struct packet *p, const struct encapsulation *e,
				      __u32 at)
{
	if (e->encap == ENCAP_MPLS_GRE) {
		struct gre_header *gre = packet_at(p, at, sizeof(*gre));

		if (!gre)
			return -1;
		gre->flags = e->copy ? bpf_htons(GRE_COPY) : 0;
		gre->protocol = bpf_htons(ETHERTYPE_MPLS);
		at += sizeof(*gre);
	} else {
		if (write_udp(p, e, at))
			return -1;
		at += sizeof(struct udp_header);
	}
	if (e->encap == ENCAP_VXLAN) {
		struct vxlan_header *vxlan = packet_at(p, at, sizeof(*vxlan));

		if (!vxlan)
			return -1;
		vxlan->flags = bpf_htonl(VXLAN_VNI_VALID);
		vxlan->vni = bpf_htonl(e->id << 8);
		at += sizeof(*vxlan);
	} else {
		__be32 *label = packet_at(p, at, sizeof(*label));

		if (!label)
			return -1;
		*label = bpf_htonl(e->id << MPLS_LABEL_SHIFT | (__u32)e->exp << MPLS_EXP_SHIFT |
				   MPLS_BOTTOM | e->ttl);
		at += sizeof(*label);
	}
	if (e->ethernet) {
		struct ethhdr *inner = packet_at(p, at, sizeof(*inner));

		if (!inner)
			return -1;
		ethernet_copy(inner, &e->inner);
	}
	return 0;
}

static __always_inline int write_headers(const struct packet *p, const struct encapsulation *e,
					 const struct nexthop *nh, const struct nexthop *underlay)
{
	struct ethhdr *eth = packet_ethernet(p);

	if (!eth)
		return -1;
	mac_copy(eth->h_dest, underlay->destination_mac);
	mac_copy(eth->h_source, underlay->source_mac);
	eth->h_proto = bpf_htons(e->ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	if (e->ipv6)
		return write_ipv6(p, e, nh) || write_shim(p, e, ETH_HLEN + sizeof(struct ipv6hdr));
	return write_ipv4(p, e, nh) || write_shim(p, e, ETH_HLEN + sizeof(struct iphdr));
}

/* Routed into a tunnel: the gateways at its two ends are the link layer. */
static __always_inline int rewrite_inner(const struct packet *p, const struct nexthop *nh)
{
	struct walk *w = p->walk;
	struct ethhdr *eth = packet_ethernet(p);
	struct config *c = the_config();

	if (!eth || !c)
		return -1;
	mac_copy(eth->h_source, c->gateway_mac);
	mac_copy(eth->h_dest, mac_is_zero(nh->router_mac) ? c->gateway_mac : nh->router_mac);
	if (w->flags & WALK_NO_HOP)
		return 0;
	w->ttl--;
	return decrement_ttl(p);
}

/* The interface next hop that leads to the tunnel's remote end, and its id in walk->nexthop. */
static __always_inline struct nexthop *find_underlay(const struct packet *p,
						     const struct nexthop *nh, __u32 *id)
{
	struct nexthop *underlay = nexthop_get(nh->underlay);
	struct member *m;

	*id = nh->underlay;
	if (underlay && underlay->type == NEXTHOP_ECMP) {
		m = ecmp_choose(underlay, p);
		if (!m)
			return NULL;
		*id = m->nexthop;
		underlay = nexthop_get(m->nexthop);
	}
	return underlay && underlay->type == NEXTHOP_INTERFACE &&
			       !(underlay->flags & NEXTHOP_FLAG_DOWN)
		       ? underlay
		       : NULL;
}

/* The frame as it is, behind the tunnel's headers; walk->out_interface is where they lead. */
static __always_inline int encapsulate_frame(const struct packet *p, const struct nexthop *nh,
					     const struct nexthop *underlay)
{
	struct encapsulation e = {};
	struct walk *w = p->walk;

	if (plan(p, nh, underlay, &e) || make_room(p, &e) || write_headers(p, &e, nh, underlay))
		return -1;
	w->length = e.length + ETH_HLEN;
	w->room = e.room;
	w->ethertype = e.ipv6 ? ETH_P_IPV6 : ETH_P_IP;
	count_tunnel(nh->counter, 0, w->length);
	w->out_interface = underlay->interface;
	return 0;
}

/* Sends the packet into the tunnel that walk->nexthop is. */
static __always_inline int encapsulate(const struct packet *p)
{
	struct walk *w = p->walk;
	struct nexthop *nh = nexthop_get(w->nexthop);
	struct interface *i = interface_get(w->interface);
	struct nexthop *underlay;
	__u32 id;

	if (!nh || !label_fits(nh, w->label))
		return drop(p, DROP_NO_NEXTHOP);
	/* What the slow path itself sends, an ICMP error, keeps its TTL and may answer the fabric. */
	if ((w->flags & WALK_DECAPSULATED) ||
	    (i && i->role == ROLE_FABRIC && !(w->flags & WALK_KEEP_TTL)))
		return drop(p, DROP_FABRIC_TO_FABRIC);
	if (is_too_big(p, mtu_of(w, nh)))
		return refuse_length(p);
	underlay = find_underlay(p, nh, &id);
	if (!underlay)
		return drop(p, DROP_NO_NEXTHOP);
	if (underlay->flags & NEXTHOP_FLAG_RESOLVE) {
		w->nexthop = id;
		w->out_interface = underlay->interface;
		return trap(p, TRAP_RESOLVE);
	}
	count_kind(w, VRF_KIND_VXLAN + nh->encap - ENCAP_VXLAN);
	if (w->tags && call_strip_tags(p) != CONTINUE)
		return verdict_drop(p);
	if ((w->flags & WALK_ROUTED) && rewrite_inner(p, nh))
		return drop(p, DROP_INVALID_PACKET);
	if (w->flags & WALK_ROUTED)
		trace_step(p, TRACE_REWRITE, w->ttl, 0, 0);
	trace_step(p, TRACE_ENCAPSULATE, nh->encap, w->nexthop, id);
	return encapsulate_frame(p, nh, underlay) ? drop(p, DROP_REDIRECT_FAILED) : transmit(p, 0);
}
STAGE(encapsulate)

#endif
