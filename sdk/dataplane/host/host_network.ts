// SPDX-License-Identifier: Apache-2.0
/** Gives the host's own stack what it needs to speak by interfaces of role host: addresses, and routes to their VRFs. */
import { type Family, formatAddress, type Prefix, parseAddress, parsePrefix } from "../../address.ts";
import { nexthopCodec } from "../../layout/index.ts";
import type { Netlink } from "../../netlink/index.ts";
import type { LiveInterfaces } from "../device/live_interfaces.ts";
import type { StructArray } from "../kernel/struct_array.ts";
import { type HostService, type Interface, NODE_KEY, splitKey } from "../schema/index.ts";
import type { DesiredState, StateChanges } from "../state/desired.ts";
import type { Ids } from "../state/ids.ts";
import { isReservedNexthop } from "../state/references.ts";
import { GuardedAddresses } from "./guarded.ts";
import { addressesOf, DEFAULT_KERNEL_TABLE } from "./host_object.ts";
import { HostRoutes } from "./host_routes.ts";
import type { HostSettings } from "./host_settings.ts";

/** Routes that are written before other work gets its turn: some tens of milliseconds. */
const SLICE = 4096;

/** Types of next hops that lead nowhere behind Weir. */
const NOWHERE: ReadonlySet<string> = new Set(["local", "discard", "resolve"]);

/** What the host's network works with. */
export interface HostNetworkParts {
  readonly netlink: Netlink;
  readonly state: DesiredState;
  readonly live: LiveInterfaces;
  readonly ids: Ids;
  readonly nexthops: StructArray;
  readonly settings: HostSettings;
  readonly onFailure: (reason: string) => void;
}

/** `status.host` of an interface of role host. */
export interface HostStatus {
  /** Table of the kernel's that has the routes; absent: none has. */
  readonly table?: number;
  /** Routes of the VRF that are in it. */
  readonly routes: number;
  /** Those that the kernel refused. */
  readonly refused: number;
  /** Addresses of the host within the VRF. */
  readonly addresses: readonly string[];
}

