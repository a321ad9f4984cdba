/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the walk has found out about its packet so far. It lies on the stack of the entry
 * program and is handed to the stages that are functions of their own; those are verified
 * once, for any content of it, which keeps the verifier's work small.
 */
#ifndef WEIR_WALK_H
#define WEIR_WALK_H

#include <bpf/bpf_helpers.h>
#include "abi.h"

union flow_key {
	__u32 vrf; /* first in either key */
	struct flow4_key v4;
	struct flow6_key v6;
};

struct walk {
	/*
	 * Key of the packet's flow. Of an ICMP error that quotes a packet of ours: the flow
	 * that the quoted packet would be answered in. `destination` in it is the packet's own
	 * in both cases.
	 */
	union flow_key key;
	__u32 flags;  /* WALK_* */
	__u32 length; /* bytes of the frame */
	__u32 ip_length; /* bytes from the IP header on, without padding; not IP: all behind the tags */
	__u32 nexthop; /* of the destination; 0: not known yet */
	__u32 reverse_nexthop;
	__u32 generation;    /* of the flow entry that a decision must name */
	__u32 ingress;       /* where it came from: interface id, or INGRESS_* */
	__u32 route_vrf;     /* in which the destination was looked up */
	__u32 label;         /* that goes with `nexthop`: LABEL_IS_*, or 0 */
	__u32 reverse_label; /* that goes with `reverse_nexthop` */
	__be32 fragment_id;  /* of a fragment: which datagram it is part of */
	__u16 interface;     /* id of the interface that received it; 0: unknown */
	__u16 out_interface; /* id of the interface that the next hop leads to */
	__u16 ethertype;     /* of the payload, after VLAN tags; host order */
	__u16 vlan;          /* id of the outermost tag */
	__u16 l3_offset;     /* bytes from the start of the frame; 0: no IP or ARP header */
	__u16 l4_offset;     /* 0: none, or a later fragment */
	__u8 family;         /* 4, 6; 0: not IP */
	__u8 protocol;       /* upper layer, after extension headers */
	__u8 ttl;            /* or hop limit */
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 tags;   /* VLAN tags of the frame, the one that TC keeps beside it too */
	__u8 worker; /* that a trap goes to */
	__u8 trap_reason;
	__u8 trap_flags;
	__u8 drop_reason; /* counted besides the trap; 0: none */
	__u16 scratch;    /* see forget_range() */
	__u32 member;     /* flood: index in `members` of the one that is next */
	__u16 room;       /* bytes of tunnel headers that were put in front of the frame */
	__u8 forwarding_class; /* by the QoS map of the interface: one more than the class, or CLASS_NONE */
	__u8 mirror;           /* index in `mirrors`: of a copy that is to be made of it; 0: none */
};
_Static_assert(sizeof(struct walk) == 120, "no padding: it is passed as memory");

#define WALK_GROUP          0x001  /* destination MAC is a group address */
#define WALK_ROUTED         0x002  /* destination MAC is the gateway's: route, else bridge */
#define WALK_FRAGMENT       0x004  /* part of a datagram, the first part too */
#define WALK_NO_PORTS       0x008  /* a later fragment */
#define WALK_DONT_FRAGMENT  0x010  /* IPv6, or IPv4 with DF */
#define WALK_RELATED        0x020  /* ICMP error; the key is that of the quoted flow */
#define WALK_UNRELATED      0x040  /* ICMP error that quotes nothing that we can use */
#define WALK_GSO            0x080  /* TC: several segments in one */
#define WALK_INJECTED       0x100  /* came from the slow path, is on the trap link's device */
#define WALK_DECAPSULATED   0x200  /* came out of a tunnel */
#define WALK_LABEL          0x400  /* `nexthop` is what its MPLS label leads to */
#define WALK_KEEP_TTL       0x800  /* routed, but its TTL does not fall */
#define WALK_ALLOWED        0x1000 /* policy allows its flow, which looks for its way anew */
#define WALK_STALE_PROTOCOL 0x2000 /* TC: no IP packet, but the skb says that it were one */
#define WALK_AWAITED        0x8000 /* a first fragment for which later ones wait in the slow path */
#define WALK_QOS            0x4000 /* received by an interface with a QoS map */
#define WALK_MIRRORED       0x10000 /* the copy that its flow asks for has been made */
#define WALK_UNROUTED       0x20000 /* its flow is looked for before its route: is policy concerned? */
#define WALK_STATELESS      0x40000  /* policy allows this packet; there is no room for its flow */
#define WALK_NAT            0x80000  /* its flow translates it */
#define WALK_LEADS_NOWHERE  0x100000 /* only a flow that translates it is followed */
#define WALK_ANSWER         0x200000 /* the other direction began its flow, which policy allowed */
#define WALK_NAT_LOST       0x400000 /* its flow translates it, and looks for its way anew */
#define WALK_FROM_HOST      0x800000 /* of the host's own stack, which has routed it */
#define WALK_MATCHED        0x1000000 /* a match of the controller's takes it, within a limit of its own */

/* Its TTL does not fall: it is no hop, or that was counted already. */
#define WALK_NO_HOP (WALK_KEEP_TTL | WALK_FROM_HOST)

/* A copy that a mirror has made: it is not copied again, here or at another node. */
static __always_inline int is_copy(const struct walk *w)
{
	return (w->ingress & INGRESS_COPY) != 0;
}

/* What a stage returns, beside the verdicts of the hook (XDP_*, TC_ACT_*). */
#define CONTINUE (-128) /* not decided by this stage */
#define FORWARD  (-127) /* decided: send it to walk->nexthop */

#endif
