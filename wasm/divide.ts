// SPDX-License-Identifier: Apache-2.0
/** IPv4 packets that are longer than their next hop takes and may be fragmented (RFC 791, RFC 1812 section 5.2.6). */

import { finish, sum } from "./checksum";
import { countDrop, drop } from "./drops";
import { copyRange, freePacket, takeChain } from "./frames";
import { injectReceived } from "./inject";
import { DROP_PACKET_TOO_BIG, DROP_TRAP_FULL, TRAP_META_SIZE } from "./layout";
import * as parsed from "./parse";
import { interfaceIdOf, l3OffsetOf, mtuOf, parseTrapped } from "./trap";

const HEADER: u32 = 20;
const MORE_FRAGMENTS: u32 = 0x2000;
const OFFSET: u32 = 0x1fff;
/** Offsets count units of so many bytes. */
const UNIT: u32 = 8;

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_COPIED: u8 = 0x80;

/** Sends the pieces through the pipeline, in order, each as if it had been received. */
export function divide(packet: usize, length: u32): void {
  const mtu = mtuOf(packet);
  const header: u32 = parseTrapped(packet, length) && parsed.family == 4 ? <u32>(load<u8>(parsed.l3) & 15) << 2 : 0;
  if (header == 0 || mtu < header + UNIT) {
    drop(packet, length, DROP_PACKET_TOO_BIG);
    return;
  }
  const front = l3OffsetOf(packet) + header;
  const payload = <u32>(parsed.end - parsed.l3) - header;
  const room = (mtu - header) & ~(UNIT - 1);
  const word: u32 = bswap<u16>(load<u16>(parsed.l3 + 6));
  for (let done: u32 = 0; done < payload; ) {
    const bytes = min(room, payload - done);
    const piece = takeChain(front + bytes);
    if (piece == 0) {
      countDrop(interfaceIdOf(packet), DROP_TRAP_FULL, length);
      break;
    }
    memory.copy(piece - <u32>TRAP_META_SIZE, packet - <u32>TRAP_META_SIZE, <u32>TRAP_META_SIZE + front);
    copyRange(packet, length, front + done, piece, front + bytes, front, bytes);
    const more = done + bytes < payload ? MORE_FRAGMENTS : word & MORE_FRAGMENTS;
    writeHeader(piece + front - header, header, bytes, more | ((word & OFFSET) + done / UNIT), done != 0);
    injectReceived(piece, front + bytes);
    done += bytes;
  }
  freePacket(packet);
}

/** Makes the copied header that of a piece; `later`: of another than the first. */
function writeHeader(at: usize, header: u32, bytes: u32, word: u32, later: bool): void {
  if (later) dropOptions(at + HEADER, at + header);
  store<u16>(at + 2, bswap<u16>(<u16>(header + bytes)));
  store<u16>(at + 6, bswap<u16>(<u16>word));
  store<u16>(at + 10, 0);
  store<u16>(at + 10, finish(sum(at, header, 0)));
}

/** Puts nothing in the place of options that are for the first piece only (RFC 791: copied flag). */
function dropOptions(at: usize, end: usize): void {
  while (at < end) {
    const type = load<u8>(at);
    if (type == OPTION_END) return;
    if (type == OPTION_NOP) {
      at++;
      continue;
    }
    const size: u32 = at + 1 < end ? load<u8>(at + 1) : 0;
    if (size < 2 || at + size > end) return;
    if ((type & OPTION_COPIED) == 0) memory.fill(at, OPTION_NOP, size);
    at += size;
  }
}
