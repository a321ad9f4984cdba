/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Quality of service: forwarding classes with their code points, and policers.
 */
#ifndef WEIR_QOS_ABI_H
#define WEIR_QOS_ABI_H

#include <linux/types.h>

#define WEIR_MAX_QOS_MAPS 256 /* element 0 is never used */
#define WEIR_MAX_CLASSES  64

/* No QoS map has said anything: code points stay as they are. */
#define CLASS_NONE 0

/* The code points that packets of a forwarding class leave with. */
struct class_marks { /* 8 bytes */
	__u8 dscp;   /* 0..63 */
	__u8 exp;    /* of a pushed MPLS label, 0..7 (RFC 5462: traffic class) */
	__u8 pcp;    /* of the VLAN tag, 0..7 (IEEE 802.1Q) */
	__u8 flags;  /* MARK_* */
	__u16 queue; /* transmit queue, from 0; TC hook only */
	__u16 reserved;
};

/* Which of them the map says anything about. */
#define MARK_DSCP  0x1
#define MARK_EXP   0x2
#define MARK_PCP   0x4
#define MARK_QUEUE 0x8

/*
 * Element of `qos_maps`; the index is interface.qos_map. What a received code point stands
 * for, CLASS_NONE or one more than the class, and how the classes leave.
 */
struct qos_map { /* 592 bytes */
	__u8 dscp_class[64];
	__u8 exp_class[8];
	__u8 pcp_class[8];
	struct class_marks marks[WEIR_MAX_CLASSES];
};

/* Which of an interface's two policers; `policers` has them at id * POLICE_DIRECTIONS + this. */
#define POLICE_RECEIVED   0 /* of what it sends to us */
#define POLICE_SENT       1 /* of what goes out of it */
#define POLICE_DIRECTIONS 2

/* Units of struct policer. */
#define POLICER_TIME_SHIFT 8 /* `time` and `burst` are in 2^-8 ns */
#define POLICER_COST_SHIFT \
	12 /* `cost` is in 2^-12 of that, 2^-20 ns: 64 bytes at 400 Gbit/s are 1.28 ns */

/*
 * Element of `policers`: a token bucket that all CPUs share, as the generic cell rate
 * algorithm has it (ITU-T I.371 annex A, virtual scheduling). A cache line of its own.
 */
struct policer {     /* 64 bytes */
	__u64 cost;  /* time that a byte takes at the rate; 0: no limit */
	__u64 burst; /* time that the whole bucket takes at the rate */
	__u64 time;  /* when the bucket is full again (written by the pipeline); wraps around */
	__u64 dropped_packets; /* segments of a large packet count as one */
	__u64 dropped_bytes;
	__u64 reserved[3];
};

_Static_assert(sizeof(struct class_marks) == 8, "class_marks");
_Static_assert(sizeof(struct qos_map) == 592, "qos_map");
_Static_assert(sizeof(struct policer) == 64, "policer");

#endif
