/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Packets that the controller has declared its own. Only interfaces with the trap `user` get here. */
#ifndef WEIR_MATCH_H
#define WEIR_MATCH_H

#include "parse.h"
#include "source_check.h"
#include "trap.h"

/* What a packet has of what matches compare. */
struct match_search {
	__u64 source[2]; /* as in struct packet_match */
	__u64 destination[2];
	__u64 mac;
	__u32 vrf;
	__u32 known; /* MATCH_*: what it has at all */
	__u16 interface;
	__u16 ethertype;
	__u16 source_port;
	__u16 destination_port;
	__u8 family;
	__u8 protocol;
	__u8 icmp_type;
	__u8 found; /* element that it meets; 0: none */
};

/* Addresses as two words each: all are aligned. */
static __always_inline int differs(const __u64 *a, const __u8 *prefix, const __u8 *masked)
{
	const __u64 *b = (const __u64 *)prefix;
	const __u64 *mask = (const __u64 *)masked;

	return ((a[0] & mask[0]) ^ b[0]) | ((a[1] & mask[1]) ^ b[1]) ? 1 : 0;
}

/* Compares with one element; 1 ends the search. */
static long match_element(__u32 index, struct match_search *s)
{
	__u32 key = index + 1;
	struct packet_match *m = bpf_map_lookup_elem(&packet_matches, &key);
	__u32 fields;

	if (!m)
		return 1;
	fields = m->fields;
	if (!fields || (fields & ~s->known))
		return 0;
	if (((fields & MATCH_PROTOCOL) && m->protocol != s->protocol) ||
	    ((fields & MATCH_ETHERTYPE) && m->ethertype != s->ethertype) ||
	    ((fields & MATCH_FAMILY) && m->family != s->family) ||
	    ((fields & MATCH_INTERFACE) && m->interface != s->interface) ||
	    ((fields & MATCH_VRF) && m->vrf != s->vrf) ||
	    ((fields & MATCH_MAC) && *(const __u64 *)m->mac != s->mac) ||
	    ((fields & MATCH_ICMP_TYPE) && m->icmp_type != s->icmp_type))
		return 0;
	if ((fields & MATCH_SOURCE_PORT) &&
	    (s->source_port < m->source_port_first || s->source_port > m->source_port_last))
		return 0;
	if ((fields & MATCH_DESTINATION_PORT) && (s->destination_port < m->destination_port_first ||
						  s->destination_port > m->destination_port_last))
		return 0;
	if ((fields & MATCH_SOURCE) && differs(s->source, m->source, m->source_mask))
		return 0;
	if ((fields & MATCH_DESTINATION) &&
	    differs(s->destination, m->destination, m->destination_mask))
		return 0;
	s->found = key;
	return 1;
}

static __always_inline void search_addresses(struct match_search *s, const struct walk *w)
{
	if (w->family == 4) {
		s->source[0] = 0;
		s->source[1] = w->key.v4.source;
		s->destination[0] = 0;
		s->destination[1] = w->key.v4.destination;
	} else {
		__builtin_memcpy(s->source, w->key.v6.source, sizeof(s->source));
		__builtin_memcpy(s->destination, w->key.v6.destination, sizeof(s->destination));
	}
}

/* An ICMP error is none of the flow's own packets: source and ports in its key are another's. */
static __always_inline void search_upper(struct match_search *s, const struct walk *w)
{
	__u8 icmp = w->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (!w->l4_offset)
		return;
	if (w->protocol == icmp) {
		s->icmp_type = w->icmp_type;
		s->known |= MATCH_ICMP_TYPE;
	} else if (w->protocol == IPPROTO_TCP || w->protocol == IPPROTO_UDP ||
		   w->protocol == IPPROTO_SCTP) {
		s->source_port =
			bpf_ntohs(w->family == 4 ? w->key.v4.source_port : w->key.v6.source_port);
		s->destination_port = bpf_ntohs(w->family == 4 ? w->key.v4.destination_port
							       : w->key.v6.destination_port);
		s->known |= MATCH_SOURCE_PORT | MATCH_DESTINATION_PORT;
	}
}

/* Whether `limit` admits one more packet, `rate` a second, counted on each CPU by itself. */
static __always_inline int match_admit(__u32 limit, __u32 rate)
{
	struct trap_limit *l;
	__u64 now;

	if (tracing)
		return 1;
	l = bpf_map_lookup_elem(&match_limits, &limit);
	if (!l)
		return 1;
	now = bpf_ktime_get_ns();
	if (now - l->window_start >= NSEC_PER_SEC) {
		l->window_start = now;
		l->count = 0;
	}
	return ++l->count <= rate;
}

/* What a workload sends has to be its own, for the controller too; else it is looked at as any packet. */
static __always_inline int may_be_taken(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;

	if (!(i->flags & INTERFACE_SOURCE_CHECK) || (w->flags & WALK_DECAPSULATED) || !w->family)
		return 1;
	if ((w->flags & WALK_GROUP) && source_is_unspecified(w))
		return 1;
	return source_is_own(p, i);
}

static __always_inline int take_matched(const struct packet *p, __u32 found)
{
	struct packet_match *m = bpf_map_lookup_elem(&packet_matches, &found);
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);

	if (!m || !i || !may_be_taken(p, i))
		return CONTINUE;
	if (!match_admit(m->limit, m->rate))
		return m->copy ? CONTINUE : drop(p, DROP_TRAP_LIMIT);
	w->generation = m->number;
	w->flags |= WALK_MATCHED;
	w->trap_flags |= TRAP_FLAG_MATCHED;
	w->trap_reason = TRAP_USER;
	w->drop_reason = DROP_NONE;
	if (!m->copy)
		return call_limited_trap(p);
	w->trap_flags |= TRAP_FLAG_COPY;
	w->worker = near_worker(p, i);
	if (controller_listens(p, i) && fits_slow_path(p))
		return call_send_trap(p);
	/* It goes on without being told of. */
	w->generation = 0;
	w->trap_flags &= ~(TRAP_FLAG_MATCHED | TRAP_FLAG_COPY);
	return CONTINUE;
}

/* The first match that the packet meets decides: CONTINUE if there is none, or the packet's verdict. */
static __always_inline int match_packet(const struct packet *p)
{
	struct match_search s = {};
	struct walk *w = p->walk;
	struct ethhdr *eth = packet_ethernet(p);
	__u32 first = 0;
	struct packet_match *m = bpf_map_lookup_elem(&packet_matches, &first);

	if (!m || !eth)
		return CONTINUE;
	s.known = MATCH_USED | MATCH_INTERFACE | MATCH_VRF | MATCH_MAC | MATCH_ETHERTYPE;
	__builtin_memcpy(&s.mac, eth->h_dest, ETH_ALEN);
	s.vrf = w->key.vrf;
	s.interface = w->interface;
	s.ethertype = w->ethertype;
	if (w->family) {
		s.family = w->family;
		s.protocol = w->protocol;
		s.known |= MATCH_FAMILY | MATCH_PROTOCOL | MATCH_DESTINATION;
		if (!(w->flags & WALK_RELATED))
			s.known |= MATCH_SOURCE;
		search_addresses(&s, w);
		search_upper(&s, w);
	}
	bpf_loop(m->number, match_element, &s, 0);
	return s.found ? take_matched(p, s.found) : CONTINUE;
}
STAGE(match_packet)

#endif
