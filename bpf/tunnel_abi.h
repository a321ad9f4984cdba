/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is received from tunnels: labels, VNIs, underlay addresses; and counters of tunnels.
 */
#ifndef WEIR_TUNNEL_ABI_H
#define WEIR_TUNNEL_ABI_H

#include <linux/types.h>

#define WEIR_LOW_NUMBERS  65536 /* labels and VNIs below are found without hashing */
#define WEIR_TUNNEL_HINTS 4096

/* Value of `labels`; the key is an MPLS label (0..1048575). */
struct label_entry {   /* 16 bytes */
	__u32 nexthop; /* interface, ecmp, local, discard; vrf: look up there, and the TTL falls */
	__u32 flags;   /* LABEL_* */
	__u32 vrf;     /* of the flow key; of the interface that the next hop leads to */
	__u32 reserved;
};

#define LABEL_ETHERNET 0x1 /* an Ethernet frame follows the label, not an IP packet */

/* Value of `vnis`; the key is a VNI (0..16777215). */
struct vni_entry { /* 8 bytes */
	__u32 vrf;
	__u32 flags; /* none yet */
};

/* Key of `underlay_addresses`: the node's own addresses that tunnels end at; the value is a __u32, not 0. */
struct underlay_address { /* 16 bytes */
	__u8 address[16]; /* IPv4: mapped */
};

/* Key of `tunnels`: which tunnel next hop a received packet belongs to; the value is its id. */
struct tunnel_key {      /* 20 bytes */
	__u8 remote[16]; /* outer source; IPv4: mapped */
	__u32 encap;     /* enum encap */
};

/* Element of `tunnel_counters` (per CPU); index = nexthop.counter. Bytes with the outer headers. */
struct tunnel_counters { /* 32 bytes */
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 rx_packets;
	__u64 rx_bytes;
};

_Static_assert(sizeof(struct label_entry) == 16, "label_entry");
_Static_assert(sizeof(struct vni_entry) == 8, "vni_entry");
_Static_assert(sizeof(struct underlay_address) == 16, "underlay_address");
_Static_assert(sizeof(struct tunnel_key) == 20, "tunnel_key");
_Static_assert(sizeof(struct tunnel_counters) == 32, "tunnel_counters");

#endif
