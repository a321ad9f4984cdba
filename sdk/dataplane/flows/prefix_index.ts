// SPDX-License-Identifier: Apache-2.0
/** Changed prefixes, to ask of many addresses whether one of them holds it. */

/** Prefixes of one VRF each; asking costs one look-up for each length that occurs. */
export class PrefixIndex {
  /** By VRF, by length in the 128 bits of the mapped form: the leading bits. */
  readonly #byVrf = new Map<number, Map<number, Set<string>>>();

  add(vrf: number, bytes: Uint8Array, length: number): void {
    const byLength = this.#byVrf.get(vrf) ?? new Map<number, Set<string>>();
    this.#byVrf.set(vrf, byLength);
    const prefixes = byLength.get(length) ?? new Set<string>();
    byLength.set(length, prefixes.add(leading(bytes, length)));
  }

  get empty(): boolean {
    return this.#byVrf.size === 0;
  }

  /** True when there are prefixes of the VRF. */
  has(vrf: number): boolean {
    return this.#byVrf.has(vrf);
  }

  holds(vrf: number, address: Uint8Array): boolean {
    const byLength = this.#byVrf.get(vrf);
    if (byLength === undefined) return false;
    for (const [length, prefixes] of byLength) if (prefixes.has(leading(address, length))) return true;
    return false;
  }
}

/** The first `length` bits as a string. */
function leading(bytes: Uint8Array, length: number): string {
  const whole = length >> 3;
  let text = "";
  for (let i = 0; i < whole; i++) text += String.fromCharCode(bytes[i] ?? 0);
  const rest = length & 7;
  return rest === 0 ? text : text + String.fromCharCode((bytes[whole] ?? 0) & ~(255 >> rest) & 255);
}
