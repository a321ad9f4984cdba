/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is said of a VRF as a whole. */
#ifndef WEIR_VRF_H
#define WEIR_VRF_H

#include "maps.h"

/* Whether the flag (VRF_*) is set. */
static __always_inline int vrf_has(__u32 id, __u32 flag)
{
	struct vrf *vrf = bpf_map_lookup_elem(&vrfs, &id);

	return vrf && (vrf->flags & flag);
}

#endif
