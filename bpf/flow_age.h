/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How long a flow may be idle. */
#ifndef WEIR_FLOW_AGE_H
#define WEIR_FLOW_AGE_H

#include "clock.h"
#include "flow.h"

/* Where the configuration says 0. */
#define DEFAULT_TCP_SYN_SECONDS         20
#define DEFAULT_TCP_ESTABLISHED_SECONDS 3600
#define DEFAULT_TCP_FIN_SECONDS         30
#define DEFAULT_TCP_RESET_SECONDS       40
#define DEFAULT_UDP_SECONDS             60
#define DEFAULT_ICMP_SECONDS            5
#define DEFAULT_OTHER_SECONDS           600

static __always_inline __u32 or_default(__u32 seconds, __u32 otherwise)
{
	return seconds ? seconds : otherwise;
}

static __always_inline __u32 tcp_idle_seconds(const struct config *c, __u8 state)
{
	switch (state) {
	case FLOW_STATE_ESTABLISHED:
		return or_default(c->tcp_established_seconds, DEFAULT_TCP_ESTABLISHED_SECONDS);
	case FLOW_STATE_CLOSING:
		return or_default(c->tcp_fin_seconds, DEFAULT_TCP_FIN_SECONDS);
	case FLOW_STATE_CLOSED:
		return or_default(c->tcp_reset_seconds, DEFAULT_TCP_RESET_SECONDS);
	default:
		return or_default(c->tcp_syn_seconds, DEFAULT_TCP_SYN_SECONDS);
	}
}

/*
 * Of a flow that has no time of its own. A function of its own, behind which the verifier knows
 * one number, not one for each protocol and state.
 */
__attribute__((noinline)) int default_idle_seconds(__u8 protocol, __u8 state)
{
	struct config *c = the_config();

	if (!c)
		return 0;
	if (protocol == IPPROTO_TCP)
		return tcp_idle_seconds(c, state);
	if (protocol == IPPROTO_UDP)
		return or_default(c->udp_seconds, DEFAULT_UDP_SECONDS);
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		return or_default(c->icmp_seconds, DEFAULT_ICMP_SECONDS);
	return or_default(c->other_seconds, DEFAULT_OTHER_SECONDS);
}

/* The entry's own time, but for TCP connections that have ended. */
static __always_inline __u64 idle_limit(const struct flow_entry *flow, __u8 protocol)
{
	__u32 seconds = flow->idle_seconds;

	if (!seconds || flow->state >= FLOW_STATE_CLOSING)
		seconds = default_idle_seconds(protocol, flow->state);
	return seconds * NSEC_PER_SEC;
}

/* Nobody decided in time: nothing is lost by forgetting that somebody asked. */
static __always_inline int hold_is_over(const struct config *c, const struct flow_entry *flow,
					__u64 now)
{
	return now > flow->created && now - flow->created > c->hold_timeout_ms * NSEC_PER_MSEC;
}

/* The reverse direction's entry, if it is of the same decision. `reverse`: on the caller's own stack. */
static __always_inline struct flow_entry *partner_of(__u8 family, const struct flow_entry *flow,
						     const union flow_key *reverse)
{
	struct flow_entry *other = flow_at(family, reverse);

	return other && other->generation == flow->generation ? other : NULL;
}

#endif
