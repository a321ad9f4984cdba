/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Packets that the controller takes by what they look like, whatever route and policy say of them.
 */
#ifndef WEIR_MATCH_ABI_H
#define WEIR_MATCH_ABI_H

#include <linux/types.h>

#define WEIR_MAX_MATCHES 128

/*
 * Element of `packet_matches`. The first one that the packet meets decides. Of element 0 only
 * `number` counts: the elements that follow.
 */
struct packet_match {    /* 112 bytes */
	__u32 fields;    /* MATCH_*: which of the rest are compared; 0: no match */
	__u32 number;    /* that the controller knows it by */
	__u32 rate;      /* packets a second, on each CPU, of all with the same `limit` */
	__u32 limit;     /* index in `match_limits` */
	__u8 mac[8];     /* destination, and two bytes of zero */
	__u8 source[16]; /* IPv4: bytes 8 to 11; what is masked out is 0 */
	__u8 source_mask[16];
	__u8 destination[16];
	__u8 destination_mask[16];
	__u32 vrf;
	__u16 interface; /* that received it */
	__u16 ethertype; /* after VLAN tags */
	__u16 source_port_first;
	__u16 source_port_last;
	__u16 destination_port_first;
	__u16 destination_port_last;
	__u8 family; /* 4 or 6 */
	__u8 protocol;
	__u8 icmp_type;
	__u8 copy; /* 1: the packet goes on, and the controller gets a copy */
	__u32 reserved;
};

#define MATCH_USED             0x001 /* the element is one; always set */
#define MATCH_INTERFACE        0x002
#define MATCH_VRF              0x004
#define MATCH_MAC              0x008
#define MATCH_ETHERTYPE        0x010
#define MATCH_FAMILY           0x020
#define MATCH_PROTOCOL         0x040
#define MATCH_SOURCE           0x080
#define MATCH_DESTINATION      0x100
#define MATCH_SOURCE_PORT      0x200
#define MATCH_DESTINATION_PORT 0x400
#define MATCH_ICMP_TYPE        0x800

_Static_assert(sizeof(struct packet_match) == 112, "packet_match");

#endif
