// SPDX-License-Identifier: Apache-2.0
/** Compiles the members of address sets (struct address_sets), apart from the rules that name the sets. */

import { addressSetsCodec, addressSetsLayout } from "../../layout/index.ts";
import { rowWidth, writeIntervalIndex } from "./interval_index.ts";
import { parseNetwork } from "./match_fields.ts";
import { NodePool } from "./node_pool.ts";
import { IPV4, IPV6, type Span, spansOf4, spansOf6 } from "./spans.ts";
import { TableImage } from "./table_image.ts";

interface Members {
  readonly ipv4: readonly Span<number>[];
  readonly ipv6: readonly Span<bigint>[];
}

const NOBODY: Members = { ipv4: [], ipv6: [] };

/** Members as they were read, by the list that they were given in: an update reads the set that it is of. */
const read = new WeakMap<readonly string[], Members>();

function membersOf(name: string, prefixes: readonly string[]): Members {
  const known = read.get(prefixes);
  if (known !== undefined) return known;
  const parsed = prefixes.map((text) => parseNetwork(text, `set "${name}"`));
  const members = {
    ipv4: spansOf4(parsed.filter(({ family }) => family === 4)),
    ipv6: spansOf6(parsed.filter(({ family }) => family === 6)),
  };
  read.set(prefixes, members);
  return members;
}

/**
 * Compiles the sets that rules name.
 * @param names as `CompiledPolicy.sets`; the position of a set is its number
 * @param prefixSets their members; lists are not changed once they were given
 * @param room bytes
 * @throws WeirError `EINVALIDSTATE` naming the set, `ENOSPC` if they are too many
 */
export function compileAddressSets(
  names: readonly (string | undefined)[],
  prefixSets: ReadonlyMap<string, readonly string[]> | undefined,
  room: number = Number.POSITIVE_INFINITY,
): Uint8Array<ArrayBuffer> {
  const sets = names.map((name) => (name === undefined ? NOBODY : membersOf(name, prefixSets?.get(name) ?? [])));
  const image = new TableImage("address sets", room, "use fewer or larger prefixes");
  const base = image.take(addressSetsLayout.size);
  const pool = new NodePool(image);
  const ipv4 = sets.map((set, i) => ({ spans: set.ipv4, members: [i] }));
  const ipv6 = sets.map((set, i) => ({ spans: set.ipv6, members: [i] }));
  writeIntervalIndex(image, pool, base + addressSetsCodec.ipv4.offset, IPV4, sets.length, [ipv4]);
  writeIntervalIndex(image, pool, base + addressSetsCodec.ipv6.offset, IPV6, sets.length, [ipv6]);
  addressSetsCodec.setCount.set(image.view, base, sets.length);
  addressSetsCodec.width.set(image.view, base, rowWidth(sets.length));
  addressSetsCodec.bytes.set(image.view, base, image.size);
  return image.bytes();
}
