// SPDX-License-Identifier: Apache-2.0
/** Settings of devices that Weir has changed because it was told to, and their restoration. */
import type { WeirError } from "../../errors.ts";
import { type Netlink, namespacePath } from "../../netlink/index.ts";
import { withNetns } from "../../runtime/netns.ts";
import type { Store } from "../../store/index.ts";
import { SavedSettings, unlessGone } from "../device/saved_settings.ts";
import {
  applySettings,
  currentOf,
  type DeviceAccess,
  type DeviceSettings,
  isEmpty,
  merge,
  openAccess,
} from "./settings.ts";

/** Who told: `tune: true` of an interface, or `weir doctor --fix`. Each restores its own. */
export type TuningKind = "tuned" | "fixed";

/** Where a device is. */
export interface DevicePlace {
  readonly ifindex: number;
  /** Name or path; absent: the node's own. */
  readonly netns?: string | undefined;
}

interface Saved extends DevicePlace {
  readonly device: string;
  readonly mac: string | undefined;
  /** As it was before the first change. */
  readonly before: DeviceSettings;
  /** As it was made. */
  readonly made: DeviceSettings;
}

/** What came of settings that were to be made. */
export interface Tuned {
  /** One line for each that the driver refused. */
  readonly failures: readonly string[];
  /** Takes back what this call has made. */
  undo(): void;
}

/** Changes settings of devices and remembers how they were. Keys are names of interfaces, or of devices. */
export class Tuning {
  readonly #saved: SavedSettings<Saved>;

  constructor(store: Store, kind: TuningKind) {
    this.#saved = new SavedSettings(store, kind);
  }

  /** What was made under a key, and how it was before; `undefined`: nothing. */
  get(name: string): Pick<Saved, "before" | "made"> | undefined {
    return this.#saved.get(name);
  }

  names(): string[] {
    return this.#saved.names();
  }

  /**
   * Makes settings. How they were is written down first: whoever finds it can restore them, whatever comes between.
   * @param access to the device's namespace.
   */
  set(name: string, access: DeviceAccess, { ifindex, netns }: DevicePlace, settings: DeviceSettings): Tuned {
    const link = access.netlink.link(ifindex);
    if (isEmpty(settings) || link === undefined) return { failures: [], undo: () => undefined };
    const known = this.#saved.get(name);
    if (known !== undefined && !isSame(known, link)) this.restore(name);
    const earlier = this.#saved.get(name);
    const now = currentOf(access, link.name, settings);
    this.#saved.set(name, {
      netns,
      device: link.name,
      ifindex,
      mac: link.mac,
      before: merge(now, earlier?.before ?? {}),
      made: merge(earlier?.made ?? {}, settings),
    });
    const failures = applySettings(access, link.name, settings);
    return {
      failures: failures.map(({ message }) => message),
      undo: () => {
        using again = accessTo(netns);
        applySettings(again, link.name, now);
        if (earlier === undefined) this.#saved.delete(name);
        else this.#saved.set(name, earlier);
      },
    };
  }

  /**
   * Puts a device back to how it was; it must have no program of ours any more. What a driver refuses to take back is
   * remembered, so that it is tried again.
   * @returns what it refused.
   */
  restore(name: string): readonly WeirError[] {
    const saved = this.#saved.get(name);
    if (saved === undefined) return [];
    let failures: readonly WeirError[] = [];
    unlessGone(() => {
      using access = accessTo(saved.netns);
      const device = findAgain(access.netlink, saved);
      if (device !== undefined) failures = applySettings(access, device, saved.before);
    });
    if (failures.length === 0) this.#saved.delete(name);
    return failures;
  }

  /** @throws WeirError the first that a driver refused, after all others are restored. */
  restoreAll(): void {
    const [failure] = this.names().flatMap((name) => this.restore(name));
    if (failure !== undefined) throw failure;
  }
}

const accessTo = (netns: string | undefined): DeviceAccess => withNetns(namespacePath(netns), () => openAccess());

interface Identity {
  readonly name: string;
  readonly index: number;
  readonly mac: string | undefined;
}

const isSame = (saved: Saved, { name, index }: Identity): boolean => saved.device === name || saved.ifindex === index;

/** The device under its name, or what it is called now. Numbers are given out again, so that the MAC must be right. */
function findAgain(netlink: Netlink, { device, ifindex, mac }: Saved): string | undefined {
  const named = netlink.link(device);
  if (named !== undefined) return named.name;
  const numbered = netlink.link(ifindex);
  return numbered !== undefined && numbered.mac === mac ? numbered.name : undefined;
}
