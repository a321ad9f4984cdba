/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A way for first packets of flows to a worker that is awake: memory that both sides have, in place
 * of the trap link and its socket.
 */
#ifndef WEIR_MISS_RING_ABI_H
#define WEIR_MISS_RING_ABI_H

#include "trap_abi.h"

#define WEIR_MISSES_PER_WORKER 1024 /* power of two */
#define WEIR_MISS_BYTES        216  /* of the longest packet that takes this way */

/*
 * Head of an element of `miss_rings`; the index is a worker, and WEIR_MISSES_PER_WORKER records
 * follow. Counts wrap around. What the kernel programs write and what the worker writes are in
 * cache lines of their own.
 */
struct miss_ring {      /* 128 bytes */
	__u32 producer; /* records that were ever begun (kernel programs) */
	__u32 reserved0[15];
	__u32 consumer; /* records that were ever taken (worker) */
	__u32 awake;    /* 1: the worker looks at the ring before it sleeps */
	__u32 reserved1[14];
};

/* The packet whose number is the producer's count before it. */
struct miss_record { /* 256 bytes */
	__u32 sequence; /* one more than its number: it is complete; and with MISS_WITHDRAWN: it went another way */
	__u32 length; /* bytes of the packet */
	struct trap_meta meta;
	__u8 packet[WEIR_MISS_BYTES];
};

#define MISS_WITHDRAWN 0x80000000 /* changes this bit of `sequence` */

_Static_assert(sizeof(struct miss_ring) == 128, "miss_ring");
_Static_assert(sizeof(struct miss_record) == 256, "miss_record");

#endif
