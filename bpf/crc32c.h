/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * SCTP's checksum (RFC 9260 section 6.8, appendix A) after a change of the ports, without
 * reading the packet: a CRC is linear, so that it changes by what the change alone would
 * have as CRC.
 */
#ifndef WEIR_CRC32C_H
#define WEIR_CRC32C_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define CRC32C_POLYNOMIAL 0x82f63b78       /* reflected: the highest bit stands for 1 */
#define CRC32C_X8         (1U << (31 - 8)) /* x^8: eight bits more */
#define CRC32C_BITS       32
#define MAX_LENGTH_BITS   17 /* of a packet's length in bytes */

/* Product of two polynomials modulo that of the CRC. Without branches: one path to verify. */
static __always_inline __u32 crc32c_multiply(__u32 a, __u32 b)
{
	__u32 product = 0, i;

	for (i = 0; i < CRC32C_BITS; i++) {
		product ^= b & -(a >> 31);
		a <<= 1;
		b = (b >> 1) ^ (CRC32C_POLYNOMIAL & -(b & 1));
	}
	return product;
}

/*
 * What a change of a packet's first four bytes, `change` in little endian, changes in the
 * CRC of all its `length` bytes.
 */
__attribute__((noinline)) __u32 crc32c_change(__u32 change, __u32 length)
{
	__u32 power = CRC32C_X8, result = change, i;

	for (i = 0; i < MAX_LENGTH_BITS; i++) {
		__u32 multiplied = crc32c_multiply(power, result);
		__u32 wanted = -((length >> i) & 1);

		result = (multiplied & wanted) | (result & ~wanted);
		power = crc32c_multiply(power, power);
	}
	return result;
}

#endif
