/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where a MAC of a VRF leads to: its own entry, or the one that group frames and unknown MACs follow. */
#ifndef WEIR_FDB_H
#define WEIR_FDB_H

#include "nexthop.h"
#include "vrf.h"

/* The entry that group frames follow. */
static __always_inline struct fdb_entry *fdb_find_broadcast(__u32 vrf)
{
	struct fdb_key key = { .vrf = vrf };

	__builtin_memset(key.mac, 0xff, sizeof(key.mac));
	return bpf_map_lookup_elem(&fdb, &key);
}

/* What a unicast or group frame follows in `vrf`, or NULL. */
static __always_inline struct fdb_entry *bridge_find(__u32 vrf, const __u8 *mac)
{
	int group = mac[0] & 1;
	struct fdb_entry *entry = fdb_find(vrf, mac);

	if (entry)
		return entry;
	return group || vrf_has(vrf, VRF_FLOOD_UNKNOWN) ? fdb_find_broadcast(vrf) : NULL;
}

#endif
