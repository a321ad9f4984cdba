/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is told of a flow that has ended, see bpf/flow_end.h.
 */
#ifndef WEIR_FLOW_END_ABI_H
#define WEIR_FLOW_END_ABI_H

#include <linux/types.h>

/* Why a flow ended. FLOW_END_GAVE_WAY becomes "gave-way". */
enum flow_end_reason {
	FLOW_END_NONE = 0,
	FLOW_END_IDLE,    /* for its idle time */
	FLOW_END_CLOSED,  /* TCP: both sides have sent FIN, and its idle time has passed */
	FLOW_END_RESET,   /* TCP: the same after RST */
	FLOW_END_DELETED, /* by the controller */
	FLOW_END_CHANGED, /* policy, a set, a route, a next hop or an interface changed: decided anew */
	FLOW_END_REPLACED, /* by a decision that sends it elsewhere: another translation, or none */
	FLOW_END_GAVE_WAY, /* half open, to newer ones: the SYN guard */
};

/* Record of `flow_ends`: a pair when it went, as one of its entries had it. */
struct flow_end { /* 160 bytes */
	__u64 time; /* when it went; of idle ones, when the slice of the sweep began that found them */
	__u64 created;
	__u64 last_seen; /* of either direction */
	__u64 packets;
	__u64 bytes; /* from the first byte of the IP header */
	__u64 reverse_packets;
	__u64 reverse_bytes;
	__u32 vrf;
	__u32 reverse_vrf; /* in which the reverse direction's entry was kept; 0: the same */
	__u32 rule;        /* policy rule that decided; 0: none */
	__u32 ingress;     /* of the direction that began, as in struct flow_entry */
	__u32 generation;
	__u8 family; /* 4 or 6 */
	__u8 protocol;
	__u8 action;        /* enum flow_action */
	__u8 state;         /* enum flow_state, the last one */
	__u8 reason;        /* enum flow_end_reason */
	__u8 flags;         /* FLOW_FLAG_* of the entry: REVERSE where the other direction began */
	__be16 source_port; /* as in struct flow4_key */
	__be16 destination_port;
	__be16 new_source_port; /* what its packets became, action nat; else 0 */
	__be16 new_destination_port;
	__u8 reserved[6];
	__u8 source[16]; /* IPv4: mapped */
	__u8 destination[16];
	__u8 new_source[16];
	__u8 new_destination[16];
};

/* Element 0 of `flow_end_counters`; counted while config.flow_ends is set. */
struct flow_end_counters { /* 16 bytes */
	__u64 told;
	__u64 lost; /* there was no room in `flow_ends` */
};

_Static_assert(sizeof(struct flow_end) == 160, "flow_end");
_Static_assert(sizeof(struct flow_end_counters) == 16, "flow_end_counters");

#endif
