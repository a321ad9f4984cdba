/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters of interfaces and VRFs. Per CPU, so plain additions do. Bytes count from the MAC header. */
#ifndef WEIR_COUNTERS_H
#define WEIR_COUNTERS_H

#include "maps.h"
#include "packet.h"

static __always_inline struct interface_counters *counters_of(__u32 interface)
{
	return bpf_map_lookup_elem(&interface_counters, &interface);
}

static __always_inline void count_received(const struct walk *w)
{
	struct interface_counters *c = counters_of(w->interface);

	if (c) {
		c->rx_packets++;
		c->rx_bytes += w->length;
	}
}

/* It will be counted when the other hook receives it. */
static __always_inline void uncount_received(const struct walk *w)
{
	struct interface_counters *c = counters_of(w->interface);

	if (c) {
		c->rx_packets--;
		c->rx_bytes -= w->length;
	}
}

static __always_inline void count_transmitted(const struct walk *w, __u32 interface)
{
	struct interface_counters *c = counters_of(interface);

	if (c) {
		c->tx_packets++;
		c->tx_bytes += w->length;
	}
}

static __always_inline void count_trap(const struct walk *w)
{
	struct interface_counters *c = counters_of(w->interface);

	if (c) {
		c->trap_packets++;
		c->trap_bytes += w->length;
	}
}

static __always_inline void count_local(const struct walk *w)
{
	struct interface_counters *c = counters_of(w->interface);

	if (c) {
		c->local_packets++;
		c->local_bytes += w->length;
	}
}

static __always_inline void count_flow_hit(const struct walk *w)
{
	struct interface_counters *c = counters_of(w->interface);

	if (c)
		c->flow_hits++;
}

/* Names the counter of packets that leave the packet's VRF in this way; never 0. */
static __always_inline __u32 kind_index(const struct walk *w, __u32 kind)
{
	return w->route_vrf * WEIR_MAX_KINDS + kind;
}

static __always_inline void count_kind_at(const struct walk *w, __u32 index)
{
	__u32 vrf = index / WEIR_MAX_KINDS;
	struct vrf_counter *counters = bpf_map_lookup_elem(&vrf_counters, &vrf);

	if (counters) {
		struct vrf_counter *c = &counters[index % WEIR_MAX_KINDS];

		c->packets++;
		c->bytes += w->length;
	}
}

/* A packet that left its VRF in this way. */
static __always_inline void count_kind(const struct walk *w, __u32 kind)
{
	count_kind_at(w, kind_index(w, kind));
}

static __always_inline void count_answered(const struct walk *w)
{
	struct interface_counters *c = counters_of(w->interface);

	if (c)
		c->answered++;
}

#endif
