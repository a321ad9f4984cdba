/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Takes the outer headers off a tunnel packet: what is left is the frame that it carried. */
#ifndef WEIR_REMOVE_OUTER_H
#define WEIR_REMOVE_OUTER_H

#include "tunnel.h"
#include "vlan.h"

/* What the outer headers said. */
struct decapsulation {
	__u32 offset;  /* of what was carried */
	__u32 encap;   /* enum encap */
	__u32 id;      /* label or VNI */
	__u32 vrf;     /* of what was carried */
	__u32 nexthop; /* by label; 0: look up */
	__u32 ingress; /* INGRESS_* */
	__u32 end;     /* offset of what follows the outer IP packet */
	__u16 interface;
	__u8 ethernet;
	__u8 traffic_class;
	__u8 family; /* of the outer header */
	__u8 inner_family;
	__u8 expired; /* the label's TTL has run out */
	__u8 bridge;  /* by label: the frame is for an interface as it is */
	__u8 injected;
	__u8 bad_checksum; /* of the outer UDP header */
	__u8 checksummed;
	__u8 forwarding_class;
	__u8 gateway; /* the frame is for the gateway's MAC */
	__u8 reserved;
	struct ethhdr inner; /* that the frame will have */
};
_Static_assert(sizeof(struct decapsulation) == 56, "no padding: it is passed as memory");

static __always_inline __u32 ip_header_length(__u8 family)
{
	return family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/*
 * The skb's protocol has to become that of the inner packet. bpf_skb_change_proto() makes
 * the IP header longer or shorter, which is no matter: it goes. (adjust_room's own flags for
 * that came with Linux 6.3.) Returns the bytes by which the outer headers grew.
 */
static __always_inline int skb_change_family(const struct packet *p, const struct decapsulation *d)
{
	int difference = sizeof(struct ipv6hdr) - sizeof(struct iphdr);
	int error;

	if (!d->inner_family || d->inner_family == d->family)
		return 0;
	error = bpf_skb_change_proto(p->skb,
				     bpf_htons(d->inner_family == 4 ? ETH_P_IP : ETH_P_IPV6), 0);
	if (error)
		return error;
	return d->inner_family == 4 ? -difference : difference;
}

/* What is left must be as long as the IP header that Linux takes it to have: padding behind it. */
static __always_inline int skb_pad(const struct packet *p, const struct decapsulation *d)
{
	__u32 least = d->offset + ip_header_length(d->family);

	if (d->inner_family || CONTEXT_FIELD(p->skb, len) >= least)
		return 0;
	return bpf_skb_change_tail(p->skb, least, 0);
}

static __always_inline int skb_remove_outer(const struct packet *p, const struct decapsulation *d)
{
	int bytes = (int)d->offset - p->walk->l3_offset;
	int grown;

	if (skb_pop_tags(p->skb, p->walk) || skb_pad(p, d))
		return -1;
	grown = skb_change_family(p, d);
	if (grown < -(int)sizeof(struct iphdr))
		return -1;
	return bpf_skb_adjust_room(p->skb, -(bytes + grown), BPF_ADJ_ROOM_MAC,
				   BPF_F_ADJ_ROOM_FIXED_GSO);
}

static __always_inline int remove_outer(const struct packet *p, const struct decapsulation *d)
{
	struct ethhdr *eth;
	int failed = p->hook == HOOK_XDP ? bpf_xdp_adjust_head(p->xdp, (int)d->offset - ETH_HLEN)
					 : skb_remove_outer(p, d);

	if (failed)
		return -1;
	eth = packet_ethernet(p);
	if (!eth)
		return -1;
	ethernet_copy(eth, &d->inner);
	return 0;
}

#endif
