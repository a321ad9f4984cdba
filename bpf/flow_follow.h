/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A packet of a flow that was decided goes the way that its entry says. */
#ifndef WEIR_FLOW_FOLLOW_H
#define WEIR_FLOW_FOLLOW_H

#include "flow_move.h"
#include "fragment.h"
#include "handover.h"
#include "mirror.h"

/*
 * Follows a decided flow. FORWARD: walk->nexthop is set, and `mirror`, and WALK_NAT; CONTINUE:
 * to be decided; else the packet's verdict.
 */
static __always_inline int follow_flow(const struct packet *p)
{
	struct walk *w = p->walk;
	struct flow_entry *flow;
	struct nexthop *nh;
	int verdict, lost;
	__u64 way;

	if (w->flags & WALK_FRAGMENT)
		fragment_ports(w);
	if (w->flags & (WALK_NO_PORTS | WALK_UNRELATED))
		return CONTINUE;
	flow = flow_find(w->family, &w->key);
	if (!flow || flow->action == FLOW_HOLD)
		return CONTINUE;
	if (flow->ingress != w->ingress &&
	    (!(flow->flags & FLOW_FLAG_REVERSE) || call_follow_answer(p) != FORWARD))
		return CONTINUE;
	if ((w->flags & WALK_LEADS_NOWHERE) && flow->action != FLOW_NAT)
		return CONTINUE;
	way = *(volatile __u64 *)&flow->nexthop;
	nh = nexthop_get(way);
	lost = !nh || (nh->flags & NEXTHOP_FLAG_DOWN) || flow->reroute;
	if ((w->flags & WALK_UNROUTED) && (lost || !(nh->flags & NEXTHOP_FLAG_POLICY)))
		return CONTINUE;
	if ((w->flags & WALK_AWAITED) && !tracing && trap_admit(w->interface)) {
		w->trap_flags |= TRAP_FLAG_PORTS;
		verdict = report(p, TRAP_FRAGMENT);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (flow->mirror && !is_copy(w) && !(w->flags & WALK_MIRRORED)) {
		verdict = p->hook == HOOK_XDP ? leave_to_tc(p) : CONTINUE;
		if (verdict != CONTINUE)
			return verdict;
		w->mirror = flow->mirror;
	}
	if (flow_may_change(w, flow)) {
		if (call_flow_transition(p) != FORWARD)
			return CONTINUE;
	} else if (w->protocol == IPPROTO_TCP && !tracing) {
		tcp_record(p, flow);
	}
	count_flow_hit(w);
	if (tracing)
		trace_step(p, TRACE_FLOW, flow->action, flow->rule, flow->nexthop);
	else
		flow_touch(w, flow);
	if (flow->action == FLOW_FORWARD || flow->action == FLOW_NAT) {
		/* Another way is looked for: by the whole walk, or by what the packet becomes. */
		if (lost && flow->action == FLOW_FORWARD) {
			w->flags |= flow->flags & FLOW_FLAG_REVERSE ? WALK_ALLOWED | WALK_ANSWER
								    : WALK_ALLOWED;
			return CONTINUE;
		}
		if (flow->action == FLOW_NAT)
			w->flags |= lost ? WALK_NAT | WALK_NAT_LOST : WALK_NAT;
		w->nexthop = way;
		w->label = way >> 32;
		return FORWARD;
	}
	if (w->mirror)
		mirror_flow(p);
	return drop_by_rule(p,
			    flow->action == FLOW_DROP && flow->drop_reason ? flow->drop_reason
									   : DROP_POLICY_DENY,
			    flow->rule);
}
STAGE(follow_flow)

#endif
