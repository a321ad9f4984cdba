/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Decisions about flows: from the slow path to the kernel, applied by weir_flow_update.
 */
#ifndef WEIR_DECISION_ABI_H
#define WEIR_DECISION_ABI_H

#include <linux/types.h>

enum decision_operation {
	DECISION_NONE = 0,
	DECISION_SET,    /* insert or replace the pair */
	DECISION_DELETE, /* remove the pair */
	DECISION_REROUTE, /* routes have changed: `reroute` of the pair becomes `revision`, unless CHOSEN */
	DECISION_READ,      /* tells what the entry is, and changes nothing; ... */
	DECISION_READ_PAIR, /* ... and where the other direction comes from and goes to */
};

/* DECISION_STALE becomes "stale". */
enum decision_result {
	DECISION_PENDING = 0,
	DECISION_OK,
	DECISION_STALE,  /* the entry there has another generation, or policy has changed since */
	DECISION_EXISTS, /* decided already */
	DECISION_FULL,
	DECISION_MISSING, /* nothing to delete or replace */
};

/* Element of `decisions`. */
struct flow_decision {  /* 160 bytes */
	__u8 operation; /* enum decision_operation */
	__u8 result;    /* enum decision_result, written by the kernel */
	__u8 family;    /* 4 or 6 */
	__u8 action;    /* enum flow_action */
	__u8 flags;     /* FLOW_FLAG_* of the forward entry */
	__u8 worker;
	__u8 drop_reason;
	__u8 mirror;
	__u32 generation; /* of the entry that it replaces; 0: there must be none */
	__u32 vrf;
	__u8 source[16]; /* IPv4: mapped */
	__u8 destination[16];
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 end_reason; /* DELETE: enum flow_end_reason of the flow */
	__u16 reserved1;
	__u32 ingress; /* where either direction must come from, as in struct flow_entry; ... */
	__u32 reverse_ingress; /* ... 0: where the other direction's next hop leads to */
	__u32 nexthop;
	__u32 reverse_nexthop;
	__u32 rule;
	__u32 idle_seconds;
	__u32 revision;
	__u32 new_generation; /* of the entry now in place, written by the kernel */
	__u32 label; /* as in struct flow_entry; 0: the hold entry's, if the next hop is that of the hold */
	__u32 reverse_label; /* 0: that of the entry in place */
	__u32 reverse_vrf;   /* 0: the hold entry's, else `vrf` */
	__u8 new_source[16]; /* action nat, as in struct flow_entry: of the forward entry */
	__u8 new_destination[16];
	__be16 new_source_port;
	__be16 new_destination_port;
	__u8 reverse_mirror; /* 0: `mirror` */
	__u8 reserved2[3];
	__u32 reserved[5];
};

#define WEIR_DECISIONS_PER_WORKER 1024 /* 160 KiB: a multiple of the page */
#define WEIR_MAX_WORKERS          16

/* Context of the SYSCALL programs. */
struct flow_update_args { /* 24 bytes */
	__u32 first;      /* index in `decisions` */
	__u32 count;
	__u32 applied; /* written by the kernel */
	__u32 removed; /* written by the kernel: entries that DECISION_DELETE took away */
	__u32 others; /* 1: only what sets and deletes nothing is applied (REROUTE, READ, READ_PAIR); 0: only what does */
	__u32 reserved;
};

_Static_assert(sizeof(struct flow_decision) == 160, "flow_decision");
_Static_assert(sizeof(struct flow_update_args) == 24, "flow_update_args");

#endif
