/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Fragments where flows are followed: only a datagram's first fragment has its ports, and
 * the others take them from it.
 */
#ifndef WEIR_FRAGMENT_H
#define WEIR_FRAGMENT_H

#include "clock.h"
#include "parse_l4.h"
#include "trace_record.h"
#include "tunnel.h"

#define FRAGMENT_SECONDS 30 /* how long a receiver waits for them (RFC 791, RFC 8200: up to 60) */

static __always_inline void fragment_key_of(const struct walk *w, struct fragment_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->vrf = w->key.vrf;
	key->identification = w->fragment_id;
	key->protocol = w->protocol;
	if (w->family == 4) {
		ipv4_mapped(key->source, w->key.v4.source);
		ipv4_mapped(key->destination, w->key.v4.destination);
	} else {
		__builtin_memcpy(key->source, w->key.v6.source, sizeof(key->source));
		__builtin_memcpy(key->destination, w->key.v6.destination, sizeof(key->destination));
	}
}

/* The first fragment's ports are kept; a later one gets them, if they are known. */
__attribute__((noinline)) int fragment_ports(struct walk *w)
{
	struct fragment_entry first = {}, *known;
	struct fragment_key key;
	__u64 now;

	/* Of an ICMP error the key is not that of the fragment. */
	if (!w || (w->flags & (WALK_RELATED | WALK_UNRELATED)))
		return 0;
	fragment_key_of(w, &key);
	now = bpf_ktime_get_coarse_ns();
	if (w->flags & WALK_NO_PORTS) {
		known = bpf_map_lookup_elem(&fragments, &key);
		if (!known || now - known->seen > FRAGMENT_SECONDS * NSEC_PER_SEC)
			return 0;
		set_ports(w, known->source_port, known->destination_port);
		w->flags &= ~WALK_NO_PORTS;
		return 0;
	}
	first.seen = now;
	first.source_port = w->family == 4 ? w->key.v4.source_port : w->key.v6.source_port;
	first.destination_port =
		w->family == 4 ? w->key.v4.destination_port : w->key.v6.destination_port;
	if (!tracing)
		bpf_map_update_elem(&fragments, &key, &first, BPF_ANY);
	return 0;
}

#endif
