/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What goes over the trap link: packets to the slow path and why, and packets back from it.
 */
#ifndef WEIR_TRAP_ABI_H
#define WEIR_TRAP_ABI_H

#include <linux/types.h>

/* Why a packet went to the slow path. TRAP_FLOW_MISS becomes "flow-miss". */
enum trap_reason {
	TRAP_NONE = 0,
	TRAP_FLOW_MISS,           /* a new flow, for policy */
	TRAP_ARP,                 /* to the gateway's MAC, and not answered by the kernel program */
	TRAP_NEIGHBOUR_DISCOVERY, /* the same of IPv6 */
	TRAP_DHCP,                /* a client's broadcast */
	TRAP_RESOLVE,             /* the next hop has no link-layer address yet */
	TRAP_TTL_EXPIRED,         /* to be answered with an ICMP error; counted as a drop */
	TRAP_NO_ROUTE,            /* to be answered with an ICMP unreachable; counted as a drop */
	TRAP_PACKET_TOO_BIG, /* to be answered with an ICMP error, and counted as a drop; or to be fragmented */
	TRAP_FRAGMENT, /* a datagram's later fragment that came before the first, or that first one */
	TRAP_MAC_LEARN, /* a MAC was learned, or has moved */
	TRAP_IP_LEARN, /* a source address that no route leads back to, on an interface that learns */
	TRAP_SOURCE_MISMATCH, /* not from an address or MAC of the workload; counted as a drop */
	TRAP_LOG,             /* names events of rules with log; no packet is trapped for it */
	TRAP_ASK,             /* names flows that wait for the controller */
	TRAP_BFD,             /* BFD to an address of the router's own */
	TRAP_USER,            /* a next hop of type trap says so */
	TRAP_IGMP,            /* or MLD: who listens to which groups */
};

#define WEIR_TRAP_MAGIC 0x57454952 /* "WEIR"; first word of either header on the trap link */
#define WEIR_CUT_MAGIC \
	0x57435554 /* "WCUT"; of struct inject_meta towards the far end: cut, and back */

/*
 * Stands directly in front of the first byte of a trapped packet: as XDP metadata on a
 * direct socket, as a prepended header on the trap link (whose far end turns it into
 * metadata). XDP metadata is limited to 32 bytes.
 */
struct trap_meta {             /* 32 bytes */
	__u32 magic;           /* WEIR_TRAP_MAGIC */
	__u8 reason;           /* enum trap_reason */
	__u8 flags;            /* TRAP_FLAG_* */
	__u8 forwarding_class; /* CLASS_NONE, or one more than the class */
	__u8 l3_offset; /* bytes from the first byte of the packet to its IP or ARP header; 0: none */
	__u16 interface;       /* id of the interface that received it */
	__u16 out_interface;   /* id of the interface that the next hop leads to; 0: unknown */
	__u32 vrf;             /* in which the destination was looked up */
	__u32 nexthop;         /* of the destination; 0: no route */
	__u32 reverse_nexthop; /* of the source; 0: no route */
	__u32 generation;      /* of the hold entry; user: see TRAP_FLAG_MATCHED */
	__u32 ingress;         /* where it came from, as in struct flow_entry */
};

#define TRAP_FLAG_IPV6       0x01
#define TRAP_FLAG_HOLD_OWNER 0x02 /* this packet made the hold entry */
#define TRAP_FLAG_BRIDGED    0x04 /* the next hop came from the fdb: no TTL, no MAC rewrite */
#define TRAP_FLAG_LABEL      0x08 /* `nexthop` is what the packet's MPLS label leads to */
#define TRAP_FLAG_MOVED      0x10 /* mac-learn: the MAC was on another interface before */
#define TRAP_FLAG_REROUTED   0x10 /* flow-miss: its flow is allowed, but where it goes now not yet */
#define TRAP_FLAG_MATCHED    0x10 /* user: it meets the match that `generation` is the number of */
#define TRAP_FLAG_PORTS      0x20 /* fragment: the datagram's ports are known, nobody need wait */
#define TRAP_FLAG_ANSWER     0x20 /* flow-miss: the other direction began its flow, which was allowed */
#define TRAP_FLAG_COPY       0x20 /* user: it goes on, and the controller gets a copy */
#define TRAP_FLAG_MIRRORED   0x40 /* the copy that its flow asks for has been made */
#define TRAP_FLAG_DIVIDE     0x80 /* packet-too-big: no drop, it may be fragmented */
#define TRAP_FLAG_STATELESS  0x80 /* flow-miss: no room for its flow, the packet alone is decided */

/* What the slow path asks the node's end of the trap link to do. */
enum inject_action {
	INJECT_NONE = 0,
	INJECT_RECEIVED, /* as if `interface` had received it: the whole pipeline */
	INJECT_TRANSMIT, /* out of `interface`, as it is */
	INJECT_ROUTE,    /* look its destination up in `vrf`; TTL not lowered, no policy */
	INJECT_MIRROR,   /* it is a copy, for `mirror`, of what `interface` received */
};

#define INJECT_FLAG_BRIDGED  0x01 /* ROUTE: look its destination MAC up instead */
#define INJECT_FLAG_MIRRORED 0x02 /* RECEIVED: the copy that its flow asks for has been made */
#define INJECT_FLAG_ALLOWED  0x04 /* RECEIVED: policy allows the packet, and it has no flow */

struct inject_meta { /* 32 bytes; the packet follows */
	__u32 magic; /* WEIR_TRAP_MAGIC */
	__u8 action; /* enum inject_action */
	__u8 flags;  /* INJECT_FLAG_* */
	__u16 interface;
	__u32 vrf;
	__u32 ingress; /* RECEIVED: struct trap_meta's; a tunnel: the packet has been decapsulated, into `vrf` */
	__u32 nexthop;         /* RECEIVED from a tunnel: what its label led to; 0: it had none */
	__u8 forwarding_class; /* RECEIVED: struct trap_meta's */
	__u8 mirror;           /* MIRROR: index in `mirrors` */
	__u8 reserved0[2];
	__u32 reserved[2];
};

/* Element of `trap_limits` (per CPU); index = interface id. */
struct trap_limit { /* 16 bytes */
	__u64 window_start;
	__u64 count;
};

_Static_assert(sizeof(struct trap_meta) == 32, "trap_meta");
_Static_assert(sizeof(struct inject_meta) == 32, "inject_meta");
_Static_assert(sizeof(struct trap_limit) == 16, "trap_limit");

#endif
