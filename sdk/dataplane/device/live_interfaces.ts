// SPDX-License-Identifier: Apache-2.0
import { deviceName } from "./devices.ts";
import type { LiveInterface } from "./live.ts";

/** The interfaces of the process by name, and by the device that they have to themselves. */
export class LiveInterfaces extends Map<string, LiveInterface> {
  /** Names by ifindex. While a change is made two may have one device: the later one counts. */
  readonly #byDevice = new Map<number, string[]>();
  /** Names by the name of the device in the state. */
  readonly #byDeviceName = new Map<string, string>();
  readonly #refused = new Set<string>();

  /** The interface whose device this is; sub-interfaces, which share one, are not found. */
  onDevice(ifindex: number): LiveInterface | undefined {
    const name = this.#byDevice.get(ifindex)?.at(-1);
    return name === undefined ? undefined : this.get(name);
  }

  /** The interface that has this device in the state, whatever the device is called now. */
  named(device: string): LiveInterface | undefined {
    const name = this.#byDeviceName.get(device);
    return name === undefined ? undefined : this.get(name);
  }

  /** Interfaces that do not take the device that has the name. */
  get refusing(): ReadonlySet<string> {
    return this.#refused;
  }

  override set(name: string, live: LiveInterface): this {
    const before = ownDevice(this.get(name));
    const after = ownDevice(live);
    if (before !== after) {
      this.#leave(name, before);
      this.#join(name, after);
    }
    this.#forgetName(name);
    if (live.object.parent === undefined) this.#byDeviceName.set(deviceName(live.object), name);
    if (live.refused !== undefined) this.#refused.add(name);
    return super.set(name, live);
  }

  override delete(name: string): boolean {
    this.#leave(name, ownDevice(this.get(name)));
    this.#forgetName(name);
    return super.delete(name);
  }

  override clear(): void {
    this.#byDevice.clear();
    this.#byDeviceName.clear();
    this.#refused.clear();
    super.clear();
  }

  #forgetName(name: string): void {
    this.#refused.delete(name);
    const before = this.get(name);
    if (before === undefined) return;
    const device = deviceName(before.object);
    // Two interfaces that change places hold one name for a moment.
    if (this.#byDeviceName.get(device) === name) this.#byDeviceName.delete(device);
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
