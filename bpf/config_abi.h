/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What holds for all of the node.
 */
#ifndef WEIR_CONFIG_ABI_H
#define WEIR_CONFIG_ABI_H

#include <linux/types.h>

/* Raised whenever a struct that abi.h includes changes meaning or size: a running instance with
 * another version is not adopted. */
#define WEIR_ABI_VERSION 14

/* Element 0 of `config` (mmapable). */
struct config {            /* 128 bytes */
	__u32 abi_version; /* WEIR_ABI_VERSION */
	__u32 generation;  /* next flow generation; the kernel programs count it up */
	__u32 workers;
	__u32 trap_ifindex;     /* node's end of the trap link */
	__u32 headless_forward; /* new flows without a controller: 0 drop, 1 forward without state */
	__u32 hold_timeout_ms;
	__u32 trap_rate; /* ICMP-error traps a second an interface may cause */
	__u32 revision;  /* of the policy in force */
	/* idle times, seconds */
	__u16 tcp_syn_seconds;
	__u16 tcp_established_seconds;
	__u16 tcp_fin_seconds;
	__u16 tcp_reset_seconds;
	__u16 udp_seconds;
	__u16 icmp_seconds;
	__u16 other_seconds;
	__u16 reserved0;
	__u32 trap_bytes;      /* longest frame that the slow path takes; 0: any */
	__u32 foreign_tunnels; /* tunnel packets that are not ours: 0 to the host, 1 drop */
	__u8 gateway_mac[6];   /* inner MAC of routed packets in tunnels: node.gatewayMac */
	__u16 reserved1;
	__be32 underlay4;   /* one of `underlay_addresses`, found without looking there; 0: none */
	__u8 underlay6[16]; /* the same of IPv6; ::: none */
	__u32 drop_samples; /* dropped packets that are sampled, a second; 0: none are */
	__u32 half_open_mask; /* elements of `half_open`, a power of two, - 1 */
	__u32 half_open_next; /* next element, modulo their number; the pipeline counts it up */
	__u32 flow_ends;      /* 1: what ends is told in `flow_ends` */
	__u32 reserved[7];
};

_Static_assert(sizeof(struct config) == 128, "config");

#endif
