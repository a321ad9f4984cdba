// SPDX-License-Identifier: Apache-2.0
/** Keys of the route tables, to and from packed prefixes. */
import { type Family, MAPPED_OFFSET } from "../../address.ts";
import { route4KeyCodec, route6KeyCodec } from "../../layout/index.ts";
import { MAPPED_BITS, type PackedPrefixes } from "../routes/packed_prefixes.ts";

/** The VRF's number is part of what is matched: bits before the address. */
const VRF_BITS = 32;

/** Writes the key of a prefix, with the VRF's number in the kernel, at `base`. */
export function writePackedRouteKey(
  family: Family,
  view: DataView,
  base: number,
  prefixes: PackedPrefixes,
  index: number,
): void {
  const codec = family === 4 ? route4KeyCodec : route6KeyCodec;
  codec.prefixLength.set(view, base, VRF_BITS + prefixes.prefixLength(index));
  codec.vrf.set(view, base, prefixes.vrf(index));
  if (family === 4) route4KeyCodec.address.set(view, base, prefixes.word(index, 3));
  else prefixes.writeAddress(index, view, base + route6KeyCodec.address.offset);
}

/** Overwrites the prefix at `index` by that of a key. */
export function readPackedRouteKey(family: Family, key: Uint8Array, prefixes: PackedPrefixes, index: number): void {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const codec = family === 4 ? route4KeyCodec : route6KeyCodec;
  const bits = codec.prefixLength.get(view, 0) - VRF_BITS;
  const vrf = codec.vrf.get(view, 0);
  if (family === 6) {
    prefixes.setAddress(index, vrf, route6KeyCodec.address.bytes(key, 0), bits);
    return;
  }
  const mapped = new Uint8Array(16).fill(255, MAPPED_OFFSET - 2, MAPPED_OFFSET);
  new DataView(mapped.buffer).setUint32(MAPPED_OFFSET, route4KeyCodec.address.get(view, 0));
  prefixes.setAddress(index, vrf, mapped, MAPPED_BITS + bits);
}
