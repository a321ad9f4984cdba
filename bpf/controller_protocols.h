/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is the controller's business whatever route and policy say: DHCP requests, group reports, BFD. */
#ifndef WEIR_CONTROLLER_PROTOCOLS_H
#define WEIR_CONTROLLER_PROTOCOLS_H

#include "packet.h"
#include "parse.h"

#define DHCP_CLIENT_PORT   68
#define DHCP_SERVER_PORT   67
#define DHCPV6_CLIENT_PORT 546
#define DHCPV6_SERVER_PORT 547

#define BFD_CONTROL_PORT  3784 /* RFC 5881 section 4 */
#define BFD_ECHO_PORT     3785
#define BFD_MULTIHOP_PORT 4784 /* RFC 5883 section 5 */

#define MLD_QUERY   130
#define MLD_DONE    132
#define MLD2_REPORT 143

static __always_inline int is_dhcp_request(const struct walk *w)
{
	if (w->protocol != IPPROTO_UDP || !w->l4_offset)
		return 0;
	if (w->family == 4)
		return w->key.v4.source_port == bpf_htons(DHCP_CLIENT_PORT) &&
		       w->key.v4.destination_port == bpf_htons(DHCP_SERVER_PORT);
	return w->key.v6.source_port == bpf_htons(DHCPV6_CLIENT_PORT) &&
	       w->key.v6.destination_port == bpf_htons(DHCPV6_SERVER_PORT);
}

static __always_inline int is_bfd(const struct walk *w)
{
	__be16 port = w->family == 4 ? w->key.v4.destination_port : w->key.v6.destination_port;

	return w->protocol == IPPROTO_UDP && w->l4_offset && !(w->flags & WALK_FRAGMENT) &&
	       (port == bpf_htons(BFD_CONTROL_PORT) || port == bpf_htons(BFD_ECHO_PORT) ||
		port == bpf_htons(BFD_MULTIHOP_PORT));
}

/* Who listens to which groups is the controller's business (RFC 2236, 3376; RFC 2710, 3810). */
static __always_inline int is_group_report(const struct walk *w)
{
	if (w->family == 4)
		return w->protocol == IPPROTO_IGMP;
	return w->protocol == IPPROTO_ICMPV6 && w->l4_offset &&
	       ((w->icmp_type >= MLD_QUERY && w->icmp_type <= MLD_DONE) ||
		w->icmp_type == MLD2_REPORT);
}

#endif
