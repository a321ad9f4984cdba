/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The state of a TCP connection, followed from both sides as one who is between them can
 * (RFC 9293 section 3.3.2). Each direction's entry has what it has sent: the end of its data,
 * its highest acknowledgement, and the right edge of the window that it offers.
 *
 * A segment is forwarded whatever it says: what it means is for its receiver to judge, which
 * knows better. But it changes the state only if the receiver would take it: a reset exactly
 * where the receiver expects the next byte, or where the sender's data that we have seen ends,
 * and within the window (RFC 5961 section 3.2: any other in the window is only challenged); a
 * SYN only before the connection is established or after it has ended (section 4.2); a FIN, and
 * what completes the handshake, within the window, acknowledging only what was sent. Segments
 * of established flows that can not change the state are taken down unchecked, for a check
 * takes the other direction's entry. Who forges those can make a later reset or FIN look right
 * or wrong, that is, change how long the flow may be idle.
 */
#ifndef WEIR_FLOW_TCP_H
#define WEIR_FLOW_TCP_H

#include "tcp_option.h"

#define TCP_FLAG_FIN   0x01
#define TCP_FLAG_SYN   0x02
#define TCP_FLAG_RST   0x04
#define TCP_FLAG_ACK   0x10
#define TCP_FLAGS_KEPT 0x17

#define TCP_MOST       0x40000000 /* no window is larger (RFC 7323 section 2.3) */
#define TCP_MAX_SCALE  14
#define TCP_SCALE_NONE 15 /* its SYN had no such option */

/* What one segment says, in host order. */
struct segment {
	__u32 sequence;
	__u32 end;    /* behind its last byte; SYN and FIN count */
	__u32 ack;    /* if it has that flag */
	__u32 window; /* as it stands there, not scaled */
	__u8 flags;   /* TCP_FLAGS_KEPT of its own */
	__u8 scale;   /* that a SYN offers, or TCP_SCALE_NONE */
	__u8 reserved[2];
};

static __always_inline int sequence_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

/* Moves `at` on to `to`, if that is further on. */
static __always_inline void sequence_advance(__u32 *at, __u32 to)
{
	if (to - *at - 1 < TCP_MOST)
		*at = to;
}

/* 0: a fragment without the header. */
static __always_inline int segment_read(const struct packet *p, struct segment *s)
{
	struct walk *w = p->walk;
	struct tcphdr *tcp = w->l4_offset ? packet_at(p, w->l4_offset, sizeof(*tcp)) : NULL;
	__u32 headers;

	if (!tcp)
		return 0;
	headers = w->l4_offset - w->l3_offset + tcp->doff * 4;
	s->sequence = bpf_ntohl(tcp->seq);
	s->ack = bpf_ntohl(tcp->ack_seq);
	s->window = bpf_ntohs(tcp->window);
	s->end = s->sequence + (w->ip_length > headers ? w->ip_length - headers : 0) + tcp->syn +
		 tcp->fin;
	return 1;
}

/* Takes down an acknowledgement and the window that comes with it. */
static __always_inline void tcp_record_ack(struct flow_entry *flow, const struct segment *s,
					   __u8 scale)
{
	__u32 edge = s->ack + (s->window << scale);

	if (flow->tcp_flags & TCP_FLAG_ACK) {
		sequence_advance(&flow->tcp_ack, s->ack);
		sequence_advance(&flow->tcp_window, edge);
	} else {
		flow->tcp_ack = s->ack;
		flow->tcp_window = edge;
	}
}

/* A segment of an established flow that does not change its state. */
static __always_inline void tcp_record(const struct packet *p, struct flow_entry *flow)
{
	struct segment s;

	if (!(flow->tcp_flags & TCP_SEQUENCED) || !segment_read(p, &s))
		return;
	sequence_advance(&flow->tcp_end, s.end);
	if (p->walk->tcp_flags & TCP_FLAG_ACK)
		tcp_record_ack(flow, &s, flow->tcp_scale & TCP_SCALE_NONE);
}

/* Forgets the connection that had the ports before. */
static __always_inline void tcp_forget(struct flow_entry *flow)
{
	flow->tcp_flags = 0;
	flow->tcp_scale = 0;
	flow->tcp_end = 0;
	flow->tcp_ack = 0;
	flow->tcp_window = 0;
}

/* The scale that a SYN offers. */
static __always_inline int syn_scale(const struct packet *p)
{
	struct walk *w = p->walk;
	struct tcphdr *tcp = packet_at(p, w->l4_offset, sizeof(*tcp));
	__u32 at;
	__u8 *value;

	if (!tcp)
		return TCP_SCALE_NONE;
	at = tcp_option_find(p, TCP_OPTION_SCALE, TCP_OPTION_SCALE_BYTES,
			     w->l4_offset + tcp->doff * 4);
	value = at ? packet_at(p, at, 1) : NULL;
	if (!value)
		return TCP_SCALE_NONE;
	return *value > TCP_MAX_SCALE ? TCP_MAX_SCALE : *value;
}
STAGE(syn_scale)

