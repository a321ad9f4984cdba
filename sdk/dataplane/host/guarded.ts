// SPDX-License-Identifier: Apache-2.0
/**
 * Destinations that the host goes on reaching by itself, whatever routes a VRF has: were the ends of tunnels led to Weir,
 * tunnels would be led into themselves.
 */
import { contains, mappedLength, networkOf, type Prefix, parseAddress } from "../../address.ts";
import type { DesiredState } from "../state/desired.ts";

/** Remotes of tunnels, gateways on the fabric, and who is on its links; asked about by prefix. */
export class GuardedAddresses {
  /** 16 bytes each, as hexadecimal text, in order. */
  readonly #sorted: readonly string[];
  readonly #links: readonly Prefix[];

  private constructor(sorted: readonly string[], links: readonly Prefix[]) {
    this.#sorted = sorted;
    this.#links = links;
  }

  /** @param links prefixes of the fabric's devices. */
  static of(state: DesiredState, links: readonly Prefix[]): GuardedAddresses {
    const texts = new Set<string>();
    for (const { remote, gateway } of state.objects("nexthops")) {
      for (const text of [remote, gateway]) {
        const address = text === undefined ? undefined : parseAddress(text);
        if (address !== undefined) texts.add(address.bytes.toHex());
      }
    }
    return new GuardedAddresses([...texts].sort(), links);
  }

  /** True if the prefix is one of them, or has one of them in it. */
  guards(prefix: Prefix): boolean {
    return this.#links.some((link) => link.length <= prefix.length && contains(link, prefix)) || this.#hasEnd(prefix);
  }

  #hasEnd(prefix: Prefix): boolean {
    const first = networkOf(prefix).bytes.toHex();
    const found = this.#sorted[this.#lowerBound(first)];
    return found !== undefined && found <= lastOf(first, mappedLength(prefix));
  }

  #lowerBound(text: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] ?? "") < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The last address of a prefix, of its first one and its length in 128 bits. */
function lastOf(first: string, length: number): string {
  const digits = length >> 2;
  const rest = length & 3;
  if (digits === first.length) return first;
  const split = (Number.parseInt(first[digits] ?? "0", 16) | (15 >> rest)).toString(16);
  return (first.slice(0, digits) + split).padEnd(first.length, "f");
}
