/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The headers of tunnels: VXLAN (RFC 7348), MPLS in UDP (RFC 7510) and in GRE (RFC 4023),
 * over IPv4 and IPv6.
 */
#ifndef WEIR_TUNNEL_H
#define WEIR_TUNNEL_H

#include "counters.h"
#include "nexthop.h"
#include "traffic_class.h"

#define VXLAN_PORT     4789
#define MPLS_PORT      6635
#define MPLS_PORT_OLD  51234 /* before IANA assigned one: accepted, never sent */
#define ETHERTYPE_MPLS 0x8847

/*
 * What is carried is a mirror's copy. Nothing in the headers of tunnels is there for it, so it
 * is a source port that neither this node nor Linux uses otherwise, or the last of the bits
 * that a receiver of GRE ignores (RFC 2784 section 2.3).
 */
#define COPY_PORT 65535
#define GRE_COPY  0x0008

#define VXLAN_VNI_VALID  0x08000000 /* flag I, of the first word in host order */
#define MPLS_BOTTOM      0x100      /* S, of the word in host order */
#define MPLS_TTL_MASK    0xff
#define MPLS_LABEL_SHIFT 12
#define MPLS_EXP_SHIFT   9
#define MPLS_EXP_MASK    7

struct udp_header {
	__be16 source;
	__be16 destination;
	__be16 length;
	__be16 checksum;
};

struct gre_header {
	__be16 flags; /* and version */
	__be16 protocol;
};

/* VXLAN: 8 bytes, VNI in the upper three bytes of the second word. */
struct vxlan_header {
	__be32 flags;
	__be32 vni;
};

/* A quick test, so that other packets do not pay for the call. */
static __always_inline int may_be_tunneled(const struct walk *w)
{
	__be16 port = w->family == 4 ? w->key.v4.destination_port : w->key.v6.destination_port;

	if (!w->family || !w->l4_offset)
		return 0;
	if (w->protocol == IPPROTO_UDP)
		return port == bpf_htons(VXLAN_PORT) || port == bpf_htons(MPLS_PORT) ||
		       port == bpf_htons(MPLS_PORT_OLD);
	return w->protocol == IPPROTO_GRE;
}

/* In words, as it is read: a load that spans several stores has to wait for them. */
static __always_inline void ipv4_mapped(__u8 *address, __be32 ipv4)
{
	__be32 *words = (__be32 *)address;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ipv4;
}

static __always_inline void count_tunnel(__u32 counter, __u32 received, __u32 bytes)
{
	struct tunnel_counters *c = bpf_map_lookup_elem(&tunnel_counters, &counter);

	if (!c || !counter)
		return;
	if (received) {
		c->rx_packets++;
		c->rx_bytes += bytes;
	} else {
		c->tx_packets++;
		c->tx_bytes += bytes;
	}
}

/* Whether the packet, of a tunnel (see may_be_tunneled()), carries a mirror's copy. */
static __always_inline int carries_copy(const struct packet *p)
{
	struct walk *w = p->walk;
	struct gre_header *gre;

	if (w->protocol == IPPROTO_UDP)
		return (w->family == 4 ? w->key.v4.source_port : w->key.v6.source_port) ==
		       bpf_htons(COPY_PORT);
	gre = packet_at(p, w->l4_offset, sizeof(*gre));
	return gre && (gre->flags & bpf_htons(GRE_COPY));
}

#endif
