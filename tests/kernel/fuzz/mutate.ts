// SPDX-License-Identifier: Apache-2.0
/** Random changes of a frame, most of them such that it gets past the first check. */

import { fields, setField } from "./fields.ts";
import { headersOf, repairChecksums, repairLengths } from "./headers.ts";
import type { Random } from "./random.ts";

const BYTES = [0, 1, 2, 4, 6, 17, 0x40, 0x45, 0x60, 0x7f, 0x80, 0xfe, 0xff];

/** A frame in a buffer that may be longer. */
export interface Draft {
  readonly bytes: Uint8Array;
  length: number;
}

type Mutation = (draft: Draft, random: Random, other: Uint8Array) => void;

const flipBit: Mutation = ({ bytes, length }, random) => {
  const at = random.below(length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
};

const setByte: Mutation = ({ bytes, length }, random) => {
  bytes[random.below(length)] = random.chance(50) ? random.of(BYTES) : random.word() & 255;
};

/** A field of one of the headers gets a value that lies, or any. */
const spoilField: Mutation = ({ bytes, length }, random) => {
  const { kind, at } = random.of(headersOf(bytes, length));
  const list = fields[kind];
  if (list.length === 0) return;
  const field = random.of(list);
  setField(bytes, at, field, random.chance(80) ? random.of(field.values) : random.word() & 0xffff);
};

const cut: Mutation = (draft, random) => {
  draft.length = 1 + random.below(draft.length);
};

const extend: Mutation = (draft, random) => {
  const more = Math.min(random.below(64), draft.bytes.length - draft.length);
  draft.bytes.fill(random.chance(50) ? 0 : random.word() & 255, draft.length, draft.length + more);
  draft.length += more;
};

const remove: Mutation = (draft, random) => {
  const at = random.below(draft.length);
  const count = Math.min(1 + random.below(16), draft.length - at);
  draft.bytes.copyWithin(at, at + count, draft.length);
  draft.length = Math.max(1, draft.length - count);
};

const insert: Mutation = (draft, random) => {
  const at = random.below(draft.length);
  const count = Math.min(1 + random.below(16), draft.bytes.length - draft.length);
  draft.bytes.copyWithin(at + count, at, draft.length);
  for (let i = 0; i < count; i++) draft.bytes[at + i] = random.word() & 255;
  draft.length += count;
};

/** What another frame has from one of its headers on, behind one of this one's. */
const splice: Mutation = (draft, random, other) => {
  const at = random.of(headersOf(draft.bytes, draft.length)).at;
  const from = random.of(headersOf(other)).at;
  const tail = other.subarray(from, from + draft.bytes.length - at);
  draft.bytes.set(tail, at);
  draft.length = Math.max(1, at + tail.length);
};

const noise: Mutation = (draft, random) => {
  const at = random.chance(50) ? 0 : random.below(draft.length);
  for (let i = at; i < draft.length; i++) draft.bytes[i] = random.word() & 255;
};

/** Some more often than others. */
const MUTATIONS: readonly Mutation[] = [
  ...[spoilField, spoilField, spoilField, spoilField, flipBit, flipBit, setByte, setByte],
  ...[cut, extend, remove, insert, splice, splice, noise],
];

/** Changes the draft in up to four ways; `other` is a frame to take parts of. */
export function mutate(draft: Draft, random: Random, other: Uint8Array): void {
  for (let count = random.below(5); count > 0; count--) random.of(MUTATIONS)(draft, random, other);
  // A wrong checksum ends the walk at once: seldom of interest.
  if (random.chance(20)) return;
  const headers = headersOf(draft.bytes, draft.length);
  if (random.chance(60)) repairLengths(draft.bytes, headers, draft.length);
  repairChecksums(draft.bytes, headers, draft.length);
}
