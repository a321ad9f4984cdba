// SPDX-License-Identifier: Apache-2.0
/**
 * IP addresses, prefixes and MAC addresses: text to bytes and back.
 *
 * Every IP address is 16 bytes in network byte order; IPv4 is IPv4-mapped (`::ffff:a.b.c.d`, RFC 4291
 * section 2.5.5.2), as in `bpf/abi.h`.
 */

export type Family = 4 | 6;

/** An IP address. */
export interface IpAddress {
  readonly family: Family;
  /** 16 bytes, network byte order, IPv4 mapped. */
  readonly bytes: Uint8Array;
}

/** An IP prefix. `bytes` may have bits behind `length`; see {@link hasHostBits}. */
export interface Prefix extends IpAddress {
  /** In bits of its own family: 0..32 or 0..128. */
  readonly length: number;
}

/** Where the four bytes of a mapped IPv4 address begin. */
export const MAPPED_OFFSET = 12;

const ZERO = 48;
const DOT = 46;
const COLON = 58;

/** Writes the dotted quad `text[from..to)` at `offset`; false when it is none. Leading zeros are refused (they mean octal elsewhere). */
function parseQuad(text: string, from: number, to: number, bytes: Uint8Array, offset: number): boolean {
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let i = from; i <= to; i++) {
    const c = i === to ? DOT : text.charCodeAt(i);
    if (c === DOT) {
      if (digits === 0 || value > 255 || part === 4) return false;
      bytes[offset + part] = value;
      part++;
      digits = 0;
      value = 0;
      continue;
    }
    const digit = c - ZERO;
    if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return false;
    value = value * 10 + digit;
    digits++;
    if (digits > 3) return false;
  }
  return part === 4;
}

function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  if (c >= 97 && c <= 102) return c - 87;
  if (c >= 65 && c <= 70) return c - 55;
  return -1;
}

/** Parses RFC 4291 section 2.2 text (all three forms) into `bytes`. */
function parseV6(text: string, to: number, bytes: Uint8Array): boolean {
  let at = 0;
  let gap = -1;
  let i = 0;
  if (text.startsWith("::")) {
    gap = 0;
    i = 2;
  }
  while (i < to) {
    let value = 0;
    let digits = 0;
    const start = i;
    for (; i < to; i++) {
      const digit = hexDigit(text.charCodeAt(i));
      if (digit < 0) break;
      value = (value << 4) | digit;
      digits++;
    }
    if (i < to && text.charCodeAt(i) === DOT) {
      if (at > 12 || !parseQuad(text, start, to, bytes, at)) return false;
      at += 4;
      i = to;
      break;
    }
    if (digits === 0 || digits > 4 || at > 14) return false;
    bytes[at] = value >> 8;
    bytes[at + 1] = value & 255;
    at += 2;
    if (i === to) break;
    if (text.charCodeAt(i) !== COLON) return false;
    i++;
    if (i < to && text.charCodeAt(i) === COLON) {
      if (gap >= 0) return false;
      gap = at;
      i++;
      if (i === to) break;
    } else if (i === to) {
      return false;
    }
  }
  if (gap < 0) return at === 16;
  if (at > 14) return false;
  bytes.copyWithin(16 - (at - gap), gap, at);
  bytes.fill(0, gap, 16 - (at - gap));
  return true;
}

/** True for 16 bytes that hold a mapped IPv4 address. */
export function isMapped(bytes: Uint8Array): boolean {
  if (bytes[10] !== 255 || bytes[11] !== 255) return false;
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Parses `text[0..to)` into the 16 zero bytes `bytes`; the family, or `undefined` when it is no address. */
function parseInto(text: string, to: number, bytes: Uint8Array): Family | undefined {
  if (text.indexOf(":") < 0) {
    if (!parseQuad(text, 0, to, bytes, MAPPED_OFFSET)) return undefined;
    bytes[10] = 255;
    bytes[11] = 255;
    return 4;
  }
  if (!parseV6(text.slice(0, to), to, bytes)) return undefined;
  // An IPv4-mapped address in IPv6 text would be the same 16 bytes as the IPv4 address.
  return isMapped(bytes) ? undefined : 6;
}

/** Parses an IPv4 or IPv6 address; `undefined` when it is none. No zone, no IPv4-mapped IPv6 text. */
export function parseAddress(text: string): IpAddress | undefined {
  const bytes = new Uint8Array(16);
  const family = parseInto(text, text.length, bytes);
  return family === undefined ? undefined : { family, bytes };
}

/** Parses the decimal number `text[from..]`, without leading zeros, up to `most`. */
function parseLength(text: string, from: number, most: number): number | undefined {
  const digits = text.length - from;
  if (digits < 1 || digits > 3 || (digits > 1 && text.charCodeAt(from) === ZERO)) return undefined;
  let length = 0;
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
  }
  return length <= most ? length : undefined;
}

/** Parses `address/length`, or an address alone as its host prefix; `undefined` when it is none. */
export function parsePrefix(text: string): Prefix | undefined {
  return prefixInto(text, new Uint8Array(16));
}

