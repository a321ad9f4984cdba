/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flow log: a flow that ends is told of with its final counters, a record a pair, while
 * somebody reads. Who claims its entries (flow_remove.h) tells of it: of two at it at once, who has that of the direction
 * that began. Nobody tells of a hold, for that was no flow yet.
 */
#ifndef WEIR_FLOW_END_H
#define WEIR_FLOW_END_H

#include "flow.h"

/* Family and reason in one argument: a function of its own takes five. */
#define FLOW_END(family, reason) ((reason) << 8 | (family))

static __always_inline struct flow_end_counters *flow_end_counts(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&flow_end_counters, &zero);
}

static __always_inline void end_write_key(struct flow_end *end, __u8 family,
					  const union flow_key *key)
{
	end->vrf = key->vrf;
	end->family = family;
	if (family == 4) {
		__u32 *source = (__u32 *)end->source;
		__u32 *destination = (__u32 *)end->destination;

		source[0] = destination[0] = 0;
		source[1] = destination[1] = 0;
		source[2] = destination[2] = bpf_htonl(0xffff);
		source[3] = key->v4.source;
		destination[3] = key->v4.destination;
		end->source_port = key->v4.source_port;
		end->destination_port = key->v4.destination_port;
		end->protocol = key->v4.protocol;
		return;
	}
	__builtin_memcpy(end->source, key->v6.source, sizeof(end->source));
	__builtin_memcpy(end->destination, key->v6.destination, sizeof(end->destination));
	end->source_port = key->v6.source_port;
	end->destination_port = key->v6.destination_port;
	end->protocol = key->v6.protocol;
}

static __always_inline void end_write_other(struct flow_end *end, const struct flow_entry *other)
{
	if (!other) {
		end->reverse_packets = 0;
		end->reverse_bytes = 0;
		return;
	}
	end->reverse_packets = other->packets;
	end->reverse_bytes = other->bytes;
	if (end->last_seen < other->last_seen)
		end->last_seen = other->last_seen;
}

/* What a flow that was idle for too long had ended by before. */
static __always_inline __u8 idle_reason(__u8 protocol, const struct flow_entry *flow,
					const struct flow_entry *other)
{
	if (protocol != IPPROTO_TCP || flow->state != FLOW_STATE_CLOSED)
		return FLOW_END_IDLE;
	return other && (flow->tcp_flags & other->tcp_flags & TCP_FLAG_FIN) ? FLOW_END_CLOSED
									    : FLOW_END_RESET;
}

/*
 * `flow`: entry of `key`, about to go; `other`: that of the other direction, or NULL. What packets
 * add to their counters between this and the removal is not told. `now`: the time, or 0 where the
 * caller has not asked for it. A function of its own, so that the verifier goes through it once.
 */
__attribute__((noinline)) int flow_end_tell(const union flow_key *key,
					    const struct flow_entry *flow,
					    const struct flow_entry *other, __u32 what, __u64 now)
{
	struct flow_end_counters *counters = flow_end_counts();
	struct config *c = the_config();
	__u8 reason = what >> 8;
	struct flow_end *end;

	if (!key || !flow || !counters || !c || !c->flow_ends || flow->action == FLOW_HOLD)
		return 0;
	if ((flow->flags & FLOW_FLAG_REVERSE) && !other)
		return 0;
	end = bpf_ringbuf_reserve(&flow_ends, sizeof(*end), 0);
	if (!end) {
		__sync_fetch_and_add(&counters->lost, 1);
		return 0;
	}
	end_write_key(end, what & 0xff, key);
	end->time = now ? now : bpf_ktime_get_ns();
	end->created = flow->created;
	/* Packets go by a coarser clock. */
	end->last_seen = flow->last_seen < flow->created ? flow->created : flow->last_seen;
	end->packets = flow->packets;
	end->bytes = flow->bytes;
	end_write_other(end, other);
	end->reverse_vrf = flow->reverse_vrf;
	end->rule = flow->rule;
	end->ingress = other && (flow->flags & FLOW_FLAG_REVERSE) ? other->ingress : flow->ingress;
	end->generation = flow->generation;
	end->action = flow->action;
	end->state = flow->state;
	end->reason = reason == FLOW_END_IDLE ? idle_reason(end->protocol, flow, other) : reason;
	end->flags = flow->flags;
	end->new_source_port = flow->new_source_port;
	end->new_destination_port = flow->new_destination_port;
	__builtin_memset(end->reserved, 0, sizeof(end->reserved));
	__builtin_memcpy(end->new_source, flow->new_source, sizeof(end->new_source));
	__builtin_memcpy(end->new_destination, flow->new_destination, sizeof(end->new_destination));
	bpf_ringbuf_submit(end, 0);
	__sync_fetch_and_add(&counters->told, 1);
	return 0;
}

#endif
