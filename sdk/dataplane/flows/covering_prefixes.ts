// SPDX-License-Identifier: Apache-2.0
/** Changed prefixes, to ask of many addresses whether one of them holds it. */
import { PackedPrefixes } from "../routes/packed_prefixes.ts";
import { PrefixIndex } from "../routes/prefix_index.ts";

/** Asking costs one look-up for each length that occurs in the VRF. */
export class CoveringPrefixes {
  readonly #index: PrefixIndex;
  /** By VRF: the lengths, of the 128 bits of the mapped form. */
  readonly #lengths = new Map<number, Set<number>>();
  readonly #asked = new PackedPrefixes(1);

  constructor(prefixes: PackedPrefixes) {
    this.#index = PrefixIndex.of(prefixes);
    let lengths: Set<number> | undefined;
    let vrf = -1;
    for (let i = 0; i < prefixes.length; i++) {
      // Those of a VRF lie together.
      if (lengths === undefined || prefixes.vrf(i) !== vrf) {
        vrf = prefixes.vrf(i);
        lengths = this.#lengths.get(vrf) ?? new Set();
        this.#lengths.set(vrf, lengths);
      }
      lengths.add(prefixes.bits(i));
    }
  }

  get empty(): boolean {
    return this.#lengths.size === 0;
  }

  /** True when there are prefixes of the VRF. */
  has(vrf: number): boolean {
    return this.#lengths.has(vrf);
  }

  holds(vrf: number, address: Uint8Array): boolean {
    for (const length of this.#lengths.get(vrf) ?? []) {
      this.#asked.setAddress(0, vrf, address, length);
      if (this.#index.find(this.#asked, 0, vrf) >= 0) return true;
    }
    return false;
  }
}
