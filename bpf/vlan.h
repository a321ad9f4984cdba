/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* VLAN tags on the way out: those it came with go, that of the outgoing interface comes. */
#ifndef WEIR_VLAN_H
#define WEIR_VLAN_H

#include "drop.h"
#include "interface.h"
#include "parse.h"

static __always_inline void set_l3_offset(struct walk *w, __u16 offset)
{
	if (w->l4_offset)
		w->l4_offset += offset - w->l3_offset;
	if (w->l3_offset)
		w->l3_offset = offset;
}

/* TC: the tag beside the frame and the one in it. */
static __always_inline int skb_pop_tags(struct __sk_buff *skb, struct walk *w)
{
	if (w->tags > 0 && bpf_skb_vlan_pop(skb))
		return -1;
	if (w->tags > 1 && bpf_skb_vlan_pop(skb))
		return -1;
	w->tags = 0;
	set_l3_offset(w, ETH_HLEN);
	return 0;
}

static __always_inline int xdp_retag(const struct packet *p, __u16 vlan)
{
	struct walk *w = p->walk;
	int want = vlan ? sizeof(struct vlan_header) : 0;
	int have = w->tags > 1 ? 2 * sizeof(struct vlan_header)
		   : w->tags   ? sizeof(struct vlan_header)
			       : 0;
	struct ethhdr *eth = packet_ethernet(p);
	struct vlan_header *tag;
	struct ethhdr copy;

	if (!eth)
		return -1;
	copy = *eth;
	if (bpf_xdp_adjust_head(p->xdp, have - want))
		return -1;
	eth = packet_ethernet(p);
	if (!eth)
		return -1;
	copy.h_proto = bpf_htons(vlan ? ETH_P_8021Q : w->ethertype);
	*eth = copy;
	if (vlan) {
		tag = packet_at(p, ETH_HLEN, sizeof(*tag));
		if (!tag)
			return -1;
		tag->tci = bpf_htons(vlan);
		tag->ethertype = bpf_htons(w->ethertype);
	}
	w->tags = vlan ? 1 : 0;
	set_l3_offset(w, ETH_HLEN + want);
	return 0;
}

/* Returns CONTINUE, or the verdict for a frame that could not be changed. */
static __always_inline int retag(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *out = interface_get(w->out_interface);

	if (!out)
		return drop(p, DROP_NO_NEXTHOP);
	if (p->hook == HOOK_XDP)
		return xdp_retag(p, out->vlan) ? drop(p, DROP_REDIRECT_FAILED) : CONTINUE;
	if (skb_pop_tags(p->skb, w))
		return drop(p, DROP_REDIRECT_FAILED);
	if (out->vlan && bpf_skb_vlan_push(p->skb, bpf_htons(ETH_P_8021Q), out->vlan))
		return drop(p, DROP_REDIRECT_FAILED);
	w->tags = out->vlan ? 1 : 0;
	w->vlan = out->vlan;
	return CONTINUE;
}
STAGE(retag)

/* All tags go. CONTINUE, or the verdict for a frame that could not be changed. */
static __always_inline int strip_tags(const struct packet *p)
{
	if (p->hook == HOOK_XDP ? xdp_retag(p, 0) : skb_pop_tags(p->skb, p->walk))
		return drop(p, DROP_REDIRECT_FAILED);
	return CONTINUE;
}
STAGE(strip_tags)

/* Whether the frame's tags are not those that `vlan` asks for (0: untagged). */
static __always_inline int needs_retag(const struct walk *w, __u16 vlan)
{
	return vlan ? w->tags != 1 || w->vlan != vlan : w->tags != 0;
}

#endif
