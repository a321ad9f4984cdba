// SPDX-License-Identifier: Apache-2.0
/** What the host's own stack gets for an interface of role host, in the store, so that whoever ends it can take it back. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Family } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import { type Netlink, routeProtocols } from "../../netlink/index.ts";
import type { Store } from "../../store/index.ts";
import { SavedSettings } from "../device/saved_settings.ts";

interface Saved {
  /** Index of the device. */
  readonly ifindex: number;
  /** Addresses that the device got, in canonical form. */
  readonly addresses: readonly string[];
  /** Ids of the kernel's nexthop objects that lead to the device, by family. */
  readonly nexthops: { readonly [F in Family]?: number };
  /** File of a setting of the device, and how it was; absent: it was not changed. */
  readonly localnet?: { readonly file: string; readonly before: string };
}

const NOTHING: Pick<Saved, "addresses" | "nexthops"> = { addresses: [], nexthops: {} };

/** Ids that nobody else is likely to choose. */
const FIRST_ID = 0x57_45_00_00;

/** Addresses and nexthop objects of the host's stack. */
export class HostSettings {
  readonly #saved: SavedSettings<Saved>;

  constructor(store: Store) {
    this.#saved = new SavedSettings(store, "host");
  }

  /** Interfaces that something was made for. */
  names(): string[] {
    return this.#saved.names();
  }

  /**
   * Gives the device those of the addresses that no device has, and takes back what it was given before and is not to
   * have any more. What was given is written down first: whoever finds it can take it back, whatever comes between.
   * @param addresses in canonical form.
   * @returns what could not be done.
   */
  setAddresses(name: string, netlink: Netlink, ifindex: number, addresses: readonly string[]): unknown[] {
    if (this.#saved.get(name)?.ifindex !== ifindex) this.restore(name, netlink);
    const before = this.#saved.get(name);
    const { addresses: own, nexthops } = before ?? NOTHING;
    const present = new Set(netlink.addresses().map(({ address }) => address));
    const given = addresses.filter((address) => own.includes(address) || !present.has(address));
    const gone = own.filter((address) => !given.includes(address));
    const missing = given.filter((address) => !present.has(address));
    if (missing.length === 0 && gone.length === 0 && before !== undefined) return [];
    const rest = { ...before, ifindex, nexthops };
    this.#saved.set(name, { ...rest, addresses: [...given, ...gone] });
    const failures = [
      ...gone.map((address) => attempt(() => removeAddress(netlink, ifindex, address))),
      ...missing.map((address) =>
        attempt(() => netlink.addAddress({ ifindex, address, noDad: address.includes(":") })),
      ),
    ];
    this.#saved.set(name, { ...rest, addresses: given });
    return failures.flatMap((failure) => failure ?? []);
  }

  /**
   * Lets the host's stack take packets for 127.0.0.0/8 from the device, or takes that back. Must be called in the node's
   * namespace.
   */
  setLocalnet(name: string, device: string, wanted: boolean): void {
    const saved = this.#saved.get(name);
    if (saved === undefined || wanted === (saved.localnet !== undefined)) return;
    const { localnet, ...rest } = saved;
    if (localnet !== undefined) {
      restoreFile(localnet);
      this.#saved.set(name, rest);
      return;
    }
    const file = `/proc/sys/net/ipv4/conf/${device}/route_localnet`;
    const before = readFileSync(file, "utf8").trim();
    if (before === "1") return;
    this.#saved.set(name, { ...rest, localnet: { file, before } });
    writeFileSync(file, "1");
  }

  /** Id of the nexthop object that leads to the interface's device; it is made if it is not there. */
  nexthop(name: string, netlink: Netlink, family: Family): number {
    const saved = this.#saved.get(name);
    if (saved === undefined) throw new Error(`Nothing was made for interface "${name}" yet`);
    const { ifindex, nexthops } = saved;
    const known = nexthops[family];
    const found = known === undefined ? undefined : netlink.nexthop(known);
    if (known !== undefined && found?.ifindex === ifindex && found.protocol === routeProtocols.weir) return known;
    const taken = new Set(netlink.nexthops().map(({ id }) => id));
    let id = known ?? FIRST_ID;
    while (taken.has(id)) id++;
    this.#saved.set(name, { ...saved, nexthops: { ...nexthops, [family]: id } });
    netlink.addNexthop({ id, family, ifindex, protocol: routeProtocols.weir });
    return id;
  }

  /** Those that were made before, by an earlier process too. */
  nexthops(name: string): readonly number[] {
    return Object.values(this.#saved.get(name)?.nexthops ?? {});
  }

  /** Takes everything back, in the node's namespace; the kernel takes the routes that refer to a nexthop object along. */
  restore(name: string, netlink: Netlink): void {
    const saved = this.#saved.get(name);
    if (saved === undefined) return;
    for (const id of Object.values(saved.nexthops)) {
      const found = netlink.nexthop(id);
      if (found?.ifindex === saved.ifindex && found.protocol === routeProtocols.weir) netlink.deleteNexthop(id);
    }
    if (saved.localnet !== undefined) restoreFile(saved.localnet);
    for (const address of saved.addresses) removeAddress(netlink, saved.ifindex, address);
    this.#saved.delete(name);
  }

  restoreAll(netlink: Netlink): void {
    for (const name of this.names()) this.restore(name, netlink);
  }
}

function restoreFile({ file, before }: { readonly file: string; readonly before: string }): void {
  if (existsSync(file)) writeFileSync(file, before);
}

/** One that is gone, or whose device is, needs nothing. */
function removeAddress(netlink: Netlink, ifindex: number, address: string): void {
  try {
    netlink.deleteAddress({ ifindex, address });
  } catch (error) {
    if (!(error instanceof WeirError) || !["EADDRNOTAVAIL", "ENODEV"].includes(error.code)) throw error;
  }
}

function attempt(act: () => void): unknown {
  try {
    act();
    return undefined;
  } catch (error) {
    return error;
  }
}
