/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Options of a TCP header (RFC 9293 section 3.1). */
#ifndef WEIR_TCP_OPTION_H
#define WEIR_TCP_OPTION_H

#include "parse_l4.h"

#define TCP_OPTION_END         0
#define TCP_OPTION_NOP         1
#define TCP_OPTION_MSS         2
#define TCP_OPTION_MSS_BYTES   4
#define TCP_OPTION_SCALE       3 /* RFC 7323 section 2.2 */
#define TCP_OPTION_SCALE_BYTES 3
#define MAX_TCP_OPTIONS        40 /* bytes */

/*
 * Offset of the value of the option of `kind`, `bytes` long with its head; 0 if there is none.
 * `end`: behind the TCP header.
 */
static __always_inline __u32 tcp_option_find(const struct packet *p, __u8 kind, __u8 bytes,
					     __u32 end)
{
	__u32 at = forget_range(p->walk, p->walk->l4_offset + MIN_TCP_BYTES);
	__u32 i;

	for (i = 0; i < MAX_TCP_OPTIONS; i++) {
		__u8 *option;
		__u32 length;

		if (at + bytes > end)
			return 0;
		option = packet_at(p, at, bytes);
		if (!option || option[0] == TCP_OPTION_END)
			return 0;
		if (option[0] == kind)
			return option[1] == bytes ? at + 2 : 0;
		length = option[0] == TCP_OPTION_NOP ? 1 : option[1];
		if (length < 2 && option[0] != TCP_OPTION_NOP)
			return 0;
		at = forget_range(p->walk, at + length);
	}
	return 0;
}

#endif
