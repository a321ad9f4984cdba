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

#define CRC32C_POLYNOMIAL 0x82f63b78 /* reflected: the highest bit stands for 1 */
#define CRC32C_BITS       32
#define MAX_LENGTH_BITS   17 /* of a packet's length in bytes */

/* x^(8 * 2^i) modulo the polynomial: 2^i bytes more. */
static const __u32 crc32c_powers[MAX_LENGTH_BITS] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a,
	0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
	0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc, 0xfe7740e6,
};

/*
 * Product of two polynomials modulo that of the CRC. Without branches: one path to verify, and
 * as a function that any program may call, only once.
 */
__attribute__((noinline)) __u32 crc32c_multiply(__u32 a, __u32 b)
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
	__u32 result = change, i;

	for (i = 0; i < MAX_LENGTH_BITS; i++) {
		__u32 multiplied = crc32c_multiply(crc32c_powers[i], result);
		__u32 wanted = -((length >> i) & 1);

		result = (multiplied & wanted) | (result & ~wanted);
	}
	return result;
}

#endif
