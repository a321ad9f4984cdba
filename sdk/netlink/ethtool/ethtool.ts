// SPDX-License-Identifier: Apache-2.0
/** Settings of the devices of one network namespace. */

import { close, SOCK_DGRAM, socket } from "../../runtime/libc.ts";
import { withNetns } from "../../runtime/netns.ts";
import { AF_INET } from "../constants.ts";
import { GenericFamily } from "../generic.ts";
import { namespacePath } from "../namespace.ts";
import { type ChannelCounts, type Channels, changeChannels, readChannels } from "./channels.ts";
import { type DriverInfo, readDriver } from "./driver.ts";
import { changeFeatures, type FeatureState, readFeatures } from "./features.ts";
import { changeRings, type RingSizes, type Rings, readRings } from "./rings.ts";

const FAMILY_NAME = "ethtool";
const FAMILY_VERSION = 1;

/**
 * Offload features, driver, channels and rings of devices, as ethtool(8). Calls are synchronous; a device that is
 * not there is `ENODEV`.
 *
 * ```ts
 * using ethtool = Ethtool.open({ netns: "pod" });
 * const previous = ethtool.setFeatures("eth0", { tx: false });
 * // ...
 * ethtool.setFeatures("eth0", previous);
 * ```
 */
export class Ethtool implements Disposable {
  readonly #family: GenericFamily;
  readonly #socket: number;
  #closed = false;

  private constructor(family: GenericFamily, socket: number) {
    this.#family = family;
    this.#socket = socket;
  }

  /** @param o.netns namespace by name or path; default the calling thread's */
  static open(o: { readonly netns?: string | undefined } = {}): Ethtool {
    const family = GenericFamily.open(FAMILY_NAME, FAMILY_VERSION, o.netns);
    try {
      const fd = withNetns(namespacePath(o.netns), () => socket(AF_INET, SOCK_DGRAM, 0));
      return new Ethtool(family, fd);
    } catch (error) {
      family[Symbol.dispose]();
      throw error;
    }
  }

  /** Which features are in effect, by the kernel's names (`tx-checksum-ip-generic`, `rx-gro`). */
  features(device: string): Record<string, boolean> {
    const features: Record<string, boolean> = {};
    for (const [name, state] of readFeatures(this.#family, device)) features[name] = state.active;
    return features;
  }

  /** All that is known of each feature, by the kernel's names. */
  featureStates(device: string): Map<string, FeatureState> {
    return readFeatures(this.#family, device);
  }

  /**
   * Turns features on or off. Names are the kernel's, or ethtool's for groups (`tx`, `tso`, `gro`,
   * `generic-receive-offload`), of which members that cannot be changed are left out.
   * @returns what was set before, of those that changed; passing it back restores them
   * @throws WeirError `EOPNOTSUPP` if one cannot be changed to the value
   */
  setFeatures(device: string, values: Readonly<Record<string, boolean>>): Record<string, boolean> {
    return changeFeatures(this.#family, device, values);
  }

  /** Name and version of the driver. @throws WeirError `ENODEV`, `EOPNOTSUPP` if it does not tell */
  driver(device: string): DriverInfo {
    return readDriver(this.#socket, device);
  }

  /** Numbers of queues in use and at most. @throws WeirError `EOPNOTSUPP` if the driver does not tell */
  channels(device: string): Channels {
    return readChannels(this.#family, device);
  }

  /** Changes numbers of queues, up to the maximum. The link may lose packets meanwhile. */
  setChannels(device: string, counts: Partial<ChannelCounts>): void {
    changeChannels(this.#family, device, counts);
  }

  /** Entries of the rings in use and at most. @throws WeirError `EOPNOTSUPP` if the driver does not tell */
  rings(device: string): Rings {
    return readRings(this.#family, device);
  }

  /** Changes ring sizes, up to the maximum. The link may lose packets meanwhile. */
  setRings(device: string, sizes: Partial<RingSizes>): void {
    changeRings(this.#family, device, sizes);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#family[Symbol.dispose]();
    close(this.#socket);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
