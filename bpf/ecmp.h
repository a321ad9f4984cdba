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

#define MAX_PROBES 16 /* buckets looked into; half of them dead: 1 packet of 65536 finds none */

static __always_inline int member_is_alive(const struct member *m)
{
	struct nexthop *nh;

	if (m->flags & MEMBER_DEAD)
		return 0;
	nh = nexthop_get(m->nexthop);
	return nh && !(nh->flags & NEXTHOP_FLAG_DOWN);
}

static __always_inline struct member *ecmp_choose(const struct nexthop *ecmp, __u32 hash)
{
	__u32 first = ecmp->members_first;
	__u32 mask = ecmp->members_count - 1;
	__u32 i;

	if (!ecmp->members_count)
		return NULL;
	for (i = 0; i < MAX_PROBES; i++) {
		__u32 index = first + (hash & mask);
		struct member *m = bpf_map_lookup_elem(&members, &index);

		if (m && member_is_alive(m))
			return m;
		hash = hash_finish(hash + i + 1);
	}
	return NULL;
}

static __always_inline struct member *ecmp_choose_by_flow(const struct nexthop *ecmp,
							  const struct packet *p)
{
	__u32 fields = ecmp->hash_fields ? ecmp->hash_fields : HASH_ALL;

	return ecmp_choose(ecmp, p->walk->family ? hash_flow(p->walk, fields) : hash_ethernet(p));
}

#endif
