/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Fragments where flows are followed: only a datagram's first fragment has its ports, and
 * the others take them from it; in IPv6 the protocol too, where extension headers lie between
 * the fragment header and the upper layer. One that comes before the first waits in the slow path; its
 * entry says so, and the first is then sent through the slow path too, which lets those that
 * wait follow it.
 */
#ifndef WEIR_FRAGMENT_H
#define WEIR_FRAGMENT_H

#include "clock.h"
#include "parse_l4.h"
#include "trace_record.h"
#include "tunnel.h"

#define FRAGMENT_SECONDS 30 /* how long a receiver waits for them (RFC 791, RFC 8200: up to 60) */

static __always_inline void set_protocol(struct walk *w, __u8 protocol)
{
	w->protocol = protocol;
	if (w->family == 4)
		w->key.v4.protocol = protocol;
	else
		w->key.v6.protocol = protocol;
}

static __always_inline void fragment_key_of(const struct walk *w, struct fragment_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->vrf = w->key.vrf;
	key->identification = w->fragment_id;
	if (w->family == 4) {
		key->protocol = w->protocol;
		ipv4_mapped(key->source, w->key.v4.source);
		ipv4_mapped(key->destination, w->key.v4.destination);
	} else {
		__builtin_memcpy(key->source, w->key.v6.source, sizeof(key->source));
		__builtin_memcpy(key->destination, w->key.v6.destination, sizeof(key->destination));
	}
}

/* The datagram's entry, unless it is one of long ago. */
static __always_inline struct fragment_entry *fragment_find(const struct fragment_key *key,
							    __u64 now)
{
	struct fragment_entry *entry = bpf_map_lookup_elem(&fragments, key);

	return entry && now - entry->seen <= FRAGMENT_SECONDS * NSEC_PER_SEC ? entry : NULL;
}

/*
 * Puts `made` in the place of an old entry or none. NULL, or the entry that another CPU has
 * made meanwhile: neither may miss what the other says.
 */
static __always_inline struct fragment_entry *fragment_make(const struct fragment_key *key,
							    const struct fragment_entry *made)
{
	struct fragment_entry *other;

	if (bpf_map_update_elem(&fragments, key, made, BPF_NOEXIST) == 0)
		return NULL;
	other = fragment_find(key, made->seen);
	if (!other)
		bpf_map_update_elem(&fragments, key, made, BPF_ANY);
	return other;
}

/* The first fragment's ports and protocol are kept; a later one gets them, if they are known. */
__attribute__((noinline)) int fragment_ports(struct walk *w)
{
	struct fragment_entry first = {}, *known;
	struct fragment_key key;

	/* Of an ICMP error the key is not that of the fragment. */
	if (!w || (w->flags & (WALK_RELATED | WALK_UNRELATED)))
		return 0;
	fragment_key_of(w, &key);
	first.seen = bpf_ktime_get_coarse_ns();
	known = fragment_find(&key, first.seen);
	if (w->flags & WALK_NO_PORTS) {
		if (!known || !(known->flags & FRAGMENT_PORTS))
			return 0;
		set_ports(w, known->source_port, known->destination_port);
		set_protocol(w, known->protocol);
		w->flags &= ~WALK_NO_PORTS;
		return 0;
	}
	first.source_port = w->family == 4 ? w->key.v4.source_port : w->key.v6.source_port;
	first.destination_port =
		w->family == 4 ? w->key.v4.destination_port : w->key.v6.destination_port;
	first.protocol = w->protocol;
	first.flags = FRAGMENT_PORTS;
	if (!known && !tracing)
		known = fragment_make(&key, &first);
	if (!known)
		return 0;
	if (known->flags & FRAGMENT_AWAITED) {
		w->flags |= WALK_AWAITED;
		w->worker = known->worker;
	}
	if (!tracing)
		*known = first;
	return 0;
}

/* Notes that a later fragment waits with walk->worker for the first, or that it need not. */
__attribute__((noinline)) int fragment_await(struct walk *w)
{
	struct fragment_entry entry = {}, *known;
	struct fragment_key key;

	if (!w)
		return 0;
	fragment_key_of(w, &key);
	entry.seen = bpf_ktime_get_coarse_ns();
	entry.flags = FRAGMENT_AWAITED;
	entry.worker = w->worker;
	known = tracing ? fragment_find(&key, entry.seen) : fragment_make(&key, &entry);
	if (!known)
		return 0;
	if (known->flags & FRAGMENT_PORTS)
		w->trap_flags |= TRAP_FLAG_PORTS;
	else
		w->worker = known->worker;
	return 0;
}

#endif
