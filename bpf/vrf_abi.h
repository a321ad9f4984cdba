/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * VRFs and their counters.
 */
#ifndef WEIR_VRF_ABI_H
#define WEIR_VRF_ABI_H

#include <linux/types.h>

#define WEIR_MAX_KINDS 16 /* counters of a VRF: one for each enum vrf_kind */

/* Element of `vrfs`; the index is the VRF id, 0 is never used. */
struct vrf {         /* 16 bytes */
	__u32 flags; /* VRF_* */
	__u32 reserved[3];
};

#define VRF_FLOOD_UNKNOWN 0x1 /* unknown unicast follows the fdb's ff:ff:ff:ff:ff:ff entry */
#define VRF_POLICY        0x2 /* an interface of it has policy */

/* How a VRF's packets left it. VRF_KIND_VXLAN becomes "vxlan". */
enum vrf_kind {
	VRF_KIND_NONE = 0,
	VRF_KIND_INTERFACE, /* routed out of an interface */
	VRF_KIND_BRIDGED,   /* bridged out of an interface */
	VRF_KIND_LOCAL,
	VRF_KIND_DISCARD,
	VRF_KIND_RESOLVE,
	VRF_KIND_VXLAN,
	VRF_KIND_MPLS_UDP,
	VRF_KIND_MPLS_GRE,
	VRF_KIND_ECMP, /* an ecmp on the way, besides what its member counts */
	VRF_KIND_VRF,  /* a translation on the way, besides */
	VRF_KIND_FLOOD,
	VRF_KIND_TRAP,
};

/* What left one VRF in one way: `vrf_counters` (per CPU) has one for each enum vrf_kind. */
struct vrf_counter { /* 16 bytes */
	__u64 packets;
	__u64 bytes;
};

_Static_assert(sizeof(struct vrf) == 16, "vrf");
_Static_assert(sizeof(struct vrf_counter) == 16, "vrf_counter");

#endif
