// SPDX-License-Identifier: Apache-2.0

/** A zeroed struct to be filled by its codec. */
export function element(size: number): { bytes: Uint8Array<ArrayBuffer>; view: DataView<ArrayBuffer> } {
  const buffer = new ArrayBuffer(size);
  return { bytes: new Uint8Array(buffer), view: new DataView(buffer) };
}