/** Follows the interfaces of role host, and the routes of their VRFs. All calls must be made in the node's namespace. */
export class HostNetwork implements Disposable {
  readonly #parts: HostNetworkParts;
  /** By name of the interface. */
  readonly #routes = new Map<string, HostRoutes>();
  #guarded: GuardedAddresses | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: HostNetworkParts) {
    this.#parts = parts;
  }

  /** Makes everything what the state says, whatever an earlier process left. */
  resume(): void {
    this.#renew();
    this.#flush();
  }

  /**
   * Takes note of changes of the state.
   * @returns follows them; to be called when they are kept and the kernel has them
   */
  following(changes: StateChanges): () => void {
    const { objects, routes } = changes;
    const isOther = objects.some(({ kind }) => kind === "interfaces" || kind === "nexthops" || kind === "node");
    if (isOther) {
      return () => {
        this.#renew();
        this.#flush();
      };
    }
    if (this.#routes.size === 0) return () => {};
    const vrfs = new Map(this.#hosts().map((host) => [routes.table.vrfs.get(host.vrf ?? ""), host.name]));
    const keys: [string, string][] = [];
    for (let i = 0; i < routes.length; i++) {
      const entry = routes.entry(i);
      const name = vrfs.get(routes.table.prefixes.vrf(entry));
      if (name !== undefined) keys.push([name, routes.table.key(entry)]);
    }
    return () => {
      for (const [name, key] of keys) this.#note(name, splitKey(key)[1], key);
      this.#flush();
    };
  }

  /** Devices of interfaces changed. */
  devicesChanged(): void {
    if (this.#routes.size === 0 && this.#hosts().length === 0) return;
    this.#renew();
    this.#flush();
  }

  /** `undefined` for interfaces of other roles, and while the device is not there. */
  status(object: Interface): HostStatus | undefined {
    const routes = this.#routes.get(object.name);
    if (routes === undefined) return undefined;
    return {
      ...(routes.table === 0 ? {} : { table: routes.table }),
      routes: routes.size,
      refused: routes.refused,
      addresses: this.#addresses(object),
    };
  }

  #hosts(): Interface[] {
    return [...this.#parts.state.objects("interfaces")].filter(({ role }) => role === "host");
  }

  #addresses(object: Interface): string[] {
    const underlay = this.#parts.state.get("node", NODE_KEY)?.underlay;
    return addressesOf(object, underlay).flatMap((text) => {
      const address = parseAddress(text);
      return address === undefined ? [] : [formatAddress(address.bytes)];
    });
  }

  #renew(): void {
    const { live, settings, netlink } = this.#parts;
    this.#guarded = undefined;
    const hosts = this.#hosts().filter(({ name }) => live.get(name)?.device !== undefined);
    const names = new Set(hosts.map(({ name }) => name));
    for (const name of new Set([...this.#routes.keys(), ...settings.names()])) {
      if (names.has(name)) continue;
      this.#routes.delete(name);
      // A device that is away may come back, but without what it had.
      this.#attempt(() => settings.restore(name, netlink));
    }
    for (const host of hosts) this.#attempt(() => this.#renewHost(host));
  }

  #renewHost(host: Interface): void {
    const { live, settings, netlink, state } = this.#parts;
    const { name, vrf = "", kernelTable = DEFAULT_KERNEL_TABLE } = host;
    const device = live.get(name)?.device;
    if (device === undefined) return;
    const addresses = this.#addresses(host);
    this.#report(settings.setAddresses(name, netlink, device.ifindex, addresses), `set the addresses of "${name}"`);
    settings.setLocalnet(name, device.name, (host.services ?? []).some(isLoopback));
    const before = this.#routes.get(name);
    if (before !== undefined && before.table !== kernelTable) before.withdraw();
    const routes =
      before?.table === kernelTable
        ? before
        : new HostRoutes({
            netlink,
            table: kernelTable,
            nexthop: (family) => settings.nexthop(name, netlink, family),
            nexthops: () => settings.nexthops(name),
          });
    this.#routes.set(name, routes);
    routes.sources = sourcesOf(addresses);
    routes.forget();
    // A device that is down has no routes.
    if (kernelTable === 0 || !device.up) return;
    routes.relist();
    for (const entry of state.routes.entriesOf(vrf)) {
      this.#note(name, state.routes.prefixes.text(entry), state.routes.key(entry));
    }
  }

  #note(name: string, text: string, key: string): void {
    const routes = this.#routes.get(name);
    const winner = this.#parts.state.candidates("routes", key)[0]?.object;
    if (routes === undefined || routes.table === 0) return;
    routes.want(text, winner === undefined || !this.#isLedTo(text, winner.via) ? undefined : this.#mtuTo(winner.via));
  }

  /** Whether what the host's processes send to the prefix is Weir's; the same as bpf/host.h says of single packets. */
  #isLedTo(text: string, via: string): boolean {
    const { state } = this.#parts;
    const prefix = parsePrefix(text);
    if (prefix === undefined || prefix.length === 0 || isReservedNexthop(via)) return false;
    if (state.get("interfaces", via)?.role === "host") return false;
    const type = state.get("nexthops", via)?.type;
    if (type !== undefined && NOWHERE.has(type)) return false;
    this.#guarded ??= GuardedAddresses.of(state, this.#fabricLinks());
    return !this.#guarded.guards(prefix);
  }

  /** Prefixes of the addresses of the fabric's devices. */
  #fabricLinks(): Prefix[] {
    const { live, netlink } = this.#parts;
    const devices = new Set<number>();
    for (const { object, device } of live.values()) {
      if (object.role === "fabric" && device !== undefined) devices.add(device.ifindex);
    }
    const addresses = netlink.addresses().filter(({ ifindex }) => devices.has(ifindex));
    return addresses.flatMap(({ address, prefixLength }) => parsePrefix(`${address}/${prefixLength}`) ?? []);
  }

  /** Layer 3 bytes that fit there; 0: not known. */
  #mtuTo(via: string): number {
    const { state, ids, nexthops } = this.#parts;
    const members = state.get("nexthops", via)?.members;
    if (members !== undefined) {
      const known = members.map(({ nexthop }) => this.#mtuTo(nexthop)).filter((mtu) => mtu > 0);
      return known.length === 0 ? 0 : Math.min(...known);
    }
    const id = ids.nexthop.get(via);
    return id === undefined ? 0 : nexthopCodec.mtu.get(nexthops.view, nexthops.at(id));
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let isDone = true;
    for (const routes of this.#routes.values()) {
      if (!routes.pending) continue;
      this.#report(routes.flush(SLICE), `write into kernel table ${routes.table}`);
      isDone &&= !routes.pending;
    }
    if (!isDone) this.#timer = setTimeout(() => this.#attempt(() => this.#flush()), 0);
  }

  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#report([error], "set up the host's own network");
    }
  }

  #report(errors: readonly unknown[], operation: string): void {
    const [first] = errors;
    if (first === undefined) return;
    const reason = first instanceof Error ? first.message : String(first);
    const more = errors.length === 1 ? "" : ` (and ${errors.length - 1} more)`;
    this.#parts.onFailure(`Cannot ${operation}: ${reason}${more}`);
  }

  /** Ends following. What the kernel has stays. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#routes.clear();
  }
}

/** Whether a service leads to where IPv4's stack takes packets from outside for forged ones, unless it is told otherwise. */
const isLoopback = ({ backend }: HostService): boolean => backend.address.startsWith("127.");

/** The first address of each family. */
function sourcesOf(addresses: readonly string[]): { [F in Family]?: string } {
  const first = (family: Family) => addresses.find((address) => address.includes(":") === (family === 6));
  const [source4, source6] = [first(4), first(6)];
  return {
    ...(source4 === undefined ? {} : { 4: source4 }),
    ...(source6 === undefined ? {} : { 6: source6 }),
  };
}
