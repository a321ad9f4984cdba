// SPDX-License-Identifier: Apache-2.0
/** XDP programs of others that Weir's took the place of (`replaceXdp`), kept until they can be put back. */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { WeirError } from "../../errors.ts";
import { Program, putXdp, takeXdp, type XdpMode } from "../../libbpf/index.ts";
import type { Store } from "../../store/index.ts";
import type { InstancePaths } from "../instance/instance.ts";
import { SavedSettings } from "./saved_settings.ts";

interface Saved {
  readonly ifindex: number;
  readonly mode: XdpMode;
}

/** Takes programs off devices and puts them back. All calls must be made in the node's namespace. */
export class ReplacedXdp {
  readonly #saved: SavedSettings<Saved>;
  readonly #directory: string;

  constructor(store: Store, paths: InstancePaths) {
    this.#saved = new SavedSettings(store, "replaced-xdp");
    this.#directory = join(paths.pins, "replaced");
  }

  /**
   * Takes the program off an interface's device.
   * @throws WeirError `EBUSY` if a link holds it.
   */
  take(name: string, ifindex: number): void {
    const taken = takeXdp(ifindex);
    if (taken === undefined) return;
    using program = taken.program;
    this.#forget(name);
    mkdirSync(this.#directory, { recursive: true });
    program.pin(this.#pin(ifindex));
    this.#saved.set(name, { ifindex, mode: taken.mode });
  }

  /** Puts the program back once Weir's is off the device. One that somebody attached meanwhile stays. */
  restore(name: string): void {
    const saved = this.#saved.get(name);
    if (saved === undefined) return;
    try {
      using program = Program.fromPin(this.#pin(saved.ifindex));
      putXdp(saved.ifindex, program, saved.mode);
    } catch (error) {
      if (!(error instanceof WeirError) || !UNNEEDED.has(error.code)) throw error;
    }
    this.#forget(name);
  }

  restoreAll(): void {
    for (const name of this.#saved.names()) this.restore(name);
  }

  #forget(name: string): void {
    const saved = this.#saved.get(name);
    if (saved === undefined) return;
    const pin = this.#pin(saved.ifindex);
    if (existsSync(pin)) rmSync(pin);
    this.#saved.delete(name);
  }

  #pin(ifindex: number): string {
    return join(this.#directory, `xdp_${ifindex}`);
  }
}

/** The device is gone, the pin is (after a reboot), or another program is there. */
const UNNEEDED: ReadonlySet<string> = new Set(["ENODEV", "ENOENT", "EBUSY", "EEXIST"]);
