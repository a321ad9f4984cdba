// SPDX-License-Identifier: Apache-2.0
import type { LiveInterface } from "./live.ts";

/** The interfaces of the process by name, and by the device that they have to themselves. */
export class LiveInterfaces extends Map<string, LiveInterface> {
  /** Names by ifindex. While a change is made two may have one device: the later one counts. */
  readonly #byDevice = new Map<number, string[]>();

  /** The interface whose device this is; sub-interfaces, which share one, are not found. */
  onDevice(ifindex: number): LiveInterface | undefined {
    const name = this.#byDevice.get(ifindex)?.at(-1);
    return name === undefined ? undefined : this.get(name);
  }

  override set(name: string, live: LiveInterface): this {
    const before = ownDevice(this.get(name));
    const after = ownDevice(live);
    if (before !== after) {
      this.#leave(name, before);
      this.#join(name, after);
    }
    return super.set(name, live);
  }

  override delete(name: string): boolean {
    this.#leave(name, ownDevice(this.get(name)));
    return super.delete(name);
  }

  override clear(): void {
    this.#byDevice.clear();
    super.clear();
  }

  #join(name: string, ifindex: number | undefined): void {
    if (ifindex === undefined) return;
    const names = this.#byDevice.get(ifindex);
    if (names === undefined) this.#byDevice.set(ifindex, [name]);
    else names.push(name);
  }

  #leave(name: string, ifindex: number | undefined): void {
    if (ifindex === undefined) return;
    const names = this.#byDevice.get(ifindex)?.filter((other) => other !== name) ?? [];
    if (names.length === 0) this.#byDevice.delete(ifindex);
    else this.#byDevice.set(ifindex, names);
  }
}

function ownDevice(live: LiveInterface | undefined): number | undefined {
  return live?.object.parent === undefined ? live?.device?.ifindex : undefined;
}
