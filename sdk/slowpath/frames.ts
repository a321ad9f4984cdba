// SPDX-License-Identifier: Apache-2.0
/** Packets in the UMEM frames of a worker's memory, read from either thread. */

import { frameLinkCodec, frameLinkLayout, workerControlCodec } from "../layout/index.ts";

/** Reads packets where they lie. */
export class Frames {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #umem: number;
  readonly #links: number;
  readonly #frameSize: number;

  /** @param control address of struct worker_control, which says where the frames are. */
  constructor(view: DataView, bytes: Uint8Array, control: number) {
    this.#view = view;
    this.#bytes = bytes;
    this.#umem = workerControlCodec.umem.get(view, control);
    this.#links = workerControlCodec.frameLinks.get(view, control);
    this.#frameSize = workerControlCodec.frameSize.get(view, control);
  }

  /**
   * The `length` bytes of the packet at an address: a view where they lie in one frame, else a copy that joins the
   * chain. The packet must not be given back yet; if it was, the bytes are another's, and may be fewer.
   */
  packet(address: number, length: number): Uint8Array {
    if (this.#link(address, "next") === 0) return this.#bytes.subarray(address, address + length);
    const whole = new Uint8Array(length);
    let at = 0;
    for (let piece = address; piece !== 0 && at < length; piece = this.#link(piece, "next")) {
      const bytes = Math.min(this.#link(piece, "length"), length - at);
      if (bytes === 0) break;
      whole.set(this.#bytes.subarray(piece, piece + bytes), at);
      at += bytes;
    }
    return whole;
  }

  #link(address: number, field: keyof typeof frameLinkCodec): number {
    const frame = Math.floor((address - this.#umem) / this.#frameSize);
    return frameLinkCodec[field].get(this.#view, this.#links + frame * frameLinkLayout.size);
  }
}
