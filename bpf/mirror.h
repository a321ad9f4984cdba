/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Copies of packets: of what an interface received or sent, and of flows.
 *
 * A copy is a clone of the skb that looks as if the node's end of the trap link had received
 * it; the program there (mirror_copy.h) cuts it, gives it its headers and sends it. So nothing
 * that is done to the copy, or fails, touches the packet. The clone's mark says what it is.
 *
 * XDP cannot copy, and leaves such packets to TC (handover.h).
 */
#ifndef WEIR_MIRROR_H
#define WEIR_MIRROR_H

#include "drop.h"
#include "trace_record.h"
#include "tunnel.h"

/* skb->mark of a clone: this, the interface that it is a copy for, the index in `mirrors`. */
#define MIRROR_MARK            0x57400000
#define MIRROR_MARK_MASK       0xffe00000
#define MIRROR_INTERFACE_SHIFT 8

_Static_assert(WEIR_MAX_INTERFACES << MIRROR_INTERFACE_SHIFT <= ~MIRROR_MARK_MASK + 1,
	       "it has room in the mark");
_Static_assert(WEIR_MAX_MIRRORS <= 1 << MIRROR_INTERFACE_SHIFT, "it has room in the mark");

/* A copy that could not be made; the packet itself goes its way. */
__attribute__((noinline)) int mirror_lost(__u32 mirror, __u32 interface, __u32 bytes)
{
	struct mirror_counters *c = bpf_map_lookup_elem(&mirror_counters, &mirror);

	if (c)
		c->drops++;
	count_drop(interface, DROP_MIRROR, bytes);
	return 0;
}

/* Copies the packet, as it is now, on account of `interface`. */
__attribute__((noinline)) int mirror_clone(struct __sk_buff *skb, __u32 mirror, __u32 interface)
{
	struct config *c = the_config();
	__u32 mark = skb->mark;
	long error = -1;

	if (c && c->trap_ifindex) {
		skb->mark = MIRROR_MARK | interface << MIRROR_INTERFACE_SHIFT | mirror;
		error = bpf_clone_redirect(skb, c->trap_ifindex, BPF_F_INGRESS);
		skb->mark = mark;
	}
	return error ? mirror_lost(mirror, interface, skb->len) : 0;
}

static __always_inline void mirror_packet(const struct packet *p, __u32 mirror, __u32 interface)
{
	if (tracing)
		trace_frame_step(p, TRACE_MIRROR, trace_tag(p), mirror, interface);
	else if (p->hook == HOOK_TC)
		mirror_clone(p->skb, mirror, interface);
	else
		mirror_lost(mirror, interface, p->walk->length);
}

/* Whether the packet is to be copied for what interface `i` receives. */
static __always_inline int is_mirrored_received(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;

	if (!(i->flags & INTERFACE_MIRROR) || !i->mirror_received)
		return 0;
	return !(i->role == ROLE_FABRIC && may_be_tunneled(w) && carries_copy(p));
}

/* Whether it is to be copied for what goes out of interface `out`. */
static __always_inline int is_mirrored_sent(const struct walk *w, const struct interface *out)
{
	return (out->flags & INTERFACE_MIRROR) && out->mirror_sent && !is_copy(w);
}

/* Its flow's copy, before anything is changed in the packet. */
static __always_inline void mirror_flow(const struct packet *p)
{
	struct walk *w = p->walk;

	mirror_packet(p, w->mirror, w->interface);
	w->flags |= WALK_MIRRORED;
	w->mirror = 0;
}

#endif