/* A SYN of a connection that is not established; the last one counts. */
static __always_inline void tcp_record_syn(struct flow_entry *flow, struct flow_entry *other,
					   const struct segment *s)
{
	flow->tcp_end = s->end;
	flow->tcp_scale = s->scale;
	/* Both must offer it (RFC 7323 section 2.2). */
	if (other && (other->tcp_flags & TCP_FLAG_SYN) &&
	    (flow->tcp_scale == TCP_SCALE_NONE || other->tcp_scale == TCP_SCALE_NONE)) {
		flow->tcp_scale = 0;
		other->tcp_scale = 0;
	}
	/* The window of a SYN is not scaled. */
	if (s->flags & TCP_FLAG_ACK)
		tcp_record_ack(flow, s, 0);
}

/* Any other segment. Of a connection that was there before us, the scale is the largest. */
static __always_inline void tcp_record_segment(struct flow_entry *flow, const struct segment *s)
{
	if (flow->tcp_flags & TCP_SEQUENCED) {
		sequence_advance(&flow->tcp_end, s->end);
	} else {
		flow->tcp_end = s->end;
		flow->tcp_scale = TCP_MAX_SCALE;
	}
	if (s->flags & TCP_FLAG_ACK)
		tcp_record_ack(flow, s, flow->tcp_scale == TCP_SCALE_NONE ? 0 : flow->tcp_scale);
}

/* Whether the receiver takes it: nothing old, nothing behind its window, nothing acknowledged
 * that was never sent. What is not known does not count against it. */
static __always_inline int segment_is_good(const struct flow_entry *other, const struct segment *s)
{
	if (!other || !(other->tcp_flags & TCP_SEQUENCED))
		return 1;
	if ((s->flags & TCP_FLAG_ACK) && sequence_before(other->tcp_end, s->ack))
		return 0;
	if (!(other->tcp_flags & TCP_FLAG_ACK))
		return 1;
	/* A FIN needs no window, nor does a probe of a closed one. */
	return !sequence_before(s->end, other->tcp_ack) &&
	       !sequence_before(other->tcp_window + 1, s->end);
}

static __always_inline int reset_is_good(const struct flow_entry *flow,
					 const struct flow_entry *other, const struct segment *s)
{
	if (!other)
		return 1;
	/* The answer to a SYN: it acknowledges that (RFC 9293 section 3.10.7.3). */
	if (flow->state == FLOW_STATE_NEW && (s->flags & TCP_FLAG_ACK) &&
	    (other->tcp_flags & TCP_SEQUENCED) && s->ack == other->tcp_end)
		return 1;
	if (!(flow->tcp_flags & TCP_SEQUENCED))
		return !(other->tcp_flags & TCP_SEQUENCED);
	if (!(other->tcp_flags & TCP_FLAG_ACK))
		return s->sequence == flow->tcp_end;
	return s->sequence == other->tcp_ack ||
	       (s->sequence == flow->tcp_end && !sequence_before(s->sequence, other->tcp_ack) &&
		!sequence_before(other->tcp_window, s->sequence));
}

/*
 * The state that the pair has after a segment. `other`: entry of the reverse direction, or NULL.
 * Established is who has seen an acknowledgement from both sides: the third segment of a
 * handshake, the fourth where both opened at once, and any two of a connection that was there
 * before us. A function of its own: the verifier goes once through what a segment may mean.
 */
__attribute__((noinline)) int tcp_next_state(struct flow_entry *flow, struct flow_entry *other,
					     const struct segment *s)
{
	if (!flow || !s)
		return FLOW_STATE_NEW;
	if (s->flags & TCP_FLAG_RST)
		return reset_is_good(flow, other, s) ? FLOW_STATE_CLOSED : flow->state;
	if ((s->flags & TCP_FLAG_SYN) && flow->state != FLOW_STATE_NEW)
		return flow->state;
	if (!segment_is_good(other, s))
		return flow->state;
	if (s->flags & TCP_FLAG_SYN)
		tcp_record_syn(flow, other, s);
	else
		tcp_record_segment(flow, s);
	flow->tcp_flags |= s->flags | TCP_SEQUENCED;
	if (flow->state == FLOW_STATE_CLOSED)
		return FLOW_STATE_CLOSED;
	if (flow->tcp_flags & TCP_FLAG_FIN)
		return other && (other->tcp_flags & TCP_FLAG_FIN) ? FLOW_STATE_CLOSED
								  : FLOW_STATE_CLOSING;
	if (flow->state == FLOW_STATE_NEW && (flow->tcp_flags & TCP_FLAG_ACK) && other &&
	    (other->tcp_flags & TCP_FLAG_ACK))
		return FLOW_STATE_ESTABLISHED;
	return flow->state;
}

/* tcp_next_state() after the packet. */
static __always_inline __u8 tcp_follow(const struct packet *p, struct flow_entry *flow,
				       struct flow_entry *other)
{
	struct segment s = { .flags = p->walk->tcp_flags & TCP_FLAGS_KEPT };

	if (!segment_read(p, &s))
		return flow->state;
	if (s.flags & TCP_FLAG_SYN)
		s.scale = call_syn_scale(p);
	return tcp_next_state(flow, other, &s);
}

#endif