function prefixInto(text: string, bytes: Uint8Array): Prefix | undefined {
  const slash = text.indexOf("/");
  const family = parseInto(text, slash < 0 ? text.length : slash, bytes);
  if (family === undefined) return undefined;
  const most = family === 4 ? 32 : 128;
  const length = slash < 0 ? most : parseLength(text, slash + 1, most);
  return length === undefined ? undefined : { family, bytes, length };
}

/** For what looks at a prefix and does not keep it: a hundred thousand of them would be as many arrays. */
const scratch = new Uint8Array(16);

/** True for what `parsePrefix` understands. */
export function isPrefix(text: string): boolean {
  scratch.fill(0);
  return prefixInto(text, scratch) !== undefined;
}

const scratchView = new DataView(scratch.buffer);

/**
 * Parses `address/length`, or an address alone, into numbers: the four words of the address, the highest first, and the
 * length in the 128 bits of the mapped form. Nothing is allocated that stays.
 * @param words gets the five numbers.
 * @returns false when it is no prefix.
 */
export function prefixWords(text: string, words: Uint32Array): boolean {
  scratch.fill(0);
  const prefix = prefixInto(text, scratch);
  if (prefix === undefined) return false;
  for (let i = 0; i < 4; i++) words[i] = scratchView.getUint32(4 * i);
  words[4] = mappedLength(prefix);
  return true;
}

/** The one text of a prefix, without host bits: `10.97.0.0/16`; `undefined` when it is none. */
export function canonicalPrefix(text: string): string | undefined {
  scratch.fill(0);
  const prefix = prefixInto(text, scratch);
  if (prefix === undefined) return undefined;
  // Dotted quads have no second spelling.
  if (prefix.family === 4 && text.includes("/") && !hasHostBits(prefix)) return text;
  return formatPrefix(networkOf(prefix));
}

/** Length of a prefix in the 128 bits of the mapped form: IPv4 prefixes begin at bit 96. */
export function mappedLength(prefix: Prefix): number {
  return prefix.family === 4 ? prefix.length + 96 : prefix.length;
}

/** True when bits behind the prefix length are set. */
export function hasHostBits(prefix: Prefix): boolean {
  const length = mappedLength(prefix);
  let byte = length >> 3;
  if ((length & 7) !== 0) {
    if (((prefix.bytes[byte] ?? 0) & (255 >> (length & 7))) !== 0) return true;
    byte++;
  }
  for (; byte < 16; byte++) if (prefix.bytes[byte] !== 0) return true;
  return false;
}

/** The prefix without its host bits. */
export function networkOf(prefix: Prefix): Prefix {
  const bytes = prefix.bytes.slice();
  const length = mappedLength(prefix);
  const byte = length >> 3;
  if (byte < 16) {
    bytes[byte] = (bytes[byte] ?? 0) & ~(255 >> (length & 7));
    bytes.fill(0, byte + 1);
  }
  return { family: prefix.family, bytes, length: prefix.length };
}

/** True when `address` lies in `prefix`. */
export function contains(prefix: Prefix, address: IpAddress): boolean {
  if (prefix.family !== address.family) return false;
  const length = mappedLength(prefix);
  const whole = length >> 3;
  for (let i = 0; i < whole; i++) if (prefix.bytes[i] !== address.bytes[i]) return false;
  const rest = length & 7;
  return rest === 0 || (((prefix.bytes[whole] ?? 0) ^ (address.bytes[whole] ?? 0)) & ~(255 >> rest) & 255) === 0;
}

/** Text of 16 address bytes: dotted quad for mapped IPv4, else RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
  if (isMapped(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  let gap = -1;
  let gapLength = 1; // a single zero group is not shortened
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && bytes[2 * (i + n)] === 0 && bytes[2 * (i + n) + 1] === 0) n++;
    if (n > gapLength) {
      gap = i;
      gapLength = n;
    }
    if (n > 0) i += n;
  }
  let text = "";
  for (let i = 0; i < 8; i++) {
    if (i === gap) {
      text += "::";
      i += gapLength - 1;
      continue;
    }
    if (text !== "" && !text.endsWith("::")) text += ":";
    text += (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16);
  }
  return text;
}

/** `address/length`. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.bytes)}/${prefix.length}`;
}

/** True for 169.254.0.0/16 and fe80::/10. */
export function isLinkLocal(address: IpAddress): boolean {
  const b = address.bytes;
  if (address.family === 4) return b[12] === 169 && b[13] === 254;
  return b[0] === 0xfe && ((b[1] ?? 0) & 0xc0) === 0x80;
}

/** True for multicast addresses, the IPv4 limited broadcast, the unspecified and the loopback address: none of a host on a link. */
export function isUnusableForHost(address: IpAddress): boolean {
  const b = address.bytes;
  if (address.family === 4) {
    const first = b[12] ?? 0;
    return first >= 224 || first === 127 || first === 0;
  }
  return b[0] === 0xff || (b.subarray(0, 15).every((x) => x === 0) && (b[15] ?? 0) <= 1);
}

const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i;

/** Parses `aa:bb:cc:dd:ee:ff`; `undefined` when it is none. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!MAC.test(text)) return undefined;
  return Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
}

/** `aa:bb:cc:dd:ee:ff` of six bytes. */
export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes.subarray(0, 6), (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
