/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Mirrors: where copies of packets go, and how many did.
 */
#ifndef WEIR_MIRROR_ABI_H
#define WEIR_MIRROR_ABI_H

#include <linux/types.h>

#define WEIR_MAX_MIRRORS 256

/* Element of `mirrors`; the index, 0 is never used, is what interfaces and flows name. */
struct mirror {         /* 16 bytes */
	__u32 nexthop;  /* interface: the device, tunnel, or ecmp of those; 0: no such mirror */
	__u32 label;    /* that goes with it */
	__u32 flags;    /* ROUTE_LABEL, ROUTE_VNI */
	__u32 truncate; /* bytes of a frame that are copied at most; 0: all */
};

/* Element of `mirror_counters` (per CPU), with the same index. Bytes from the MAC header, as copied. */
struct mirror_counters { /* 24 bytes */
	__u64 packets;
	__u64 bytes;
	__u64 drops; /* copies that could not be made */
};

_Static_assert(sizeof(struct mirror) == 16, "mirror");
_Static_assert(sizeof(struct mirror_counters) == 24, "mirror_counters");

#endif
