/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sends packets to the slow path. A packet that is for the slow path never goes anywhere
 * else: without a socket that listens it is dropped.
 */
#ifndef WEIR_TRAP_H
#define WEIR_TRAP_H

#include "clock.h"
#include "counters.h"
#include "drop.h"
#include "interface.h"
#include "vlan.h"

/* Whether the interface's own socket for the packet's receive queue takes its traps. */
static __always_inline int is_direct(const struct packet *p, const struct interface *i)
{
	/* Fragments of a datagram must find each other, whatever queues they came by. */
	return p->hook == HOOK_XDP && !(p->walk->flags & WALK_FRAGMENT) &&
	       packet_queue(p) < i->xsk_count;
}

/*
 * The worker that a trap from here gets to. Each queue's socket belongs to one, from the interface's
 * own on (sdk/slowpath/slowpath.ts); TC chooses the trap link's queue, XDP's frames take that of
 * their CPU there (drivers/net/veth.c, veth_select_rxq).
 */
static __always_inline __u8 near_worker(const struct packet *p, const struct interface *i)
{
	struct config *c = the_config();

	if (p->hook != HOOK_XDP || !c)
		return i->worker;
	if (is_direct(p, i))
		return (i->worker + packet_queue(p)) % c->workers;
	return bpf_get_smp_processor_id() % c->workers;
}

/* Whether anybody listens. The kernel empties an element of `xsks` when its socket closes. */
static __always_inline int controller_listens(const struct packet *p, const struct interface *i)
{
	struct config *c = the_config();
	__u32 index = p->walk->worker;

	if (is_direct(p, i))
		index = i->xsk_base + packet_queue(p);
	else if (!c || !c->trap_ifindex)
		return 0;
	return bpf_map_lookup_elem(&xsks, &index) != NULL;
}

/* Whether the slow path takes the packet, or each segment that will be made of it. */
static __always_inline int fits_slow_path(const struct packet *p)
{
	struct config *c = the_config();
	struct walk *w = p->walk;
	__u32 length = w->length;

	if (p->hook == HOOK_TC && (w->flags & WALK_GSO))
		length = w->l4_offset + sizeof(struct tcphdr) + CONTEXT_FIELD(p->skb, gso_size);
	return !c || !c->trap_bytes || length <= c->trap_bytes;
}

/*
 * Whether `interface` may cause one more trap: config.trap_rate a second, counted on each
 * CPU by itself; 0: no limit.
 */
__attribute__((noinline)) int trap_admit(__u32 interface)
{
	struct trap_limit *limit = bpf_map_lookup_elem(&trap_limits, &interface);
	struct config *c = the_config();
	__u64 now;

	if (!limit || !c || !c->trap_rate)
		return 1;
	now = bpf_ktime_get_ns();
	if (now - limit->window_start >= NSEC_PER_SEC) {
		limit->window_start = now;
		limit->count = 0;
	}
	return ++limit->count <= c->trap_rate;
}

static __always_inline void trap_meta_fill(const struct walk *w, struct trap_meta *meta)
{
	meta->magic = WEIR_TRAP_MAGIC;
	meta->reason = w->trap_reason;
	meta->flags = w->trap_flags;
	if (w->family == 6)
		meta->flags |= TRAP_FLAG_IPV6;
	if (w->flags & WALK_LABEL)
		meta->flags |= TRAP_FLAG_LABEL;
	if (w->flags & WALK_MIRRORED)
		meta->flags |= TRAP_FLAG_MIRRORED;
	meta->forwarding_class = w->forwarding_class;
	meta->l3_offset = w->l3_offset;
	meta->interface = w->interface;
	meta->out_interface = w->out_interface;
	meta->vrf = w->key.vrf;
	meta->nexthop = w->nexthop;
	meta->reverse_nexthop = w->reverse_nexthop;
	meta->generation = w->generation;
	meta->ingress = w->ingress;
}

/* The interface's own socket: metadata in front of the packet. */
static __always_inline int xdp_trap_direct(const struct packet *p, const struct interface *i)
{
	struct trap_meta *meta;

	if (bpf_xdp_adjust_meta(p->xdp, -(int)sizeof(*meta)))
		return -1;
	meta = packet_metadata(p, sizeof(*meta));
	if (!meta)
		return -1;
	trap_meta_fill(p->walk, meta);
	return bpf_redirect_map(&xsks, i->xsk_base + packet_queue(p), XDP_DROP) == XDP_REDIRECT
		       ? 0
		       : -1;
}

/* The trap link: a header in front of the packet. */
static __always_inline int xdp_trap_link(const struct packet *p)
{
	struct trap_meta *meta;

	if (bpf_xdp_adjust_head(p->xdp, -(int)sizeof(*meta)))
		return -1;
	meta = packet_at(p, 0, sizeof(*meta));
	if (!meta)
		return -1;
	trap_meta_fill(p->walk, meta);
	return 0;
}

