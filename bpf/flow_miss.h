/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet whose flow is not decided: the first makes a hold entry and goes to the slow
 * path, with at most WEIR_HOLD_PACKETS - 1 more.
 */
#ifndef WEIR_FLOW_MISS_H
#define WEIR_FLOW_MISS_H

#include "clock.h"
#include "fragment.h"
#include "handover.h"
#include "half_open.h"
#include "miss_ring.h"
#include "reverse.h"

#define E_TOO_BIG 7
#define E_EXIST   17

/* 0 is no generation. */
static __always_inline __u32 next_generation(struct config *c)
{
	__u32 generation = __sync_fetch_and_add(&c->generation, 1);

	if (!generation)
		generation = __sync_fetch_and_add(&c->generation, 1);
	return generation;
}

/* VRF that the answers come into. */
static __always_inline __u32 answer_vrf(const struct walk *w)
{
	struct interface *out = interface_get(w->out_interface);

	return out ? out->vrf : w->route_vrf;
}

/* A function of its own: its entry is no part of the frame below which a trap is sent. */
__attribute__((noinline)) long hold_insert(struct walk *w, __u32 generation, __u32 slot)
{
	struct flow_entry hold = {};

	if (!w)
		return -E_TOO_BIG;
	hold.slot = slot;
	hold.nexthop = w->nexthop;
	hold.label = w->label;
	hold.reverse_label = w->reverse_label;
	hold.reverse_vrf = answer_vrf(w);
	hold.created = bpf_ktime_get_ns();
	hold.last_seen = hold.created;
	hold.generation = generation;
	hold.ingress = w->ingress;
	hold.action = FLOW_HOLD;
	hold.worker = w->worker;
	hold.trapped = 1;
	hold.owner = w->interface;
	return flow_put(w->family, &w->key, &hold, BPF_NOEXIST);
}

/* Functions of their own for the same reason: a slot for the hold entry, and what becomes of it. */
__attribute__((noinline)) __u32 hold_take_slot(struct walk *w)
{
	return w ? slot_take(w->family, &w->key) : SLOT_NONE;
}

__attribute__((noinline)) int hold_settle_slot(struct walk *w, __u32 slot, long error)
{
	if (!w)
		return 0;
	if (error)
		slot_return(w->family, slot);
	else
		slot_use(w->family, slot, SLOT_SINGLE);
	return 0;
}

/* Both directions of a flow go to one worker: that of an entry which is there already. */
static __always_inline __u8 flow_worker(const struct packet *p, const struct interface *i,
					const struct config *c)
{
	struct walk *w = p->walk;
	union flow_key reverse;
	struct flow_entry *other;

	if (c->workers == 1)
		return 0;
	flow_key_reverse(w->family, &w->key, answer_vrf(w), &reverse);
	other = flow_find(w->family, &reverse);
	return other ? other->worker : near_worker(p, i);
}

/*
 * All packets of a flow go to its worker, whatever queues they come by: what XDP would send to
 * another one takes the way by TC. CONTINUE: it gets there from here, or cannot.
 */
static __always_inline int reach_worker(const struct packet *p)
{
	struct interface *i = interface_get(p->walk->interface);

	if (p->hook != HOOK_XDP || tracing || !i || near_worker(p, i) == p->walk->worker)
		return CONTINUE;
	return leave_to_tc(p);
}
STAGE(reach_worker)

/* A hold without a decision in time. */
static __always_inline int hold_is_old(const struct config *c, const struct flow_entry *flow,
				       __u64 now)
{
	return flow->action == FLOW_HOLD &&
	       now - flow->created > c->hold_timeout_ms * NSEC_PER_MSEC;
}

/* Its ports are those that the first one had; it does not tell them itself. */
static __always_inline int is_later_fragment(const struct walk *w)
{
	return (w->flags & WALK_FRAGMENT) && !w->l4_offset;
}

/* An entry is there: held, or decided for another interface or an earlier connection. */
static __always_inline int miss_existing(const struct packet *p, struct flow_entry *flow,
					 struct config *c)
{
	struct walk *w = p->walk;
	__u64 now = bpf_ktime_get_ns();
	__u32 generation = flow->generation;
	int verdict;

	w->generation = generation;
	w->worker = flow->worker;
	verdict = call_reach_worker(p);
	if (verdict != CONTINUE)
		return verdict;
	if (!is_later_fragment(w) && hold_is_old(c, flow, now)) {
		/* No decision in time: this packet takes the hold over, unless another CPU does. */
		__u32 next = next_generation(c);

		if (__sync_val_compare_and_swap(&flow->generation, generation, next) ==
		    generation) {
			flow->created = now;
			flow->last_seen = now;
			flow->ingress = w->ingress;
			__sync_fetch_and_and(&flow->trapped, FLOW_CLAIMED);
			__sync_fetch_and_add(&flow->trapped, 1);
			count_drop(w->interface, DROP_HOLD_TIMEOUT, w->length);
			w->generation = next;
			w->trap_flags |= TRAP_FLAG_HOLD_OWNER;
			return call_send_trap(p);
		}
		w->generation = flow->generation;
	}
	if (is_later_fragment(w)) {
		/* Without one of them the others are of no use: as many as may wait for a first one. */
		if (!trap_admit(w->interface))
			return drop(p, DROP_TRAP_LIMIT);
	} else if ((__sync_fetch_and_add(&flow->trapped, 1) & ~FLOW_CLAIMED) >= WEIR_HOLD_PACKETS) {
		__sync_fetch_and_add(&flow->trapped, -1);
		return drop(p, DROP_HOLD_LIMIT);
	}
	if (flow->action != FLOW_HOLD) {
		/* An entry that is decided has no use for it; the decision that takes its place has. */
		flow->reverse_label = w->reverse_label;
		if (w->flags & WALK_ALLOWED)
			w->trap_flags |= TRAP_FLAG_REROUTED;
		if (w->flags & WALK_ANSWER)
			w->trap_flags |= TRAP_FLAG_ANSWER;
	}
	return call_send_trap(p);
}

