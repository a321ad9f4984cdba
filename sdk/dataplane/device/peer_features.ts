// SPDX-License-Identifier: Apache-2.0
/**
 * What a veth's other end needs where native XDP is at work on the node, and its restoration.
 *
 * - Frames that XDP redirects into a veth are taken by NAPI on the other end only, which GRO switches on; without
 *   it they vanish and no counter moves. So every veth needs it that an interface on the XDP hook may send to.
 * - A local sender leaves its checksum to the device; XDP cannot finish it, so the sender has to.
 */
import { WeirError } from "../../errors.ts";
import { Ethtool, Netlink } from "../../netlink/index.ts";
import type { Store } from "../../store/index.ts";
import { SavedSettings, unlessGone } from "./saved_settings.ts";

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

interface Saved {
  /** Name or path; absent: the node's own. */
  readonly netns?: string | undefined;
  readonly device: string;
  readonly use: PeerUse;
  /** Features as they were. */
  readonly features: Readonly<Record<string, boolean>>;
}

/** Changes peers and remembers how they were. */
export class PeerFeatures {
  readonly #saved: SavedSettings<Saved>;
  /** What this process has set, and where: devices can be others than those that an earlier one knew. */
  readonly #done = new Map<string, string>();

  constructor(store: Store) {
    this.#saved = new SavedSettings(store, "peers");
  }

  /** What an interface's peer is set for; `undefined`: nothing was changed there. */
  use(name: string): PeerUse | undefined {
    return this.#saved.get(name)?.use;
  }

  /** Whether this process has done that already. */
  isSet(name: string, use: PeerUse, netns: string | undefined, peerIndex: number): boolean {
    return this.#done.get(name) === keyOf(use, netns, peerIndex);
  }

  /**
   * Sets what XDP needs on the peer of an interface's device.
   * @param netns namespace of the peer; `undefined`: the one that the thread is in.
   * @param peerIndex index of the peer there.
   * @throws WeirError when the namespace or the peer is not there.
   */
  set(name: string, use: PeerUse, netns: string | undefined, peerIndex: number): void {
    if (this.isSet(name, use, netns, peerIndex)) return;
    using netlink = Netlink.open({ netns });
    const device = netlink.link(peerIndex)?.name;
    if (device === undefined) {
      throw new WeirError({
        code: "ENODEV",
        operation: `set the peer of interface "${name}"`,
        reason: "it is gone",
      });
    }
    const saved = this.#saved.get(name);
    const same = saved?.use === use && saved.device === device && saved.netns === netns;
    if (!same) this.restore(name);
    using ethtool = Ethtool.open({ netns });
    const features = ethtool.setFeatures(device, WANTED[use]);
    this.#saved.set(name, { netns, device, use, features: { ...(same ? saved.features : {}), ...features } });
    this.#done.set(name, keyOf(use, netns, peerIndex));
  }

  /** Puts the peer back to how it was. */
  restore(name: string): void {
    this.#done.delete(name);
    const saved = this.#saved.get(name);
    if (saved === undefined) return;
    unlessGone(() => {
      using ethtool = Ethtool.open({ netns: saved.netns });
      ethtool.setFeatures(saved.device, saved.features);
    });
    this.#saved.delete(name);
  }

  restoreAll(): void {
    for (const name of this.#saved.names()) this.restore(name);
  }
}

const keyOf = (use: PeerUse, netns: string | undefined, peerIndex: number): string =>
  `${use} ${peerIndex} ${netns ?? ""}`;
