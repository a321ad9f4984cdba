// SPDX-License-Identifier: Apache-2.0
/** Which devices interfaces have lost and wait for, in the store: the next process, too, takes no other one for them. */
import { readFileSync } from "node:fs";
import type { Store } from "../../store/index.ts";
import type { KnownDevice } from "./same_device.ts";
import { SavedSettings } from "./saved_settings.ts";

interface Saved {
  readonly ifindex: number;
  /** Hexadecimal digits. */
  readonly mac: string;
  /** Start of the machine: after another one devices are made anew with MACs of their own. */
  readonly boot: string;
}

export class LostDevices {
  readonly #saved: SavedSettings<Saved>;

  constructor(store: Store) {
    this.#saved = new SavedSettings(store, "lost-devices");
  }

  /** The device that an interface lost since the machine was started. */
  get(name: string): KnownDevice | undefined {
    const saved = this.#saved.get(name);
    if (saved === undefined || saved.boot !== bootId()) return undefined;
    return { ifindex: saved.ifindex, mac: Uint8Array.fromHex(saved.mac), seen: "gone" };
  }

  /** @param lost `undefined`: the interface has a device, or is no more. */
  set(name: string, lost: KnownDevice | undefined): void {
    if (lost === undefined) this.#saved.delete(name);
    else this.#saved.set(name, { ifindex: lost.ifindex, mac: lost.mac.toHex(), boot: bootId() });
  }
}

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
