/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every drop goes through here and has a reason. */
#ifndef WEIR_DROP_H
#define WEIR_DROP_H

#include "maps.h"
#include "packet.h"
#include "trace_record.h"

/* Counts a packet of `bytes` on `interface` (0: unknown) as dropped for `reason`. */
__attribute__((noinline)) int count_drop(__u32 interface, __u32 reason, __u32 bytes)
{
	__u32 index = interface * WEIR_MAX_REASONS + (reason & (WEIR_MAX_REASONS - 1));
	struct drop_counter *c = bpf_map_lookup_elem(&drop_counters, &index);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
	trace_event(TRACE_DROP, reason, interface);
	return 0;
}

/* Counted on another interface than the one that received it. */
static __always_inline int drop_on(const struct packet *p, __u32 interface, __u32 reason)
{
	count_drop(interface, reason, p->walk->length);
	return verdict_drop(p);
}

static __always_inline int drop(const struct packet *p, __u32 reason)
{
	return drop_on(p, p->walk->interface, reason);
}

#endif
