/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the kernel programs answer themselves, with or without a controller. */
#ifndef WEIR_ANSWER_H
#define WEIR_ANSWER_H

#include "answer_arp.h"
#include "answer_echo.h"
#include "answer_nd.h"

static __always_inline int is_solicitation(const struct walk *w)
{
	return w->family == 6 && w->protocol == IPPROTO_ICMPV6 && w->l4_offset &&
	       w->icmp_type == ND_SOLICITATION;
}

static __always_inline int is_advertisement(const struct walk *w)
{
	return w->family == 6 && w->protocol == IPPROTO_ICMPV6 && w->l4_offset &&
	       w->icmp_type == ND_ADVERTISEMENT;
}

static __always_inline int may_be_echo_request(const struct walk *w)
{
	if (w->protocol != (w->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return 0;
	return (w->flags & WALK_NO_PORTS) ||
	       w->icmp_type == (w->family == 4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST);
}

/* A quick test, so that other packets do not pay for the call. */
static __always_inline int may_be_answered(const struct walk *w)
{
	return w->ethertype == ETH_P_ARP || (w->family && may_be_echo_request(w)) ||
	       is_solicitation(w);
}

static __always_inline int answer(const struct packet *p)
{
	struct walk *w = p->walk;

	if (w->ethertype == ETH_P_ARP)
		return answer_arp(p);
	return is_solicitation(w) ? answer_nd(p) : answer_echo(p);
}
STAGE(answer)

#endif