/*
 * In the traced load: what policy says of the flow is asked of the slow path's own code, by the
 * SDK, and the walk goes on as that of a flow that is allowed.
 */
static __always_inline int trace_miss(const struct packet *p, const struct flow_entry *flow,
				      const struct config *c)
{
	if (!flow && !flow_admit(p->walk->interface))
		return drop(p, DROP_FLOW_LIMIT);
	if (flow && (flow->trapped & ~FLOW_CLAIMED) >= WEIR_HOLD_PACKETS &&
	    !hold_is_old(c, flow, bpf_ktime_get_ns()))
		return drop(p, DROP_HOLD_LIMIT);
	trace_frame_step(p, TRACE_FLOW_MISS, flow ? flow->action : FLOW_NONE, 0, 0);
	return FORWARD;
}

/*
 * A later fragment whose first one has not come: it waits in the slow path. One that has waited
 * is tried once more.
 */
static __always_inline int await_first(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;

	w->worker = near_worker(p, i);
	if ((w->flags & WALK_INJECTED) || !controller_listens(p, i))
		return drop(p, DROP_FRAGMENT);
	if (!fits_slow_path(p))
		return drop(p, DROP_TRAP_TOO_BIG);
	if (!trap_admit(w->interface))
		return drop(p, DROP_TRAP_LIMIT);
	fragment_await(w);
	w->trap_reason = TRAP_FRAGMENT;
	return call_send_trap(p);
}

/* The flow table is full. */
static __always_inline int flow_without_room(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	struct flow_guard *guard = flow_guard_of(w->interface);

	if (guard)
		__sync_fetch_and_add(&guard->table_full, 1);
	if (!(i->flags & INTERFACE_FULL_FORWARD))
		return drop(p, DROP_FLOW_TABLE_FULL);
	/* Policy decides, but on this packet alone. */
	w->trap_flags |= TRAP_FLAG_STATELESS;
	w->generation = 0;
	return call_send_trap(p);
}

/* The first packet of a flow, if the interface may make one more. */
static __always_inline int flow_new(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);
	struct config *c = the_config();
	struct flow_entry *flow;
	__u32 slot;
	long error;

	if (!i || !c)
		return drop(p, DROP_UNKNOWN_INTERFACE);
	if (!flow_admit(w->interface))
		return drop(p, DROP_FLOW_LIMIT);
	w->generation = next_generation(c);
	slot = hold_take_slot(w);
	error = slot ? hold_insert(w, w->generation, slot) : -E_TOO_BIG;
	if (slot)
		hold_settle_slot(w, slot, error);
	if (error) {
		flow_uncount(w->interface);
		if (error != -E_EXIST)
			return flow_without_room(p, i);
		flow = flow_find(w->family, &w->key);
		return flow ? miss_existing(p, flow, c) : drop(p, DROP_HOLD_LIMIT);
	}
	if (w->protocol == IPPROTO_TCP && (i->flags & INTERFACE_SYN_GUARD))
		half_open_add(w);
	w->trap_flags |= TRAP_FLAG_HOLD_OWNER;
	return send_first(p);
}

/* FORWARD: without state, because nobody is there to decide and the configuration allows it. */
static __always_inline int flow_miss(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);
	struct config *c = the_config();
	struct flow_entry *flow;
	int verdict;

	if (!i || !c)
		return drop(p, DROP_UNKNOWN_INTERFACE);
	if (w->flags & WALK_NO_PORTS)
		return await_first(p, i);
	/* An error about a flow that is not there, or was not allowed. */
	if (w->flags & (WALK_RELATED | WALK_UNRELATED))
		return drop(p, DROP_POLICY_DENY);
	if (!(w->flags & WALK_AWAITED))
		w->worker = flow_worker(p, i, c);
	if (!controller_listens(p, i))
		return c->headless_forward ? FORWARD : drop(p, DROP_NO_CONTROLLER);
	/* Before a hold entry is made: a smaller packet of the flow may be decided. */
	if (!fits_slow_path(p))
		return drop(p, DROP_TRAP_TOO_BIG);
	w->trap_reason = TRAP_FLOW_MISS;
	w->trap_flags &= ~TRAP_FLAG_PORTS;
	find_reverse(w);
	flow = flow_find(w->family, &w->key);
	if (tracing)
		return trace_miss(p, flow, c);
	if (flow)
		return miss_existing(p, flow, c);
	/* The flow of its first fragment is gone, and the slow path could not tell the ports. */
	if (is_later_fragment(w))
		return drop(p, DROP_FRAGMENT);
	verdict = call_reach_worker(p);
	return verdict == CONTINUE ? flow_new(p) : verdict;
}
STAGE(flow_miss)

#endif
