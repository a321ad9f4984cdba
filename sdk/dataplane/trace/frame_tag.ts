// SPDX-License-Identifier: Apache-2.0

const TAG_OFFSET = 12;
const ETHERTYPE_VLAN = 0x8100;

/** A frame with an IEEE 802.1Q tag behind its MACs; `tci` 0: without, as it is. */
export function insertTag(frame: Uint8Array, tci: number): Uint8Array {
  if (tci === 0) return frame;
  const tagged = new Uint8Array(frame.byteLength + 4);
  tagged.set(frame.subarray(0, TAG_OFFSET));
  const view = new DataView(tagged.buffer);
  view.setUint16(TAG_OFFSET, ETHERTYPE_VLAN);
  view.setUint16(TAG_OFFSET + 2, tci);
  tagged.set(frame.subarray(TAG_OFFSET), TAG_OFFSET + 4);
  return tagged;
}
