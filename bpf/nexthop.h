/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Next hops, and bridge entries that lead to them. */
#ifndef WEIR_NEXTHOP_H
#define WEIR_NEXTHOP_H

#include "maps.h"
#include "packet.h"

static __always_inline struct nexthop *nexthop_get(__u32 id)
{
	struct nexthop *nh = bpf_map_lookup_elem(&nexthops, &id);

	return id && nh && nh->type != NEXTHOP_NONE ? nh : NULL;
}

static __always_inline struct fdb_entry *fdb_find(__u32 vrf, const __u8 *mac)
{
	struct fdb_key key = { .vrf = vrf };

	__builtin_memcpy(key.mac, mac, sizeof(key.mac));
	return bpf_map_lookup_elem(&fdb, &key);
}

#endif
