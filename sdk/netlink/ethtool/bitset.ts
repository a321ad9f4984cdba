// SPDX-License-Identifier: Apache-2.0
/** Sets of named bits in ethtool's messages (`ETHTOOL_A_BITSET_*`, `linux/ethtool_netlink.h`), in their verbose form. */

import { AttributeTable, type ByteRegion, forEachAttribute } from "../attribute.ts";
import type { MessageWriter } from "../message.ts";

const ETHTOOL_A_BITSET_NOMASK = 1;
const ETHTOOL_A_BITSET_BITS = 3;
const ETHTOOL_A_BITSET_BITS_BIT = 1;
const ETHTOOL_A_BITSET_BIT_NAME = 2;
const ETHTOOL_A_BITSET_BIT_VALUE = 3;

const bit = new AttributeTable(ETHTOOL_A_BITSET_BIT_VALUE);

/**
 * The bits that a bitset in [start, end) lists, with their values. The kernel lists the bits of its mask; a
 * set without a mask has only the bits that are 1.
 */
export function readBitset(region: ByteRegion, start: number, end: number): Map<string, boolean> {
  const bits = new Map<string, boolean>();
  let hasMask = true;
  forEachAttribute(region, start, end, (type, from, to) => {
    if (type === ETHTOOL_A_BITSET_NOMASK) hasMask = false;
    if (type !== ETHTOOL_A_BITSET_BITS) return;
    forEachAttribute(region, from, to, (itemType, itemFrom, itemTo) => {
      if (itemType !== ETHTOOL_A_BITSET_BITS_BIT) return;
      const name = bit.read(region, itemFrom, itemTo).string(ETHTOOL_A_BITSET_BIT_NAME);
      if (name !== undefined) bits.set(name, !hasMask || bit.has(ETHTOOL_A_BITSET_BIT_VALUE));
    });
  });
  return bits;
}

/** Writes a request to set the named bits and to leave all others. */
export function writeBitset(writer: MessageWriter, type: number, bits: Iterable<readonly [string, boolean]>): void {
  writer.nest(type, () =>
    writer.nest(ETHTOOL_A_BITSET_BITS, () => {
      for (const [name, value] of bits) {
        writer.nest(ETHTOOL_A_BITSET_BITS_BIT, () => {
          writer.string(ETHTOOL_A_BITSET_BIT_NAME, name);
          if (value) writer.flag(ETHTOOL_A_BITSET_BIT_VALUE);
        });
      }
    }),
  );
}
