/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Choice of an ecmp's member. The buckets are filled by weight in user space, which moves
 * only those of a member that is lost; until it has, a dead member's flows are spread over
 * the others, and nobody else's flows move.
 */
#ifndef WEIR_ECMP_H
#define WEIR_ECMP_H

#include "hash.h"
#include "nexthop.h"

/* find_bucket() looks through at most their product. */
#define BUCKETS_A_BLOCK 16
#define MAX_BLOCKS      16

#define MAX_PROBES 16 /* buckets looked into; half of them dead: 1 packet of 65536 finds none */

static __always_inline int member_is_alive(const struct member *m)
{
	struct nexthop *nh;

	if (m->flags & MEMBER_DEAD)
		return 0;
	nh = nexthop_get(m->nexthop);
	return nh && !(nh->flags & NEXTHOP_FLAG_DOWN);
}

/* Index of a member that lives, by hash; -1: none was found. */
__attribute__((noinline)) int choose_bucket(__u32 first, __u32 count, __u32 hash)
{
	__u32 i;

	if (!count)
		return -1;
	for (i = 0; i < MAX_PROBES; i++) {
		__u32 index = first + (hash & (count - 1));
		struct member *m = bpf_map_lookup_elem(&members, &index);

		if (m && member_is_alive(m))
			return index;
		hash = hash_finish(hash + i + 1);
	}
	return -1;
}

/* find_bucket() in the first BUCKETS_A_BLOCK of them. */
__attribute__((noinline)) int find_in_block(__u32 first, __u32 count, __u32 nexthop)
{
	__u32 i;

	for (i = 0; i < BUCKETS_A_BLOCK; i++) {
		__u32 index = first + i;
		struct member *m;

		if (i >= count)
			break;
		m = bpf_map_lookup_elem(&members, &index);
		if (m && m->nexthop == nexthop && !(m->flags & MEMBER_DEAD))
			return index;
	}
	return -1;
}

/* Index of the first bucket of next hop `nexthop`; -1: there is none. */
__attribute__((noinline)) int find_bucket(__u32 first, __u32 count, __u32 nexthop)
{
	__u32 i;

	for (i = 0; i < MAX_BLOCKS * BUCKETS_A_BLOCK; i += BUCKETS_A_BLOCK) {
		int index;

		if (i >= count)
			break;
		index = find_in_block(first + i, count - i, nexthop);
		if (index >= 0)
			return index;
	}
	return -1;
}

static __always_inline struct member *member_at(int index)
{
	__u32 key = index;

	return index < 0 ? NULL : bpf_map_lookup_elem(&members, &key);
}

static __always_inline __u32 ecmp_fields(const struct nexthop *ecmp)
{
	return ecmp->hash_fields ? ecmp->hash_fields : HASH_ALL;
}

static __always_inline struct member *ecmp_choose(const struct nexthop *ecmp,
						  const struct packet *p)
{
	__u32 hash = p->walk->family ? hash_flow(p->walk, ecmp_fields(ecmp)) : hash_ethernet(p);

	return member_at(choose_bucket(ecmp->members_first, ecmp->members_count, hash));
}

#endif
