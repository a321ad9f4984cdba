// SPDX-License-Identifier: Apache-2.0
/** Ethernet headers of answers: the one that came, turned round, with its VLAN tags. */

/** Swaps source and destination MAC. */
export function turnRound(packet: usize): void {
  const destinationHigh = load<u32>(packet);
  const destinationLow = load<u16>(packet + 4);
  store<u32>(packet, load<u32>(packet + 6));
  store<u16>(packet + 4, load<u16>(packet + 10));
  store<u32>(packet + 6, destinationHigh);
  store<u16>(packet + 10, destinationLow);
}

/** True if a frame was sent to a group: broadcast or multicast. */
// @ts-ignore: decorator
@inline
export function isGroupFrame(packet: usize): bool {
  return (load<u8>(packet) & 1) != 0;
}

/** Writes the six bytes at `mac` to `to`. */
// @ts-ignore: decorator
@inline
export function copyMac(to: usize, mac: usize): void {
  store<u32>(to, load<u32>(mac));
  store<u16>(to + 4, load<u16>(mac + 4));
}
