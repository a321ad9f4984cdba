/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Translates packets as their flow says: addresses, ports, the identifier of an echo, and
 * what checksums there are, by the difference only (RFC 1624). Of a later fragment the
 * addresses; of an ICMP error the packet that it quotes too (nat_error.h).
 */
#ifndef WEIR_NAT_H
#define WEIR_NAT_H

#include "crc32c.h"
#include "forward.h"
#include "nat_error.h"

#define ANY_DIFFERENCE 0 /* flags of bpf_l4_csum_replace(): `to` is a sum of differences */

/* The walk goes on as that of what the packet has become. */
static __always_inline void take_new_key(struct walk *w, const struct flow_entry *flow)
{
	if (w->family == 4) {
		__builtin_memcpy(&w->key.v4.source, flow->new_source + 12, 4);
		__builtin_memcpy(&w->key.v4.destination, flow->new_destination + 12, 4);
	} else {
		__builtin_memcpy(w->key.v6.source, flow->new_source, 16);
		__builtin_memcpy(w->key.v6.destination, flow->new_destination, 16);
	}
	set_ports(w, flow->new_source_port, flow->new_destination_port);
}

/* 32 bits of a sum of differences, as the helpers take it. */
static __always_inline __u32 fold_difference(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/*
 * TC, a packet whose device has summed all of it: for bytes that changed beside a checksum
 * that has them.
 */
static __always_inline void sum_changed(const struct packet *p, __u64 difference)
{
	if (p->hook == HOOK_TC)
		bpf_csum_update(p->skb, fold_difference(difference));
}

/* The checksum at `at`; `pseudo` is in it by the pseudo header. */
static __always_inline int change_checksum(const struct packet *p, __u32 at, __u64 pseudo,
					   __u64 own)
{
	struct walk *w = p->walk;
	__u64 flags = w->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__be16 *check = packet_at(p, at, sizeof(*check));

	if (!check)
		return -1;
	if (w->protocol == IPPROTO_UDP && !*check) {
		/* There is none (RFC 768). */
		sum_changed(p, own + (w->family == 6 ? pseudo : 0));
		return 0;
	}
	if (p->hook == HOOK_XDP) {
		checksum_change(check, pseudo + own);
		if (w->protocol == IPPROTO_UDP && !*check)
			*check = 0xffff;
		return 0;
	}
	if (pseudo && bpf_l4_csum_replace(p->skb, at, 0, fold_difference(pseudo),
					  ANY_DIFFERENCE | BPF_F_PSEUDO_HDR | flags))
		return -1;
	/* The helper takes the addresses for IPv4's, whose header makes up for them itself. */
	if (w->family == 6)
		sum_changed(p, pseudo);
	if (own && bpf_l4_csum_replace(p->skb, at, 0, fold_difference(own), ANY_DIFFERENCE | flags))
		return -1;
	return 0;
}

/* SCTP's has no addresses in it. */
static __always_inline int change_crc(const struct packet *p, __u32 ports)
{
	struct walk *w = p->walk;
	__u32 length = w->ip_length - (w->l4_offset - w->l3_offset);
	__u32 *check = packet_at(p, w->l4_offset + SCTP_CHECKSUM_AT, sizeof(*check));
	__u32 from, to;

	if (!check)
		return -1;
	from = *check;
	to = from ^ crc32c_change(ports, length);
	*check = to;
	sum_changed(p, change32(from, to));
	return 0;
}

/* The upper layer; `addresses`: the difference that those make. */
static __always_inline int translate_segment(const struct packet *p, const struct flow_entry *flow,
					     __u64 addresses)
{
	struct walk *w = p->walk;
	__u32 at = w->l4_offset, sum_at = checksum_offset(w->protocol);
	__u64 ports = 0;
	__u32 *words, from;

	if (has_ports(w->protocol)) {
		words = packet_at(p, at, sizeof(*words));
		if (!words)
			return -1;
		from = *words;
		ports = write_ports(p, at, flow->new_source_port, flow->new_destination_port);
		words = packet_at(p, at, sizeof(*words));
		if (!words)
			return -1;
		if (w->protocol == IPPROTO_SCTP) {
			sum_changed(p, ports + (w->family == 6 ? addresses : 0));
			return from == *words ? 0 : change_crc(p, from ^ *words);
		}
	} else if (sum_at) {
		ports = write_identifier(p, at, flow->new_source_port);
	}
	if (!sum_at) {
		if (w->family == 6)
			sum_changed(p, addresses);
		return 0;
	}
	return change_checksum(p, at + sum_at, w->protocol == IPPROTO_ICMP ? 0 : addresses, ports);
}

/* A datagram of SCTP has one checksum over all its fragments, whose length nobody knows here. */
static __always_inline int is_torn_sctp(const struct walk *w)
{
	return w->protocol == IPPROTO_SCTP && (w->flags & WALK_FRAGMENT) && w->l4_offset;
}

static __always_inline int translate_packet(const struct packet *p, const struct flow_entry *flow)
{
	struct walk *w = p->walk;
	__u64 addresses;

	if (w->flags & WALK_RELATED)
		return translate_error(p, flow);
	if (write_addresses(p, w->l3_offset, flow->new_source, flow->new_destination, &addresses))
		return -1;
	if (w->l4_offset)
		return translate_segment(p, flow, addresses);
	if (w->family == 6)
		sum_changed(p, addresses);
	return 0;
}

/*
 * What forward() would ask the slow path about has to be found out before the sender's
 * packet is another one: CONTINUE, or the packet's verdict.
 */
static __always_inline int check_way(const struct packet *p)
{
	struct walk *w = p->walk;
	struct nexthop *nh = nexthop_get(w->nexthop);

	if (!nh)
		return drop(p, DROP_NO_NEXTHOP);
	/* One that its sender meant for the same segment. */
	if (!(w->flags & WALK_ROUTED)) {
		w->flags |= WALK_ROUTED | WALK_KEEP_TTL;
		w->trap_flags &= ~TRAP_FLAG_BRIDGED;
	}
	w->out_interface = nh->interface;
	if (nh->type == NEXTHOP_RESOLVE ||
	    (nh->type == NEXTHOP_INTERFACE && (nh->flags & NEXTHOP_FLAG_RESOLVE)))
		return trap(p, TRAP_RESOLVE);
	if ((nh->type != NEXTHOP_INTERFACE && nh->type != NEXTHOP_TUNNEL) ||
	    (nh->flags & NEXTHOP_FLAG_HOST))
		return CONTINUE;
	if (w->ttl <= 1 && !(w->flags & WALK_NO_HOP))
		return drop_and_trap(p, DROP_TTL_EXPIRED, TRAP_TTL_EXPIRED);
	return is_too_big(p, nh->mtu) ? refuse_length(p) : CONTINUE;
}

/* CONTINUE, or the packet's verdict. */
static __always_inline int translate_flow(const struct packet *p)
{
	struct walk *w = p->walk;
	struct flow_entry *flow;
	int verdict = check_way(p);

	if (verdict != CONTINUE)
		return verdict;
	flow = flow_find(w->family, &w->key);
	/* Decided anew just now. */
	if (!flow || flow->action != FLOW_NAT)
		return drop(p, DROP_NO_NEXTHOP);
	if (is_torn_sctp(w))
		return drop(p, DROP_FRAGMENT);
	if (translate_packet(p, flow))
		return drop(p, DROP_INVALID_PACKET);
	take_new_key(w, flow);
	trace_step(p, TRACE_NAT, 0, 0, 0);
	return CONTINUE;
}
STAGE(translate_flow)

#endif
