/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Traces: what a second load of the programs writes down; see bpf/trace_record.h.
 */
#ifndef WEIR_TRACE_ABI_H
#define WEIR_TRACE_ABI_H

#include <linux/types.h>

/*
 * What a step of a trace tells. TRACE_FLOW_MISS becomes "flow-miss". `code`, `id` and `other`
 * below are those of struct trace_record; what a stage does not name is 0.
 */
enum trace_stage {
	TRACE_NONE = 0,
	TRACE_INTERFACE,   /* the one that received it; code: VLAN id of the frame */
	TRACE_CLASS,       /* by the interface's QoS map; code: forwarding class, 0: none */
	TRACE_DECAPSULATE, /* code: enum encap; id: label or VNI */
	TRACE_LEARN,       /* source MAC or address are news; code: enum trace_learned */
	TRACE_ANSWER,      /* the program answers itself */
	TRACE_FLOW,        /* code: enum flow_action; id: rule; other: next hop */
	TRACE_FLOW_MISS,   /* code: enum flow_action of an entry that does not count; `frame` */
	TRACE_NAT,         /* by its flow; the key is that of what it has become */
	TRACE_ROUTE,   /* in `route_vrf`; code: 1, id: next hop, other: label; 0: there is none */
	TRACE_BRIDGE,  /* the same of the bridge entry for destination_mac */
	TRACE_ECMP,    /* id: the ecmp; `nexthop`: the choice */
	TRACE_VRF,     /* id: the next hop; code: VRF to look up in */
	TRACE_NEXTHOP, /* code: enum nexthop_type */
	TRACE_MEMBER,  /* of a flood, whose copy follows; code: enum nexthop_type; id: next hop */
	TRACE_REWRITE, /* routed: the MACs are the new ones; code: TTL */
	TRACE_ENCAPSULATE, /* code: enum encap; id: tunnel next hop; other: that of the underlay */
	TRACE_OUTPUT,      /* out of `out_interface`; code: VLAN tag beside the frame */
	TRACE_COPY,        /* a copy out of `out_interface`; code: the same; `frame` */
	TRACE_MIRROR, /* a copy of it; code: the same; id: in `mirrors`; other: for which interface; `frame` */
	TRACE_HOST,      /* to the host's stack */
	TRACE_HAND_OVER, /* XDP leaves it to TC on the same device */
	TRACE_TRAP,      /* to the slow path; code: enum trap_reason */
	TRACE_DROP,      /* the packet, or a copy; code: enum drop_reason */
};

enum trace_learned {
	TRACE_LEARNED_NONE = 0,
	TRACE_LEARNED_WORKLOAD, /* MAC of the workload */
	TRACE_LEARNED_BRIDGE,   /* a new bridge entry */
	TRACE_LEARNED_MOVED,    /* the bridge entry was of another interface */
	TRACE_LEARNED_ADDRESS,  /* the controller would be told of the address */
};

/* Element of `trace_log`: how many of the other two maps are in use. */
struct trace_log {   /* 8 bytes */
	__u32 steps; /* may count on beyond WEIR_TRACE_STEPS: those are lost */
	__u32 frames;
};

/* Element of `trace_records`: a step, and the walk as it was then. */
struct trace_record { /* 104 bytes */
	__u8 stage;   /* enum trace_stage */
	__u8 family;  /* 4, 6; 0: not IP */
	__u8 protocol;
	__u8 ttl;   /* as it came */
	__u8 flags; /* TRACE_FLAG_* */
	__u8 l3_offset;
	__u16 frame; /* index in `trace_frames` + 1; 0: none */
	__u32 code;  /* by stage, see there */
	__u32 id;
	__u32 other;
	__u32 vrf;       /* of the flow's key */
	__u32 route_vrf; /* in which the destination is looked up */
	__u32 nexthop;
	__u32 reverse_nexthop;
	__u32 label;   /* as in struct flow_entry */
	__u32 ingress; /* as in struct flow_entry */
	__u32 length;  /* bytes of the frame */
	__u16 interface;
	__u16 out_interface;
	__be16 source_port; /* as in struct flow4_key */
	__be16 destination_port;
	__u32 reserved;
	__u8 destination_mac[6];
	__u8 source_mac[6];
	__u8 source[16]; /* IPv4: mapped */
	__u8 destination[16];
};

#define TRACE_FLAG_ROUTED 0x1 /* else bridged */

#define WEIR_TRACE_STEPS  1024 /* a flood with the most members, each with a tunnel */
#define WEIR_TRACE_FRAMES 256

/* Element of `trace_frames`. */
struct trace_frame {  /* 4104 bytes */
	__u32 length; /* of the whole frame */
	__u32 reserved;
	__u8 bytes[4096]; /* the beginning of it */
};

_Static_assert(sizeof(struct trace_log) == 8, "trace_log");
_Static_assert(sizeof(struct trace_record) == 104, "trace_record");
_Static_assert(sizeof(struct trace_frame) == 4104, "trace_frame");

#endif
