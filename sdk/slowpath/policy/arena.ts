// SPDX-License-Identifier: Apache-2.0

/** Places begin at multiples of a line of the processor's caches: nodes of bitmaps are one each. */
const ALIGNMENT = 64;

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Hands out places in a piece of memory: the first that is large enough. */
export class Arena {
  /** Free pieces, by their offsets; no two touch. */
  readonly #free: { at: number; bytes: number }[];

  /** @param at a multiple of 64. */
  constructor(at: number, bytes: number) {
    this.#free = [{ at, bytes: Math.floor(bytes / ALIGNMENT) * ALIGNMENT }];
  }

  /** Offset of a place; `undefined`: no free piece is large enough. */
  take(bytes: number): number | undefined {
    const wanted = aligned(bytes);
    const index = this.#free.findIndex((piece) => piece.bytes >= wanted);
    const piece = this.#free[index];
    if (piece === undefined) return undefined;
    const { at } = piece;
    piece.at += wanted;
    piece.bytes -= wanted;
    if (piece.bytes === 0) this.#free.splice(index, 1);
    return at;
  }

  /** Gives back a place that `take(bytes)` returned. */
  give(at: number, bytes: number): void {
    const piece = { at, bytes: aligned(bytes) };
    const index = this.#free.findIndex((other) => other.at > at);
    const where = index < 0 ? this.#free.length : index;
    this.#free.splice(where, 0, piece);
    this.#join(where);
    this.#join(where - 1);
  }

  /** Joins a piece with the one behind it if they touch. */
  #join(index: number): void {
    const [piece, next] = [this.#free[index], this.#free[index + 1]];
    if (piece === undefined || next === undefined || piece.at + piece.bytes !== next.at) return;
    piece.bytes += next.bytes;
    this.#free.splice(index + 1, 1);
  }
}
