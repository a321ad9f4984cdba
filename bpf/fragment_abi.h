/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The ports of datagrams that came in fragments.
 */
#ifndef WEIR_FRAGMENT_ABI_H
#define WEIR_FRAGMENT_ABI_H

#include <linux/types.h>

/* Key of `fragments`: the datagram that a fragment is part of. */
struct fragment_key { /* 44 bytes */
	__u32 vrf;
	__u8 source[16]; /* IPv4: mapped */
	__u8 destination[16];
	__be32 identification; /* IPv4: in the last two bytes */
	__u8 protocol; /* IPv4 (RFC 791); IPv6: 0, it does not count (RFC 8200 section 4.5) */
	__u8 reserved[3];
};

/* What its first fragment told, or who waits for that. */
struct fragment_entry { /* 16 bytes */
	__u64 seen;
	__be16 source_port;
	__be16 destination_port;
	__u8 flags;  /* FRAGMENT_* */
	__u8 worker; /* FRAGMENT_AWAITED: where later ones wait */
	__u8 protocol;
	__u8 reserved;
};

#define FRAGMENT_PORTS   0x1 /* the ports are known, and the protocol */
#define FRAGMENT_AWAITED 0x2 /* later fragments came before the first */

_Static_assert(sizeof(struct fragment_key) == 44, "fragment_key");
_Static_assert(sizeof(struct fragment_entry) == 16, "fragment_entry");

#endif
