/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The UDP checksum of tunnel packets that have one. It takes the whole payload, so it is the
 * only sum of that kind here; most senders leave it 0, as Weir does.
 */
#ifndef WEIR_UDP_CHECKSUM_H
#define WEIR_UDP_CHECKSUM_H

#include "tunnel.h"

#define SUMMED_BYTES 64
#define MAX_SUMMED   144 /* times SUMMED_BYTES: a jumbo frame */

/* What is summed besides the segment (RFC 768, RFC 8200 section 8.1); IPv4 in the last words. */
struct pseudo_header {
	__u8 source[16];
	__u8 destination[16];
	__be32 length;
	__be32 protocol;
};

static __always_inline __u16 fold_sum(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Of the walk's packet, with `length` bytes from its upper layer on. */
static __always_inline __s64 pseudo_sum(const struct walk *w, __u32 length)
{
	struct pseudo_header pseudo = {};

	if (w->family == 4) {
		__builtin_memcpy(pseudo.source, &w->key.v4.source, 4);
		__builtin_memcpy(pseudo.destination, &w->key.v4.destination, 4);
	} else {
		__builtin_memcpy(pseudo.source, w->key.v6.source, 16);
		__builtin_memcpy(pseudo.destination, w->key.v6.destination, 16);
	}
	pseudo.length = bpf_htonl(length);
	pseudo.protocol = bpf_htonl(w->protocol);
	return bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
}

static __always_inline long load_bytes(const struct packet *p, __u32 at, void *to, __u32 size)
{
	return p->hook == HOOK_XDP ? bpf_xdp_load_bytes(p->xdp, at, to, size)
				   : bpf_skb_load_bytes(p->skb, at, to, size);
}

/* Whether the UDP checksum of the parsed packet is wrong. Longer ones than MAX_SUMMED are believed. */
static __always_inline int udp_checksum_fails(const struct packet *p)
{
	struct walk *w = p->walk;
	struct udp_header *udp = packet_at(p, w->l4_offset, sizeof(*udp));
	__u8 bytes[SUMMED_BYTES];
	__u32 at = w->l4_offset;
	__u32 left, seed, i;
	__s64 sum;

	if (!udp || !udp->checksum || (w->flags & WALK_GSO))
		return 0;
	left = bpf_ntohs(udp->length);
	if (left > w->length || left > SUMMED_BYTES * MAX_SUMMED)
		return 0;
	sum = pseudo_sum(w, left);
	/* The sender's device was to finish it, and there was none on the way. */
	seed = fold_sum(sum);
	if (udp->checksum == seed)
		return 0;
	for (i = 0; i < MAX_SUMMED; i++) {
		if (left < SUMMED_BYTES)
			break;
		if (load_bytes(p, at, bytes, SUMMED_BYTES))
			return 0;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)bytes, SUMMED_BYTES, sum);
		at += SUMMED_BYTES;
		left -= SUMMED_BYTES;
	}
	if (left) {
		/* Linux 6.1 does not see from the test that it is not 0: 1 to SUMMED_BYTES. */
		left = ((left - 1) & (SUMMED_BYTES - 1)) + 1;
		asm volatile("" : "+r"(left));
		__builtin_memset(bytes, 0, sizeof(bytes));
		if (load_bytes(p, at, bytes, left))
			return 0;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)bytes, SUMMED_BYTES, sum);
	}
	return fold_sum(sum) != 0xffff;
}
STAGE(udp_checksum_fails)

/*
 * Whether the checksum of the parsed TCP or UDP packet is still to be finished by a device:
 * the one of a tunnel around it counts on that, and cannot be verified before.
 */
static __always_inline int checksum_is_partial(const struct packet *p)
{
	struct walk *w = p->walk;
	__u32 length = w->ip_length - (w->l4_offset - w->l3_offset);
	__u32 offset = w->protocol == IPPROTO_TCP ? __builtin_offsetof(struct tcphdr, check)
						  : __builtin_offsetof(struct udp_header, checksum);
	__be16 *check;

	if (!w->family || !w->l4_offset ||
	    (w->protocol != IPPROTO_TCP && w->protocol != IPPROTO_UDP))
		return 0;
	check = packet_at(p, w->l4_offset + offset, sizeof(*check));
	return check && *check == fold_sum(pseudo_sum(w, length));
}
STAGE(checksum_is_partial)

#endif
