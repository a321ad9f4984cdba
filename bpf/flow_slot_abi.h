/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where the sweep finds the entries of flows, and its own arguments; see bpf/flow_sweep.h.
 */
#ifndef WEIR_FLOW_SLOT_ABI_H
#define WEIR_FLOW_SLOT_ABI_H

#include "flow_abi.h"

enum slot_state {
	SLOT_FREE = 0,
	SLOT_SINGLE,  /* in use, by a hold or by an entry without a reverse one */
	SLOT_PAIR,    /* in use, by both entries of a flow */
	SLOT_MISSING, /* no entry was found at the last look */
};

/* Beside SLOT_SINGLE or SLOT_PAIR: what the flow's packets become is not in its key. */
#define SLOT_TRANSLATED 0x100

/* Element of `flow_slots4`: where the sweep finds an entry, see bpf/flow_slot.h. */
struct flow_slot4 {           /* 32 bytes */
	__u64 due;            /* not to be looked at before */
	__u32 state;          /* enum slot_state, SLOT_TRANSLATED */
	struct flow4_key key; /* free: the next free one, plus one, in its first word */
};

/* Element of `flow_slots6`. */
struct flow_slot6 { /* 64 bytes */
	__u64 due;
	__u32 state;
	struct flow6_key key;
	__u32 reserved[2];
};

/* Element of `flow_slot_pools`; 0: IPv4, 1: IPv6. */
struct flow_slot_pool { /* 64 bytes */
	__u64 free;     /* the first free slot, plus one; in the high half the number of changes */
	__u32 begun;    /* slots that have ever been in use: all from this one on never were */
	__u32 reserved[13];
};

#define WEIR_SWEEP_SLICE_NS 2000000 /* after which weir_flow_sweep returns */

/* Context of weir_flow_sweep: a slice of a round of ageing, see bpf/flow_sweep.h. Counts are entries. */
struct flow_sweep_args { /* 40 bytes */
	__u32 family;    /* 4 or 6 */
	__u32 all;       /* 1: look also at flows that are not due */
	__u32 next;      /* slot to begin with; written: to go on with */
	__u32 done;      /* written: 1 when that was the last one */
	__u32 seen;      /* this and all that follow are added to */
	__u32 looked;
	__u32 removed;
	__u32 marked; /* one a pair */
	__u32 holds;  /* that were left */
	__u32 reserved;
};

_Static_assert(sizeof(struct flow_slot4) == 32, "flow_slot4");
_Static_assert(sizeof(struct flow_slot6) == 64, "flow_slot6");
_Static_assert(sizeof(struct flow_slot_pool) == 64, "flow_slot_pool");
_Static_assert(sizeof(struct flow_sweep_args) == 40, "flow_sweep_args");

#endif
