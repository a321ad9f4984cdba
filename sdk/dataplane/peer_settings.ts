// SPDX-License-Identifier: Apache-2.0
/**
 * What a veth's other end needs while native XDP decides on this end, and its restoration.
 *
 * - Frames redirected into a veth are taken by NAPI on the other end only, which GRO switches on; without it
 *   they vanish and no counter moves.
 * - A local sender leaves its checksum to the device; XDP cannot finish it, so the sender has to.
 */
import { WeirError } from "../errors.ts";
import { Ethtool, Netlink } from "../netlink/index.ts";
import type { Store } from "../store/index.ts";

const WANTED = { gro: true, tx: false } as const;

/** Prefix of the store's entries about changed devices; the interface's name follows. */
const META = "restore ";
/** List of the interfaces that have such an entry. */
const INDEX = "restore";

interface Saved {
  readonly netns: string;
  readonly device: string;
  /** Features as they were. */
  readonly features: Readonly<Record<string, boolean>>;
}

/** Changes peers and remembers, in the store, how they were. */
export class PeerSettings {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Sets what XDP needs on the peer of an interface's device.
   * @param peerIndex index of the peer in its namespace.
   * @returns whether they had to be made: false when an earlier call made them.
   * @throws WeirError when the namespace or the peer is not there.
   */
  set(name: string, netns: string, peerIndex: number): boolean {
    if (this.#saved(name) !== undefined) return false;
    using netlink = Netlink.open({ netns });
    const device = netlink.link(peerIndex)?.name;
    if (device === undefined) {
      throw new WeirError({
        code: "ENODEV",
        operation: `set the peer of interface "${name}"`,
        reason: `network namespace "${netns}" does not hold it`,
        hint: "correct the field netns",
      });
    }
    using ethtool = Ethtool.open({ netns });
    const features = ethtool.setFeatures(device, WANTED);
    this.#save(name, { netns, device, features });
    return true;
  }

  /** Puts the peer back to how it was; a peer that is gone needs nothing. */
  restore(name: string): void {
    const saved = this.#saved(name);
    if (saved === undefined) return;
    try {
      using ethtool = Ethtool.open({ netns: saved.netns });
      ethtool.setFeatures(saved.device, saved.features);
    } catch (error) {
      if (!(error instanceof WeirError) || !["ENOENT", "ENODEV"].includes(error.code)) throw error;
    }
    this.#save(name, undefined);
  }

  restoreAll(): void {
    for (const name of this.#names()) this.restore(name);
  }

  #names(): string[] {
    return JSON.parse(this.#store.meta(INDEX) ?? "[]") as string[];
  }

  #saved(name: string): Saved | undefined {
    const text = this.#store.meta(META + name);
    return text === undefined ? undefined : (JSON.parse(text) as Saved);
  }

  #save(name: string, saved: Saved | undefined): void {
    const names = this.#names().filter((other) => other !== name);
    if (saved !== undefined) names.push(name);
    this.#store.transaction((writer) => {
      writer.setMeta(META + name, saved === undefined ? undefined : JSON.stringify(saved));
      writer.setMeta(INDEX, names.length === 0 ? undefined : JSON.stringify(names));
    });
  }
}

/** The command that does by hand what `netns` lets Weir do. */
export const peerCommand = "ethtool -K DEVICE gro on tx off";
