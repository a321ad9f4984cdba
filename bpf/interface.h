/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which interface a packet came from, and what an address means there. */
#ifndef WEIR_INTERFACE_H
#define WEIR_INTERFACE_H

#include "maps.h"
#include "packet.h"
#include "trace_record.h"

static __always_inline struct interface *interface_get(__u32 id)
{
	struct interface *i = bpf_map_lookup_elem(&interfaces, &id);

	return id && i && i->ifindex ? i : NULL;
}

/* Whether the controller takes what is trapped for `reason`, one of those that cost otherwise nothing. */
static __always_inline int takes_trap(const struct interface *i, __u32 reason)
{
	return (i->traps & 1u << reason) != 0;
}

/* Id of the interface that a device and VLAN are; 0: none. */
static __always_inline __u32 interface_id(const struct device_key *key)
{
	__u32 slot = (key->ifindex ^ key->vlan << 2) & (WEIR_DEVICE_HINTS - 1);
	__u32 *hint = bpf_map_lookup_elem(&device_hints, &slot);
	struct interface *i = hint ? interface_get(*hint) : NULL;
	__u32 *id;

	if (i && i->ifindex == key->ifindex && i->vlan == key->vlan)
		return *hint;
	id = bpf_map_lookup_elem(&devices, key);
	if (!id)
		return 0;
	if (hint && !tracing)
		*hint = *id;
	return *id;
}

/* Sets walk->interface from device and VLAN; a tag that is nobody's is no interface. */
static __always_inline struct interface *interface_find(const struct packet *p)
{
	struct device_key key = { .ifindex = packet_ifindex(p), .vlan = p->walk->vlan };
	struct walk *w = p->walk;

	w->interface = interface_id(&key);
	w->ingress = w->interface;
	/* However it was found: the verifier goes on from here once. */
	asm volatile("" ::: "memory");
	return interface_get(w->interface);
}

/* ADDRESS_* of an IPv6 or IPv4-mapped address on an interface; 0: nothing known. */
static __always_inline __u32 address_flags(__u32 interface, const __u8 *address)
{
	struct interface_address_key key;
	__u32 *flags;

	key.interface = interface;
	__builtin_memcpy(key.address, address, sizeof(key.address));
	flags = bpf_map_lookup_elem(&interface_addresses, &key);
	return flags ? *flags : 0;
}

static __always_inline __u32 address4_flags(__u32 interface, __be32 address)
{
	struct interface_address_key key = { .interface = interface };
	__u32 *flags;

	key.address[10] = 0xff;
	key.address[11] = 0xff;
	__builtin_memcpy(key.address + 12, &address, sizeof(address));
	flags = bpf_map_lookup_elem(&interface_addresses, &key);
	return flags ? *flags : 0;
}

/*
 * Takes the workload's MAC from what it sends, once, and makes its next hop usable. Two
 * CPUs may do so at once, with the same MAC.
 */
static __always_inline void learn_mac(const struct packet *p, struct interface *i)
{
	struct ethhdr *eth = packet_ethernet(p);
	__u32 id = i->nexthop;
	struct nexthop *nh;

	if (!eth || !mac_is_zero(i->mac) || (eth->h_source[0] & 1) || mac_is_zero(eth->h_source) ||
	    mac_equal(eth->h_source, i->gateway_mac))
		return;
	trace_step(p, TRACE_LEARN, TRACE_LEARNED_WORKLOAD, 0, 0);
	if (tracing)
		return;
	mac_copy(i->mac, eth->h_source);
	__sync_fetch_and_or(&i->flags, INTERFACE_MAC_LEARNED);
	nh = bpf_map_lookup_elem(&nexthops, &id);
	if (!id || !nh)
		return;
	mac_copy(nh->destination_mac, eth->h_source);
	__sync_fetch_and_and(&nh->flags, ~NEXTHOP_FLAG_RESOLVE);
}

#endif
