/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The structs that cross a border: kernel programs, TypeScript, AssemblyScript. A header for each
 * concept; policy_abi.h and slowpath_abi.h, which the kernel programs never see, are apart.
 *
 * Each struct is declared once. `layout.bpf.c` puts them into BTF, from which the TypeScript
 * codecs (sdk/layout/) and the AssemblyScript offsets (wasm/layout.ts) are generated.
 *
 * Numbers are in host byte order unless the type is __be16 or __be32. IPv4 addresses in a
 * 16-byte field are IPv4-mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2). Times are
 * CLOCK_MONOTONIC nanoseconds. Every struct has explicit padding and a size that is a
 * multiple of 8, except where a comment says otherwise.
 */
#ifndef WEIR_ABI_H
#define WEIR_ABI_H

#include "config_abi.h"
#include "decision_abi.h"
#include "drop_abi.h"
#include "flow_abi.h"
#include "flow_end_abi.h"
#include "flow_slot_abi.h"
#include "fragment_abi.h"
#include "interface_abi.h"
#include "match_abi.h"
#include "mirror_abi.h"
#include "miss_ring_abi.h"
#include "nexthop_abi.h"
#include "qos_abi.h"
#include "route_abi.h"
#include "trace_abi.h"
#include "trap_abi.h"
#include "tunnel_abi.h"
#include "vrf_abi.h"

#endif
