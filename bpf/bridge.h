/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The bridge of a VRF: where a destination MAC leads to, and which source MACs were seen. */
#ifndef WEIR_BRIDGE_H
#define WEIR_BRIDGE_H

#include "clock.h"
#include "learn_address.h"
#include "resolve.h"

/* Whether copies would have to be made of a frame to `mac`. */
static __always_inline int is_flooded(__u32 vrf, const __u8 *mac)
{
	struct fdb_entry *entry;
	struct nexthop *nh;

	if (mac[0] & 1)
		return 1;
	entry = bridge_find(vrf, mac);
	nh = entry ? nexthop_get(entry->nexthop) : NULL;
	return nh && nh->type == NEXTHOP_FLOOD;
}

static __always_inline int learn_new(const struct packet *p, const struct interface *i,
				     struct fdb_key *key, __u32 now)
{
	struct fdb_entry entry = { .nexthop = i->nexthop, .flags = FDB_LEARNED, .seen = now };

	trace_step(p, TRACE_LEARN, TRACE_LEARNED_BRIDGE, 0, 0);
	if (tracing)
		return CONTINUE;
	/* Whoever sends from ever new MACs gets no more entries than traps. */
	if (!trap_admit(p->walk->interface) || bpf_map_update_elem(&fdb, key, &entry, BPF_NOEXIST))
		return CONTINUE;
	p->walk->worker = near_worker(p, i);
	return report(p, TRAP_MAC_LEARN);
}

/* The slow path is told that a MAC is on another interface than it was, and sends the frame on. */
static __always_inline int report_moved(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	int verdict;

	w->worker = near_worker(p, i);
	w->trap_flags |= TRAP_FLAG_MOVED;
	verdict = report(p, TRAP_MAC_LEARN);
	w->trap_flags &= ~TRAP_FLAG_MOVED;
	return verdict;
}

/*
 * A MAC whose entry was given. That stays; but where it leads to another node its owner seems to
 * have come here, which the controller is told now and then.
 */
static __always_inline int learn_given(const struct packet *p, const struct interface *i,
				       const struct fdb_entry *entry, __u32 now)
{
	struct nexthop *nh = nexthop_get(entry->nexthop);
	struct walk *w = p->walk;
	struct interface_address_key key = { .interface = w->interface };
	struct ethhdr *eth = packet_ethernet(p);
	__u32 *told;

	if (!eth || !nh || nh->type != NEXTHOP_TUNNEL)
		return CONTINUE;
	/* Its last bytes, behind zeros: no address that can be learned looks like that. */
	mac_copy(key.address + sizeof(key.address) - ETH_ALEN, eth->h_source);
	told = bpf_map_lookup_elem(&told_addresses, &key);
	if (told && now - *told < TOLD_SECONDS)
		return CONTINUE;
	trace_step(p, TRACE_LEARN, TRACE_LEARNED_MOVED, 0, 0);
	if (tracing || !trap_admit(w->interface) ||
	    bpf_map_update_elem(&told_addresses, &key, &now, BPF_ANY))
		return CONTINUE;
	return report_moved(p, i);
}

/*
 * A source MAC on an interface that learns. It is in the fdb at once; the slow path is told,
 * and sends the frame on. CONTINUE if there is nothing to tell.
 */
static __always_inline int learn_source_mac(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	struct ethhdr *eth = packet_ethernet(p);
	__u32 now = bpf_ktime_get_coarse_ns() / NSEC_PER_SEC;
	struct fdb_key key = { .vrf = w->key.vrf };
	struct fdb_entry *entry;

	if (!eth || (eth->h_source[0] & 1) || mac_is_zero(eth->h_source) ||
	    mac_equal(eth->h_source, i->gateway_mac))
		return CONTINUE;
	__builtin_memcpy(key.mac, eth->h_source, sizeof(key.mac));
	entry = bpf_map_lookup_elem(&fdb, &key);
	if (!entry)
		return learn_new(p, i, &key, now);
	if (!(entry->flags & FDB_LEARNED))
		return learn_given(p, i, entry, now);
	if (entry->seen != now && !tracing)
		entry->seen = now;
	if (entry->nexthop == i->nexthop)
		return CONTINUE;
	trace_step(p, TRACE_LEARN, TRACE_LEARNED_MOVED, 0, 0);
	if (tracing)
		return CONTINUE;
	entry->nexthop = i->nexthop;
	return trap_admit(w->interface) ? report_moved(p, i) : CONTINUE;
}

/* On an interface that learns: CONTINUE if there is nothing to tell of its sender. */
static __always_inline int learn_source(const struct packet *p)
{
	struct interface *i = interface_get(p->walk->interface);
	int verdict = i ? learn_source_mac(p, i) : CONTINUE;

	if (verdict != CONTINUE || !i || !takes_trap(i, TRAP_IP_LEARN))
		return verdict;
	return call_learn_address(p);
}
STAGE(learn_source)

#endif
