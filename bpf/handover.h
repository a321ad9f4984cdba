/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What XDP leaves to the TC program on the same device: a mark in front of the packet says how
 * far it has got. It is the same for all packets that go the same way, because the kernel
 * merges (GRO) only those that have equal metadata.
 */
#ifndef WEIR_HANDOVER_H
#define WEIR_HANDOVER_H

#include "counters.h"
#include "interface.h"
#include "policer.h"
#include "trace_record.h"

enum handover {
	/* For the host's stack: it has been decided. */
	HANDOVER_PASS = 0x57504153,
	/*
	 * Out of a tunnel, and ready for a workload: the kernel merges such packets of a flow
	 * before TC sees them, and TC puts the large one into the workload's namespace. A
	 * redirect by XDP would deliver each by itself.
	 */
	HANDOVER_DELIVER = 0x57444c56,
	/* Ready for an interface; TC sends it, and copies it. */
	HANDOVER_TRANSMIT = 0x57545849,
	/* Out of a tunnel, and as it came out: TC goes on from there. */
	HANDOVER_RESUME = 0x57525355,
};

struct handover_mark {
	__u32 handover;        /* enum handover */
	__u16 interface;       /* id: to send to; resume: that received it */
	__u8 peer;             /* transmit: bpf_redirect_peer may be used */
	__u8 forwarding_class; /* as in struct walk */
};

struct resume_mark {
	struct handover_mark mark;
	__u32 ingress; /* as in struct walk */
	__u32 vrf;
	__u32 nexthop; /* by label; 0: none */
};

/* XDP: `size` bytes that begin with a mark; NULL if there is no room for them. */
static __always_inline void *put_mark(const struct packet *p, __u32 size, __u32 handover,
				      __u16 interface)
{
	struct handover_mark *mark;

	if (bpf_xdp_adjust_meta(p->xdp, -(int)size))
		return NULL;
	mark = packet_metadata(p, size);
	if (!mark)
		return NULL;
	mark->handover = handover;
	mark->interface = interface;
	mark->peer = 0;
	mark->forwarding_class = p->walk->forwarding_class;
	return mark;
}

/* XDP: -1 if there is no room for the mark. */
static __always_inline int deliver_by_tc(const struct packet *p)
{
	return put_mark(p, sizeof(struct handover_mark), HANDOVER_DELIVER, p->walk->out_interface)
		       ? 0
		       : -1;
}

static __always_inline int transmit_by_tc(const struct packet *p, int peer)
{
	struct handover_mark *mark;

	/* What TC would do is seen here too. */
	if (tracing)
		return -1;
	mark = put_mark(p, sizeof(*mark), HANDOVER_TRANSMIT, p->walk->out_interface);

	if (!mark)
		return -1;
	mark->peer = peer != 0;
	return 0;
}

/* XDP: the packet as it came, for TC to begin anew. */
static __always_inline int hand_over(const struct packet *p)
{
	uncount_received(p->walk);
	police_again(p->walk->interface, p->walk->length);
	trace_step(p, TRACE_HAND_OVER, 0, 0, 0);
	return XDP_PASS;
}

/*
 * XDP: for TC to go on with, whether it came out of a tunnel or not. CONTINUE if there is no
 * room for the mark.
 */
static __always_inline int leave_to_tc(const struct packet *p)
{
	struct walk *w = p->walk;
	struct resume_mark *mark;

	if (!(w->flags & WALK_DECAPSULATED))
		return hand_over(p);
	if (tracing)
		return CONTINUE;
	mark = put_mark(p, sizeof(*mark), HANDOVER_RESUME, w->interface);
	if (!mark)
		return CONTINUE;
	mark->ingress = w->ingress;
	mark->vrf = w->key.vrf;
	mark->nexthop = w->flags & WALK_LABEL ? w->nexthop : 0;
	return XDP_PASS;
}

/* It was taken out of its tunnel by another program: the walk goes on from there. */
static __always_inline void resume_decapsulated(const struct packet *p, __u32 vrf, __u32 ingress,
						__u32 nexthop)
{
	struct walk *w = p->walk;
	struct config *c = the_config();
	struct ethhdr *eth = packet_ethernet(p);

	w->ingress = ingress;
	w->key.vrf = vrf;
	w->route_vrf = vrf;
	w->nexthop = nexthop;
	w->flags |= WALK_DECAPSULATED;
	if (nexthop)
		w->flags |= WALK_LABEL;
	if (!eth || !c || !mac_equal(eth->h_dest, c->gateway_mac)) {
		if (nexthop)
			w->trap_flags |= TRAP_FLAG_BRIDGED;
		return;
	}
	w->flags |= WALK_ROUTED;
	if (nexthop)
		w->flags |= WALK_KEEP_TTL;
}

#endif
