/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Why packets are dropped: the reasons, their counters and samples of the packets.
 */
#ifndef WEIR_DROP_ABI_H
#define WEIR_DROP_ABI_H

#include <linux/types.h>

#define WEIR_MAX_REASONS 64 /* drop reasons per interface in the drop counters */

/* The one list: DROP_NO_ROUTE becomes "no-route" in TypeScript, HTTP and the docs. */
enum drop_reason {
	DROP_NONE = 0,
	DROP_INVALID_PACKET,       /* a header is cut short or contradicts itself */
	DROP_CHECKSUM,             /* a checksum that had to be verified is wrong */
	DROP_UNKNOWN_INTERFACE,    /* the device is not one of ours, or its VLAN is not */
	DROP_UNSUPPORTED_PROTOCOL, /* an Ethernet type that is neither bridged nor routed */
	DROP_SOURCE_MISMATCH,      /* a workload sent from an address or MAC that is not its own */
	DROP_RPF,                  /* the way back leads through another interface */
	DROP_NO_ROUTE,
	DROP_DISCARD,      /* the route or next hop says so */
	DROP_NO_NEXTHOP,   /* the next hop is gone or not valid */
	DROP_NO_NEIGHBOUR, /* the link-layer address could not be found in time */
	DROP_TTL_EXPIRED,
	DROP_PACKET_TOO_BIG,
	DROP_FRAGMENT,        /* a fragment whose ports are not known */
	DROP_UNKNOWN_UNICAST, /* no bridge entry for the destination MAC */
	DROP_BROADCAST,       /* a group frame with nobody to take it */
	DROP_POLICY_DENY,
	DROP_FLOW_TABLE_FULL,
	DROP_FLOW_LIMIT,    /* the interface's new-flow rate or flow count limit */
	DROP_HOLD_LIMIT,    /* more than three packets of a flow that is being decided */
	DROP_HOLD_TIMEOUT,  /* the decision did not come in time */
	DROP_NO_CONTROLLER, /* for user space, and nobody is there */
	DROP_TRAP_LIMIT,    /* more packets for the slow path than the interface may send */
	DROP_TRAP_FULL,     /* no frame, ring entry or event slot left in the slow path */
	DROP_TRAP_TOO_BIG, /* longer than what the slow path takes: see struct config, trap_bytes */
	DROP_UNHANDLED_TRAP, /* nobody registered for this trap */
	DROP_REDIRECT_FAILED,
	DROP_LOOP,
	DROP_UNKNOWN_VNI,
	DROP_UNKNOWN_LABEL,
	DROP_UNKNOWN_TUNNEL,
	DROP_FABRIC_TO_FABRIC,
	DROP_NAT_EXHAUSTED,
	DROP_POLICED,
	DROP_MIRROR,
	DROP_ECN,
	DROP_NO_SERVICE, /* for a service's address, but for none of its ports; or from what serves it, unasked */
};

/* What one interface dropped for one reason: `drop_counters` (per CPU) has one for each. */
struct drop_counter { /* 16 bytes */
	__u64 packets;
	__u64 bytes;
};

#define WEIR_SAMPLE_BYTES 128 /* of a dropped packet that a sample holds */

enum sample_hook {
	SAMPLE_NONE = 0,
	SAMPLE_XDP,
	SAMPLE_TC,
};

/* Record of `drop_samples`: a packet as it was when it was dropped. */
struct drop_sample {         /* 200 bytes */
	__u64 time;          /* of the drop */
	__u32 length;        /* bytes of the frame, as `drop_counters` have them */
	__u32 rule;          /* policy rule that decided; 0: none */
	__u32 vrf;           /* as in the flow's key */
	__u32 ingress;       /* where it came from, as in struct flow_entry; 0: not known */
	__u16 interface;     /* whose counter it is in */
	__u16 out_interface; /* that the next hop leads to; 0: not known */
	__u16 vlan;          /* id of the outermost tag; TC: the tag itself is not in `head` */
	__u16 head_length;   /* bytes of `head` */
	__u8 reason;         /* enum drop_reason */
	__u8 hook;           /* enum sample_hook */
	__u8 family;         /* 4 or 6; 0: no IP header was read, and the rest of the key is 0 */
	__u8 protocol;
	__be16 source_port; /* 0: was not read; else as in struct flow4_key */
	__be16 destination_port;
	__u8 source[16]; /* IPv4: mapped */
	__u8 destination[16];
	__u8 head[WEIR_SAMPLE_BYTES]; /* from the Ethernet header on */
};

/* Element 0 of `drop_sampling`: the limit of config.drop_samples, over all CPUs. */
struct drop_sampling { /* 16 bytes */
	__u64 window_start;
	__u64 taken; /* in this window */
};

/* Element 0 of `drop_sample_counters` (per CPU). */
struct drop_sample_counters { /* 24 bytes */
	__u64 sampled;
	__u64 limited; /* not sampled, because of config.drop_samples */
	__u64 lost;    /* to be sampled, but there was no room in `drop_samples` */
};

_Static_assert(sizeof(struct drop_counter) == 16, "drop_counter");
_Static_assert(sizeof(struct drop_sample) == 200, "drop_sample");
_Static_assert(sizeof(struct drop_sampling) == 16, "drop_sampling");
_Static_assert(sizeof(struct drop_sample_counters) == 24, "drop_sample_counters");

#endif