static __always_inline int skb_trap_link(const struct packet *p)
{
	struct trap_meta *meta;

	/* A tag beside the frame does not get through; the interface in `meta` tells it. */
	if (skb_pop_tags(p->skb, p->walk) || bpf_skb_change_head(p->skb, sizeof(*meta), 0))
		return -1;
	meta = packet_at(p, 0, sizeof(*meta));
	if (!meta)
		return -1;
	trap_meta_fill(p->walk, meta);
	/* The transmit queue, counted from 1: one worker's socket is behind each. */
	p->skb->queue_mapping = p->walk->worker + 1;
	return 0;
}

/* Sends it for walk->trap_reason; nothing is counted as dropped here. */
static __always_inline int send_trap(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);
	struct config *c = the_config();
	int failed;

	if (!i || !c)
		return drop(p, DROP_UNKNOWN_INTERFACE);
	trace_step(p, TRACE_TRAP, w->trap_reason, 0, 0);
	if (tracing)
		return verdict_drop(p);
	if (p->hook == HOOK_XDP && is_direct(p, i)) {
		if (xdp_trap_direct(p, i))
			return drop(p, DROP_NO_CONTROLLER);
		count_trap(w);
		return XDP_REDIRECT;
	}
	failed = p->hook == HOOK_XDP ? xdp_trap_link(p) : skb_trap_link(p);
	if (failed)
		return drop(p, DROP_REDIRECT_FAILED);
	count_trap(w);
	return bpf_redirect(c->trap_ifindex, 0);
}
STAGE(send_trap)

/*
 * A trap that anybody can cause by what he sends, and so limited. With walk->drop_reason the
 * packet itself is lost in any case, and the slow path only answers it; without a trap_reason it
 * is only that.
 */
static __always_inline int limited_trap(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);

	/* What the controller had routed by itself would come back to it for ever. */
	if (!i)
		return drop(p, w->trap_reason == TRAP_USER ? DROP_LOOP : DROP_UNKNOWN_INTERFACE);
	w->worker = near_worker(p, i);
	if (w->drop_reason)
		note_drop(p, w->drop_reason);
	/* A mirror's copy is nobody's packet: it is not answered. */
	if (!w->trap_reason || (w->drop_reason && is_copy(w)))
		return verdict_drop(p);
	if (!controller_listens(p, i)) {
		if (!w->drop_reason)
			note_drop(p, DROP_NO_CONTROLLER);
		return verdict_drop(p);
	}
	if (!fits_slow_path(p))
		return w->drop_reason ? verdict_drop(p) : drop(p, DROP_TRAP_TOO_BIG);
	if (!(w->flags & WALK_MATCHED) && !trap_admit(w->interface))
		return w->drop_reason ? verdict_drop(p) : drop(p, DROP_TRAP_LIMIT);
	return call_send_trap(p);
}
STAGE(limited_trap)

/*
 * A trap for a packet that is to go on: the slow path, walk->worker, sends it on. CONTINUE if
 * that cannot take it, and the packet goes on by itself. The caller limits these.
 */
static __always_inline int report(const struct packet *p, __u8 reason)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);

	if (!i || !controller_listens(p, i) || !fits_slow_path(p))
		return CONTINUE;
	w->trap_reason = reason;
	return call_send_trap(p);
}

static __always_inline int trap(const struct packet *p, __u8 reason)
{
	p->walk->trap_reason = reason;
	p->walk->drop_reason = DROP_NONE;
	return call_limited_trap(p);
}

static __always_inline int drop_and_trap(const struct packet *p, __u8 dropped, __u8 reason)
{
	p->walk->trap_reason = reason;
	p->walk->drop_reason = dropped;
	return call_limited_trap(p);
}

/* Longer than its next hop takes: its sender is told, or the slow path makes fragments of it (RFC 1812 section 5.2.6). */
static __always_inline int refuse_length(const struct packet *p)
{
	struct walk *w = p->walk;

	if (!w->family || is_copy(w))
		return drop(p, DROP_PACKET_TOO_BIG);
	/* Of a flow that was decided nobody has noted it yet; the MTU depends on it. */
	if (!(w->flags & WALK_ROUTED))
		w->trap_flags |= TRAP_FLAG_BRIDGED;
	if (w->flags & WALK_DONT_FRAGMENT)
		return drop_and_trap(p, DROP_PACKET_TOO_BIG, TRAP_PACKET_TOO_BIG);
	w->trap_flags |= TRAP_FLAG_DIVIDE;
	return trap(p, TRAP_PACKET_TOO_BIG);
}

#endif
