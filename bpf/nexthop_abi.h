/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Next hops, and the members of those that lead to several.
 */
#ifndef WEIR_NEXTHOP_ABI_H
#define WEIR_NEXTHOP_ABI_H

#include <linux/types.h>

enum nexthop_type {
	NEXTHOP_NONE = 0,
	NEXTHOP_INTERFACE,
	NEXTHOP_LOCAL,
	NEXTHOP_DISCARD,
	NEXTHOP_RESOLVE,
	NEXTHOP_TUNNEL,
	NEXTHOP_ECMP,
	NEXTHOP_VRF,
	NEXTHOP_FLOOD,
	NEXTHOP_TRAP, /* to the controller */
};

/* Header of a tunnel, between the outer IP header and the inner packet. */
enum encap {
	ENCAP_NONE = 0,
	ENCAP_VXLAN,    /* UDP 4789 (RFC 7348) */
	ENCAP_MPLS_UDP, /* UDP 6635 (RFC 7510) */
	ENCAP_MPLS_GRE, /* GRE 0x8847 (RFC 4023) */
};

/* Element of `nexthops`; the index is the next hop id, 0 is never used. */
struct nexthop {         /* 128 bytes */
	__u8 type;       /* enum nexthop_type */
	__u8 encap;      /* enum encap; type tunnel */
	__u16 interface; /* outgoing interface id; type tunnel: 0 */
	__u32 ifindex;   /* outgoing device */
	__u32 flags;     /* NEXTHOP_FLAG_* */
	__u32 mtu; /* layer 3 bytes that fit, of a tunnel: of the inner packet; 0: do not check */
	__u8 destination_mac[6];
	__u8 source_mac[6];
	__u32 vrf;      /* type vrf: look up again there */
	__u32 underlay; /* type tunnel: interface or ecmp that leads to the remote; 0: none does */
	__u32 members_first;  /* index in `members`; types ecmp and flood */
	__u32 members_count;  /* ecmp: buckets, a power of two; flood: members */
	__u8 underlay_family; /* 4 or 6; type tunnel */
	__u8 hash_fields;     /* HASH_*; type ecmp; 0: all */
	__u8 router_mac[6];   /* inner destination MAC of routed packets; zero: the gateway's */
	__u32 counter;        /* type tunnel: index in `tunnel_counters`, its id; 0: not counted */
	__u8 local_address[16];  /* outer source; IPv4: mapped */
	__u8 remote_address[16]; /* outer destination; IPv4: mapped */
	__u32 reserved[10];
};

#define NEXTHOP_FLAG_POLICY  0x1  /* the interface it leads to has policy */
#define NEXTHOP_FLAG_PEER    0x2  /* bpf_redirect_peer may be used */
#define NEXTHOP_FLAG_RESOLVE 0x4  /* destination_mac is not known: trap to the slow path */
#define NEXTHOP_FLAG_DOWN    0x8  /* leads nowhere at present; an ecmp avoids it */
#define NEXTHOP_FLAG_HOST    0x10 /* type interface: to the host's stack, which receives by it */

/* Which fields of the packet choose the bucket of an ecmp. */
#define HASH_SOURCE           0x01
#define HASH_DESTINATION      0x02
#define HASH_PROTOCOL         0x04
#define HASH_SOURCE_PORT      0x08
#define HASH_DESTINATION_PORT 0x10

/*
 * Element of `members`: a bucket of an ecmp, or a member of a flood. Buckets are handed out
 * by weight; those of a member that is lost are the only ones that change. Members of a flood
 * stand in the order: interfaces, then tunnels by the size of their headers, smallest first
 * (IPv4 before IPv6; mpls-gre, mpls-udp, vxlan), since the kernel can only add to a frame.
 */
struct member { /* 16 bytes */
	__u32 nexthop;
	__u32 label; /* instead of the route's, if flags say so */
	__u32 flags; /* ROUTE_LABEL, ROUTE_VNI, MEMBER_DEAD */
	__u32 reserved;
};

#define MEMBER_DEAD 0x80 /* is not to be used */

_Static_assert(sizeof(struct nexthop) == 128, "nexthop");
_Static_assert(sizeof(struct member) == 16, "member");

#endif
