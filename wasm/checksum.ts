// SPDX-License-Identifier: Apache-2.0
/**
 * The Internet checksum (RFC 1071). Sums are over little-endian words: the one's complement sum does not
 * depend on the byte order (section 2 (B)), so results are stored as they are.
 */

/** Adds `length` bytes to `initial`. A trailing odd byte is padded with zero. */
export function sum(address: usize, length: usize, initial: u64): u64 {
  let total = initial;
  const end = address + length;
  // 32-bit words into 64 bits: no carry is lost below 2^32 words.
  while (address + 8 <= end) {
    const word = load<u64>(address);
    total += (word & 0xffff_ffff) + (word >> 32);
    address += 8;
  }
  if (address + 4 <= end) {
    total += load<u32>(address);
    address += 4;
  }
  if (address + 2 <= end) {
    total += load<u16>(address);
    address += 2;
  }
  if (address < end) total += load<u8>(address);
  return total;
}

/** The checksum of a sum, ready to be stored with `store<u16>`. */
export function finish(total: u64): u16 {
  total = (total & 0xffff_ffff) + (total >> 32);
  total = (total & 0xffff_ffff) + (total >> 32);
  total = (total & 0xffff) + (total >> 16);
  total = (total & 0xffff) + (total >> 16);
  total = (total & 0xffff) + (total >> 16);
  return <u16>~total;
}

/** Sum of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1); source and destination lie in sequence. */
export function pseudo(addresses: usize, byteLength: usize, protocol: u8, length: u32): u64 {
  return sum(addresses, byteLength, (<u64>protocol << 8) + <u64>bswap<u32>(length));
}
