// SPDX-License-Identifier: Apache-2.0

/** A list of 32-bit integers that grows: four bytes each. */
export class Numbers {
  #data = new Int32Array(16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The number at `index`; 0 beyond the end. */
  at(index: number): number {
    return this.#data[index] ?? 0;
  }

  set(index: number, value: number): void {
    this.#data[index] = value;
  }

  push(value: number): void {
    if (this.#length === this.#data.length) {
      const larger = new Int32Array(2 * this.#length);
      larger.set(this.#data);
      this.#data = larger;
    }
    this.#data[this.#length++] = value;
  }

  /** Sets the number at `index`, which may lie beyond the end. */
  put(index: number, value: number): void {
    while (this.#length <= index) this.push(0);
    this.#data[index] = value;
  }

  /** Adds to the number at `index`, which may lie beyond the end. */
  add(index: number, difference: number): void {
    while (this.#length <= index) this.push(0);
    this.#data[index] = this.at(index) + difference;
  }
}
