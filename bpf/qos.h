/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Forwarding classes, and the interface's token buckets: what happens to a packet by the
 * interface that it comes from and by the one that it leaves by, whatever its route.
 *
 * A class is chosen once, by the map of the interface that received the packet, and says by
 * the map of the outgoing one which code points the packet leaves with. ECN is no part of it.
 */
#ifndef WEIR_QOS_H
#define WEIR_QOS_H

#include "interface.h"
#include "drop.h"
#include "policer.h"
#include "traffic_class.h"

#define PCP_SHIFT 13 /* IEEE 802.1Q: priority code point, of the tag control information */

static __always_inline struct qos_map *qos_map_of(const struct interface *i)
{
	__u32 index = i->qos_map;

	return i->flags & INTERFACE_QOS ? bpf_map_lookup_elem(&qos_maps, &index) : NULL;
}

/* How packets of the walk's class leave by `i`; NULL: as they are. */
static __always_inline struct class_marks *class_marks_of(const struct walk *w,
							  const struct interface *i)
{
	struct qos_map *map = w->forwarding_class == CLASS_NONE ? NULL : qos_map_of(i);

	return map ? &map->marks[(w->forwarding_class - 1) & (WEIR_MAX_CLASSES - 1)] : NULL;
}

/* Priority of the outermost tag, of a frame that has one. */
static __always_inline __u32 tag_priority(const struct packet *p)
{
	struct vlan_header *tag;

	if (p->hook == HOOK_TC && CONTEXT_FIELD(p->skb, vlan_present))
		return (CONTEXT_FIELD(p->skb, vlan_tci) & 0xffff) >> PCP_SHIFT;
	tag = packet_at(p, ETH_HLEN, sizeof(*tag));
	return tag ? bpf_ntohs(tag->tci) >> PCP_SHIFT : 0;
}

/* Class of the tag; CLASS_NONE: there is no tag, or the map does not have its priority. */
static __always_inline __u8 class_of_tag(const struct packet *p, const struct qos_map *map)
{
	return p->walk->tags ? map->pcp_class[tag_priority(p) & 7] : CLASS_NONE;
}

static __always_inline __u8 classify(const struct packet *p, const struct qos_map *map)
{
	struct walk *w = p->walk;
	__u8 class = class_of_tag(p, map);

	if (class != CLASS_NONE || !w->family)
		return class;
	return map->dscp_class[traffic_class(p, w->l3_offset) >> DSCP_SHIFT];
}

/*
 * Of a tunnel packet with a label, before its headers are taken away: its tag comes before
 * its label, and that before its DSCP.
 */
static __always_inline __u8 class_with_label(const struct packet *p, __u8 exp)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);
	struct qos_map *map = i ? qos_map_of(i) : NULL;
	__u8 class;

	if (!map || class_of_tag(p, map) != CLASS_NONE)
		return w->forwarding_class;
	class = map->exp_class[exp & 7];
	return class == CLASS_NONE ? w->forwarding_class : class;
}

/* Rate and class of a packet that has just been received: CONTINUE, or its verdict. */
static __always_inline int admit(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);
	struct qos_map *map;

	if (!i)
		return drop(p, DROP_UNKNOWN_INTERFACE);
	if ((i->flags & INTERFACE_POLICE_RECEIVED) && !police(p, w->interface, POLICE_RECEIVED))
		return drop(p, DROP_POLICED);
	map = qos_map_of(i);
	if (map) {
		w->flags |= WALK_QOS;
		w->forwarding_class = classify(p, map);
		trace_step(p, TRACE_CLASS, w->forwarding_class, 0, 0);
	}
	return CONTINUE;
}
STAGE(admit)

static __always_inline int write_dscp(const struct packet *p, __u8 dscp)
{
	struct walk *w = p->walk;
	__u8 now = traffic_class(p, w->l3_offset);
	__u8 value = dscp << DSCP_SHIFT | (now & ECN_MASK);

	return value == now ? 0 : traffic_class_write(p, value);
}

static __always_inline int write_priority(const struct packet *p, const struct interface *out,
					  __u8 pcp)
{
	__u16 tci = out->vlan | (__u16)pcp << PCP_SHIFT;
	struct vlan_header *tag;

	if (p->hook == HOOK_TC)
		return bpf_skb_vlan_pop(p->skb) ||
		       bpf_skb_vlan_push(p->skb, bpf_htons(ETH_P_8021Q), tci);
	tag = packet_at(p, ETH_HLEN, sizeof(*tag));
	if (!tag)
		return -1;
	tag->tci = bpf_htons(tci);
	return 0;
}

/* Headers of tunnels have their marks since they were written: see encapsulate.h. */
static __always_inline int write_marks(const struct packet *p, const struct interface *out,
				       const struct class_marks *marks)
{
	struct walk *w = p->walk;
	__u8 flags = marks->flags;

	if ((flags & MARK_DSCP) && w->family && !w->room && write_dscp(p, marks->dscp))
		return -1;
	if (p->hook == HOOK_TC && (flags & MARK_QUEUE))
		p->skb->queue_mapping = marks->queue + 1;
	if (!(flags & MARK_PCP))
		return 0;
	if (p->hook == HOOK_TC)
		p->skb->priority = marks->pcp;
	return out->vlan ? write_priority(p, out, marks->pcp) : 0;
}

/* Rate and marks of a frame that is about to leave by `out`, walk->out_interface: CONTINUE, or its verdict. */
static __always_inline int leave(const struct packet *p, const struct interface *out)
{
	struct walk *w = p->walk;
	struct class_marks *marks;

	if ((out->flags & INTERFACE_POLICE_SENT) && !police(p, w->out_interface, POLICE_SENT))
		return drop_on(p, w->out_interface, DROP_POLICED);
	marks = class_marks_of(w, out);
	return marks && write_marks(p, out, marks) ? drop(p, DROP_INVALID_PACKET) : CONTINUE;
}

#endif
