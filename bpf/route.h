/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Longest-prefix match per VRF. The only place that knows how routes are kept; the writer
 * is sdk/dataplane.
 */
#ifndef WEIR_ROUTE_H
#define WEIR_ROUTE_H

#include "maps.h"
#include "packet.h"

#define VRF_BITS 32

/* Either family's key: the IPv4 address is in the first bytes of `address`. */
struct route_key {
	__u32 prefix_length;
	__be32 vrf;
	__u8 address[16];
};
_Static_assert(__builtin_offsetof(struct route_key, address) ==
		       __builtin_offsetof(struct route4_key, address),
	       "one key for both families");
_Static_assert(sizeof(struct route_key) == sizeof(struct route6_key), "one key for both families");

/* Looks key->address up; sets the rest of the key. */
static __always_inline struct route *route_find(__u8 family, __u32 vrf, struct route_key *key)
{
	key->vrf = bpf_htonl(vrf);
	if (family == 4) {
		key->prefix_length = VRF_BITS + 32;
		return bpf_map_lookup_elem(&routes4, key);
	}
	key->prefix_length = VRF_BITS + 128;
	return bpf_map_lookup_elem(&routes6, key);
}

static __always_inline struct route *route_to_destination(const struct walk *w)
{
	struct route_key key = {};

	if (w->family == 4)
		__builtin_memcpy(key.address, &w->key.v4.destination, 4);
	else
		__builtin_memcpy(key.address, w->key.v6.destination, 16);
	return route_find(w->family, w->route_vrf, &key);
}

static __always_inline struct route *route_to_source(const struct walk *w, __u32 vrf)
{
	struct route_key key = {};

	if (w->family == 4)
		__builtin_memcpy(key.address, &w->key.v4.source, 4);
	else
		__builtin_memcpy(key.address, w->key.v6.source, 16);
	return route_find(w->family, vrf, &key);
}

/* Addresses that no router may forward to (RFC 4291 section 2.5.6, RFC 3927 section 7). */
static __always_inline int destination_is_link_scope(const struct walk *w)
{
	if (w->family == 4)
		return (w->key.v4.destination & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
	return w->key.v6.destination[0] == 0xfe && (w->key.v6.destination[1] & 0xc0) == 0x80;
}

/* Multicast, and the IPv4 broadcast address: never routed here. */
static __always_inline int destination_is_group(const struct walk *w)
{
	if (w->family == 4)
		return (w->key.v4.destination & bpf_htonl(0xf0000000)) >= bpf_htonl(0xe0000000);
	return w->key.v6.destination[0] == 0xff;
}

#endif
