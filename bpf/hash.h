/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The hash of a packet's flow: it chooses the member of an ecmp and the source port of a
 * tunnel. MurmurHash3 (Appleby), over words as they lie in the packet.
 */
#ifndef WEIR_HASH_H
#define WEIR_HASH_H

#include "packet.h"

#define HASH_ALL    0x1f       /* every HASH_* field */
#define HASH_SPREAD 0x9e3779b1 /* odd, near 2^32 by the golden ratio (Knuth) */

static __always_inline __u32 hash_word(__u32 hash, __u32 word)
{
	word *= 0xcc9e2d51;
	word = (word << 15) | (word >> 17);
	hash ^= word * 0x1b873593;
	hash = (hash << 13) | (hash >> 19);
	return hash * 5 + 0xe6546b64;
}

static __always_inline __u32 hash_finish(__u32 hash)
{
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return hash ^ (hash >> 16);
}

static __always_inline __u32 hash_address6(__u32 hash, const __u8 *address)
{
	const __u32 *words = (const __u32 *)address;

	hash = hash_word(hash, words[0]);
	hash = hash_word(hash, words[1]);
	hash = hash_word(hash, words[2]);
	return hash_word(hash, words[3]);
}

/* What is no IP packet is told apart by its MACs. */
static __always_inline __u32 hash_ethernet(const struct packet *p)
{
	struct ethhdr *eth = packet_at(p, p->walk->room, sizeof(*eth));
	const __u16 *words = (const __u16 *)eth;
	__u32 hash = 0;

	if (!eth)
		return 0;
	hash = hash_word(hash, words[0] << 16 | words[1]);
	hash = hash_word(hash, words[2] << 16 | words[3]);
	return hash_finish(hash_word(hash, words[4] << 16 | words[5]));
}

/*
 * `fields`: HASH_*. All fragments of a datagram get the same hash, so none has its ports in
 * it, nor its protocol: only the first one knows them (of the protocol, in IPv6).
 */
static __always_inline __u32 hash_flow(const struct walk *w, __u32 fields)
{
	const struct flow4_key *v4 = &w->key.v4;
	const struct flow6_key *v6 = &w->key.v6;
	__u32 source_port = w->family == 4 ? v4->source_port : v6->source_port;
	__u32 destination_port = w->family == 4 ? v4->destination_port : v6->destination_port;
	__u32 hash = 0;

	if (w->flags & WALK_FRAGMENT)
		fields &= ~(HASH_SOURCE_PORT | HASH_DESTINATION_PORT | HASH_PROTOCOL);
	if (!(fields & HASH_SOURCE_PORT))
		source_port = 0;
	if (!(fields & HASH_DESTINATION_PORT))
		destination_port = 0;
	if (w->family == 4) {
		hash = hash_word(hash, fields & HASH_SOURCE ? v4->source : 0);
		hash = hash_word(hash, fields & HASH_DESTINATION ? v4->destination : 0);
	} else {
		if (fields & HASH_SOURCE)
			hash = hash_address6(hash, v6->source);
		if (fields & HASH_DESTINATION)
			hash = hash_address6(hash, v6->destination);
	}
	hash = hash_word(hash, source_port << 16 | destination_port);
	return hash_finish(hash_word(hash, fields & HASH_PROTOCOL ? w->protocol : 0));
}

static __always_inline __u32 hash_packet(const struct packet *p)
{
	return p->walk->family ? hash_flow(p->walk, HASH_ALL) : hash_ethernet(p);
}

#endif
