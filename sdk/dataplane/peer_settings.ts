// SPDX-License-Identifier: Apache-2.0
/**
 * What a veth's other end needs where native XDP is at work on the node, and its restoration.
 *
 * - Frames that XDP redirects into a veth are taken by NAPI on the other end only, which GRO switches on; without
 *   it they vanish and no counter moves. So every veth needs it that an interface on the XDP hook may send to.
 * - A local sender leaves its checksum to the device; XDP cannot finish it, so the sender has to.
 */
import { WeirError } from "../errors.ts";
import { Ethtool, Netlink } from "../netlink/index.ts";
import type { Store } from "../store/index.ts";

/** What the peer is for XDP: it may only receive from it, or what it sends is decided there. */
export type PeerUse = "receives" | "sends";

const WANTED: Readonly<Record<PeerUse, Readonly<Record<string, boolean>>>> = {
  receives: { gro: true },
  sends: { gro: true, tx: false },
};

/** The command that does by hand what `netns` lets Weir do. */
export const peerCommands: Readonly<Record<PeerUse, string>> = {
  receives: "ethtool -K DEVICE gro on",
  sends: "ethtool -K DEVICE gro on tx off",
};

/** Key of the store's entry about changed devices. */
const META = "peers";

interface Saved {
  /** Name or path; absent: the node's own. */
  readonly netns?: string | undefined;
  readonly device: string;
  readonly use: PeerUse;
  /** Features as they were. */
  readonly features: Readonly<Record<string, boolean>>;
}

/** Changes peers and remembers, in the store, how they were. */
export class PeerSettings {
  readonly #store: Store;
  readonly #saved: Map<string, Saved>;

  constructor(store: Store) {
    this.#store = store;
    this.#saved = new Map(Object.entries(JSON.parse(store.meta(META) ?? "{}") as Record<string, Saved>));
  }

  /** What an interface's peer is set for; `undefined`: nothing was changed there. */
  use(name: string): PeerUse | undefined {
    return this.#saved.get(name)?.use;
  }

  /**
   * Sets what XDP needs on the peer of an interface's device.
   * @param netns namespace of the peer; `undefined`: the one that the thread is in.
   * @param peerIndex index of the peer there.
   * @throws WeirError when the namespace or the peer is not there.
   */
  set(name: string, use: PeerUse, netns: string | undefined, peerIndex: number): void {
    if (this.use(name) === use) return;
    this.restore(name);
    using netlink = Netlink.open({ netns });
    const device = netlink.link(peerIndex)?.name;
    if (device === undefined) {
      throw new WeirError({
        code: "ENODEV",
        operation: `set the peer of interface "${name}"`,
        reason: "it is gone",
      });
    }
    using ethtool = Ethtool.open({ netns });
    const features = ethtool.setFeatures(device, WANTED[use]);
    this.#saved.set(name, { netns, device, use, features });
    this.#save();
  }

  /** Puts the peer back to how it was; a peer that is gone needs nothing. */
  restore(name: string): void {
    const saved = this.#saved.get(name);
    if (saved === undefined) return;
    try {
      using ethtool = Ethtool.open({ netns: saved.netns });
      ethtool.setFeatures(saved.device, saved.features);
    } catch (error) {
      if (!(error instanceof WeirError) || !["ENOENT", "ENODEV"].includes(error.code)) throw error;
    }
    this.#saved.delete(name);
    this.#save();
  }

  restoreAll(): void {
    for (const name of [...this.#saved.keys()]) this.restore(name);
  }

  #save(): void {
    const text = this.#saved.size === 0 ? undefined : JSON.stringify(Object.fromEntries(this.#saved));
    this.#store.transaction((writer) => writer.setMeta(META, text));
  }
}
