/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whether the node is where a tunnel packet goes to, which tunnel it came by, and what its VNI
 * or label stands for. What costs stack is a function of its own.
 */
#ifndef WEIR_TUNNEL_LOOKUP_H
#define WEIR_TUNNEL_LOOKUP_H

#include "hash.h"
#include "tunnel.h"

/* The source or destination of the outer header, as the tables have it. */
static __always_inline void outer_address(const struct walk *w, int source, __u8 *address)
{
	if (w->family == 4)
		ipv4_mapped(address, source ? w->key.v4.source : w->key.v4.destination);
	else
		__builtin_memcpy(address, source ? w->key.v6.source : w->key.v6.destination, 16);
}

__attribute__((noinline)) int is_listed_underlay(const struct walk *w)
{
	struct underlay_address own __attribute__((aligned(4)));

	if (!w)
		return 0;
	outer_address(w, 0, own.address);
	return bpf_map_lookup_elem(&underlay_addresses, &own) != NULL;
}

static __always_inline int is_own_underlay(const struct walk *w)
{
	struct config *c = the_config();

	if (c && (w->family == 4 ? c->underlay4 == w->key.v4.destination
				 : address6_equal(c->underlay6, w->key.v6.destination)))
		return 1;
	return is_listed_underlay(w);
}

/* Whether what came by the next hop, if it is a tunnel, came as the packet did. */
static __always_inline int is_tunnel_from(const struct nexthop *nh, const struct walk *w,
					  __u32 encap)
{
	const __be32 *remote = (const __be32 *)nh->remote_address;

	if (nh->type != NEXTHOP_TUNNEL || nh->encap != encap)
		return 0;
	if (w->family == 4)
		return !(remote[0] | remote[1] | (remote[2] ^ bpf_htonl(0xffff)) |
			 (remote[3] ^ w->key.v4.source));
	return address6_equal(nh->remote_address, w->key.v6.source);
}

/* Where in `tunnel_hints`. */
static __always_inline __u32 tunnel_slot(const struct walk *w, __u32 encap)
{
	const __u32 *words = (const __u32 *)w->key.v6.source;
	__u32 hash = w->family == 4 ? w->key.v4.source : words[0] ^ words[1] ^ words[2] ^ words[3];

	return ((hash + encap) * HASH_SPREAD) >> 16 & (WEIR_TUNNEL_HINTS - 1);
}

/* INGRESS_* of a packet whose tunnel is not hinted at. */
__attribute__((noinline)) int look_up_tunnel(const struct walk *w, __u32 encap)
{
	struct tunnel_key key;
	__u32 slot, *id;

	if (!w)
		return 0;
	outer_address(w, 1, key.remote);
	key.encap = encap;
	id = bpf_map_lookup_elem(&tunnels, &key);
	if (!id)
		return INGRESS_TUNNEL | INGRESS_UNKNOWN |
		       (hash_finish(hash_address6(0, key.remote)) & INGRESS_ID);
	slot = tunnel_slot(w, encap);
	if (!tracing)
		bpf_map_update_elem(&tunnel_hints, &slot, id, BPF_ANY);
	return INGRESS_TUNNEL | *id;
}

/* INGRESS_* of what came through a tunnel: which one. */
static __always_inline __u32 find_tunnel(const struct walk *w, __u32 encap)
{
	__u32 slot = tunnel_slot(w, encap);
	__u32 *hint = bpf_map_lookup_elem(&tunnel_hints, &slot);
	struct nexthop *nh = hint ? nexthop_get(*hint) : NULL;

	if (nh && is_tunnel_from(nh, w, encap))
		return INGRESS_TUNNEL | *hint;
	return look_up_tunnel(w, encap);
}

/* Counts it for its tunnel, if that is ours. */
static __always_inline void count_decapsulated(const struct walk *w, __u32 ingress)
{
	struct nexthop *nh = ingress & INGRESS_UNKNOWN ? NULL : nexthop_get(ingress & INGRESS_ID);

	if (nh)
		count_tunnel(nh->counter, 1, w->length);
}

static __always_inline struct vni_entry *vni_find(__u32 vni)
{
	struct vni_entry *entry;

	if (vni < WEIR_LOW_NUMBERS) {
		entry = bpf_map_lookup_elem(&low_vnis, &vni);
		NOT_MERGED(entry, 1);
	} else {
		entry = bpf_map_lookup_elem(&vnis, &vni);
		NOT_MERGED(entry, 2);
	}
	return entry && entry->vrf ? entry : NULL;
}

static __always_inline struct label_entry *label_find(__u32 label)
{
	struct label_entry *entry;

	if (label < WEIR_LOW_NUMBERS) {
		entry = bpf_map_lookup_elem(&low_labels, &label);
		NOT_MERGED(entry, 1);
	} else {
		entry = bpf_map_lookup_elem(&labels, &label);
		NOT_MERGED(entry, 2);
	}
	return entry && entry->nexthop ? entry : NULL;
}

#endif
