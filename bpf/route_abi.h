/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a destination leads to: routes and bridge entries, by VRF.
 */
#ifndef WEIR_ROUTE_ABI_H
#define WEIR_ROUTE_ABI_H

#include <linux/types.h>

/* Keys of `routes4`, `routes6` (LPM trie): prefix_length counts the 32 bits of the VRF too. */
struct route4_key {          /* 12 bytes */
	__u32 prefix_length; /* 32..64 */
	__be32 vrf;
	__be32 address;
};

struct route6_key {          /* 24 bytes */
	__u32 prefix_length; /* 32..160 */
	__be32 vrf;
	__u8 address[16];
};

struct route { /* 16 bytes */
	__u32 nexthop;
	__u32 label; /* MPLS label or VNI, host order */
	__u32 flags; /* ROUTE_* */
	__u32 reserved;
};

#define ROUTE_LABEL   0x1 /* label is an MPLS label */
#define ROUTE_VNI     0x2 /* label is a VNI */
#define ROUTE_DEFAULT 0x4 /* prefix length 0: no proxy ARP for what it covers */

/* Key of `fdb`. */
struct fdb_key { /* 12 bytes */
	__u32 vrf;
	__u8 mac[6];
	__u16 reserved;
};

struct fdb_entry { /* 16 bytes */
	__u32 nexthop;
	__u32 label; /* MPLS label or VNI, host order */
	__u32 flags; /* ROUTE_LABEL, ROUTE_VNI, FDB_* */
	__u32 seen; /* FDB_LEARNED: last frame from it, seconds of CLOCK_MONOTONIC (written by the kernel) */
};

#define FDB_LEARNED 0x10 /* by the kernel program, from a frame; ages */

_Static_assert(sizeof(struct route4_key) == 12, "route4_key");
_Static_assert(sizeof(struct route6_key) == 24, "route6_key");
_Static_assert(sizeof(struct route) == 16, "route");
_Static_assert(sizeof(struct fdb_key) == 12, "fdb_key");
_Static_assert(sizeof(struct fdb_entry) == 16, "fdb_entry");

#endif
