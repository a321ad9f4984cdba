/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Congestion that was marked on the way through a tunnel (RFC 6040, normal mode). */
#ifndef WEIR_ECN_H
#define WEIR_ECN_H

#include "traffic_class.h"

#define ECN_DROP (-1)

/* Figure 4: the ECN field that the inner header gets, or ECN_DROP. */
static __always_inline int ecn_decapsulate(__u8 inner, __u8 outer)
{
	if (outer == ECN_CE)
		return inner == ECN_NOT_ECT ? ECN_DROP : ECN_CE;
	return outer == ECN_ECT1 && inner == ECN_ECT0 ? ECN_ECT1 : inner;
}

/* Brings the mark of the outer header into the inner one; DROP_NONE or the reason to drop. */
static __always_inline int ecn_transfer(const struct packet *p, __u8 outer)
{
	struct walk *w = p->walk;
	__u8 class = traffic_class(p, w->l3_offset);
	__u8 inner = class & ECN_MASK;
	int ecn;

	if (!w->family)
		return DROP_NONE;
	ecn = ecn_decapsulate(inner, outer & ECN_MASK);
	if (ecn == ECN_DROP)
		return DROP_ECN;
	if (ecn == inner)
		return DROP_NONE;
	return traffic_class_write(p, (class & ~ECN_MASK) | ecn) ? DROP_INVALID_PACKET : DROP_NONE;
}

#endif
