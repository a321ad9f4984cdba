/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Interfaces: which devices they are, what is done with their packets, and their counters.
 */
#ifndef WEIR_INTERFACE_ABI_H
#define WEIR_INTERFACE_ABI_H

#include <linux/types.h>

/*
 * Ids from 1 on; a power of two. Its counters take 8.8 MiB a possible CPU: 1 KiB of drops, 80
 * bytes of traffic and 16 of trap limits for each; the tables that CPUs share, another 3 MiB.
 */
#define WEIR_MAX_INTERFACES 8192
#define WEIR_DEVICE_HINTS   16384

/* Key of `devices`: which interface a device (and VLAN) is. */
struct device_key { /* 8 bytes */
	__u32 ifindex;
	__u32 vlan; /* VLAN id 1..4094; 0: untagged */
};

enum interface_role {
	ROLE_NONE = 0,
	ROLE_WORKLOAD,
	ROLE_FABRIC,
	ROLE_HOST,
};

/* Element of `interfaces`; the index is the interface id, 0 is never used. */
struct interface {     /* 128 bytes */
	__u32 ifindex; /* 0: no such interface */
	__u32 vrf;
	__u32 nexthop;       /* its own next hop: the way to this interface */
	__u32 flags;         /* INTERFACE_* */
	__u8 role;           /* enum interface_role */
	__u8 worker;         /* that owns its traps */
	__u16 policy;        /* index of its policy set in the slow path; 0: none */
	__u32 xsk_base;      /* first index in `xsks` of its own sockets, one a receive queue */
	__u32 xsk_count;     /* 0: its traps go over the trap link */
	__u32 mtu;           /* of the device, layer 3, in bytes */
	__u8 mac[6];         /* of the workload; all zero: not known yet */
	__u8 device_mac[6];  /* of the device itself */
	__u8 gateway_mac[6]; /* that Weir answers with */
	__u16 vlan;
	__be32 address4;   /* its first own IPv4 address; 0: none */
	__u32 traps;       /* 1 << TRAP_*: what is trapped only where the controller takes it */
	__u8 address6[16]; /* its first own IPv6 address; ::: none */
	__u8 gateway6[16];
	__u8 mirror_received; /* index in `mirrors`: copies of what it sent to us; 0: none */
	__u8 mirror_sent;     /* the same of what goes out of it */
	__u8 qos_map;         /* index in `qos_maps`; 0: none */
	__u8 reserved0;
	__be32 gateway4; /* first IPv4 gateway: source of ICMP errors */
	__u32 reserved[7];
};

#define INTERFACE_POLICY       0x0001 /* new flows are decided */
#define INTERFACE_SOURCE_CHECK 0x0002 /* source address and MAC must be its own */
#define INTERFACE_LEARN_MAC    0x0004 /* mac is taken from what it sends */
#define INTERFACE_MAC_LEARNED  0x0008 /* mac was learned (set by the kernel program) */
#define INTERFACE_PROXY_ARP    0x0010 /* answer for addresses that have a route */
#define INTERFACE_XDP          0x0020 /* its packets are decided on the XDP hook */
#define INTERFACE_PEER         0x0040 /* a veth whose other end is in another namespace */
#define INTERFACE_DOWN         0x0080 /* device is gone or down */
#define INTERFACE_RPF_LOOSE    0x0100 /* there must be a route to the source */
#define INTERFACE_RPF_STRICT   0x0200 /* and it must lead back to where the packet came from */
#define INTERFACE_MSS_CLAMP \
	0x0400 /* TCP SYNs through it offer no larger segments than the next hop takes */
#define INTERFACE_BRIDGE_LEARN    0x0800 /* source MACs are put into the fdb */
#define INTERFACE_MIRROR          0x1000 /* mirror_received or mirror_sent is not 0 */
#define INTERFACE_QOS             0x2000 /* qos_map is not 0 */
#define INTERFACE_POLICE_RECEIVED 0x4000 /* a token bucket limits what it sends to us */
#define INTERFACE_POLICE_SENT     0x8000 /* the same of what goes out of it */
#define INTERFACE_FULL_FORWARD \
	0x10000 /* without room in the flow table, policy decides on each of its packets */
#define INTERFACE_SYN_GUARD 0x20000 /* its half-open TCP flows give way to newer ones */
#define INTERFACE_HOST \
	0x40000 /* the host's own stack: decided on the way out of the device, delivered by receiving */

/* Key of `interface_addresses`: what an address means on an interface. */
struct interface_address_key { /* 20 bytes */
	__u32 interface;
	__u8 address[16];
};

#define ADDRESS_OWN     0x1 /* the workload may send from it */
#define ADDRESS_GATEWAY 0x2 /* Weir answers ARP, ND and echo for it */

/* Element of `interface_counters` (per CPU); index = interface id. */
struct interface_counters { /* 80 bytes */
	__u64 rx_packets;   /* each that came from the device once, malformed ones too */
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 trap_packets;
	__u64 trap_bytes;
	__u64 local_packets; /* passed to the host's stack */
	__u64 local_bytes;
	__u64 flow_hits; /* decided by a flow entry */
	__u64 answered;  /* ARP, ND and echo answered by the program itself */
};

_Static_assert(sizeof(struct device_key) == 8, "device_key");
_Static_assert(sizeof(struct interface) == 128, "interface");
_Static_assert(sizeof(struct interface_address_key) == 20, "interface_address_key");
_Static_assert(sizeof(struct interface_counters) == 80, "interface_counters");

#endif
