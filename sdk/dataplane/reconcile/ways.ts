// SPDX-License-Identifier: Apache-2.0
/**
 * Next hops of Weir's own that lead over the fabric: one for each neighbour that paths go to, and an ecmp for each
 * set of paths. Tunnels share them, so a neighbour's new MAC is one write however many tunnels lead over it.
 */
import { parseMac } from "../../address.ts";
import { NEXTHOP_FLAG_DOWN, nexthopCodec } from "../../layout/index.ts";
import type { LiveInterface } from "../device/live.ts";
import { type UnderlayPath, type UnderlayWait, underlayNeighbour } from "../underlay/index.ts";
import type { Run } from "./context.ts";
import { pathNexthop } from "./records_of.ts";

/** Begins the names of these next hops: no object's name begins so. */
export const OWN_PREFIX = "~";

/** Where packets to a target go. */
export interface Way {
  /** Number of the next hop; 0: nowhere. */
  readonly nexthop: number;
  /** Largest outer packet, in bytes; 0: not known. */
  readonly mtu: number;
}

/** What most next hops lead along. */
const NOTHING: readonly string[] = [];

const NOWHERE: Way = { nexthop: 0, mtu: 0 };

/** A path, or the neighbour that it waits for. */
type Hop = UnderlayWait & Partial<UnderlayPath>;

interface Leg {
  readonly live: LiveInterface;
  readonly hop: Hop;
  /** Name of its next hop. */
  readonly name: string;
}

/** The next hops in use, and by whom. */
export class Ways {
  /** Users of each of these next hops: objects' names, and names of ecmps of the kind. */
  readonly #users = new Map<string, Set<string>>();
  /** What each user leads to. */
  readonly #used = new Map<string, readonly string[]>();
  /** Next hops that lost a user in the run at hand. */
  #left = new Set<string>();

  /**
   * Has `user` lead along `paths`. Those out of devices that are none of the interfaces are not used.
   * @param user name of a next hop.
   * @param awaited where there are no paths, the neighbour whose answer packets wait for.
   */
  lead(run: Run, user: string, paths: readonly UnderlayPath[], awaited: UnderlayWait | undefined): Way {
    const before = this.#used.get(user)?.[0];
    const legs = legsOf(run, paths.length === 0 && awaited !== undefined ? [awaited] : paths);
    const mtu = Math.min(...legs.map(({ hop, live }) => hop.mtu ?? live.device?.mtu ?? 0));
    const [first] = legs;
    if (first === undefined) {
      this.#use(run, user, []);
      return NOWHERE;
    }
    if (legs.length === 1) {
      this.#use(run, user, [first.name]);
      return { nexthop: this.#writeLeg(run, first), mtu };
    }
    const name = `${OWN_PREFIX}paths ${legs.map((leg) => `${leg.name.slice(1)} ${leg.hop.weight}`).join(", ")}`;
    const isNew = !this.#users.has(name);
    this.#use(run, user, [name]);
    const nexthop = run.ids.take("nexthop", name);
    this.#use(
      run,
      name,
      legs.map((leg) => leg.name),
    );
    const members = legs.map((leg) => ({ nexthop: this.#writeLeg(run, leg), tag: 0, weight: leg.hop.weight ?? 1 }));
    if (isNew) {
      const model = before === undefined ? undefined : run.ids.nexthop.get(before);
      const range = run.tables.members.buckets(nexthop, members, run, model);
      run.tables.nexthops.set({ id: nexthop, type: "ecmp", mtu, members: range }, run.undo);
    }
    return { nexthop, mtu };
  }

  /** `user` is no more, or leads nowhere over the fabric. */
  leave(run: Run, user: string): void {
    this.#use(run, user, []);
  }

  #writeLeg(run: Run, { live, hop, name }: Leg): number {
    const id = run.ids.take("nexthop", name);
    const mac = hop.destinationMac === undefined ? undefined : parseMac(hop.destinationMac);
    run.tables.nexthops.set(pathNexthop(id, live, hop.mtu ?? live.device?.mtu ?? 0, mac), run.undo);
    return id;
  }

  #use(run: Run, user: string, names: readonly string[]): void {
    const before = this.#used.get(user) ?? NOTHING;
    if (names.length === before.length && names.every((name, i) => name === before[i])) return;
    for (const name of names) if (!before.includes(name)) this.#changeUser(run, name, user, true);
    for (const name of before) if (!names.includes(name)) this.#changeUser(run, name, user, false);
    this.#keepUsed(user, names);
    run.undo.push(() => this.#keepUsed(user, before));
  }

  #keepUsed(user: string, names: readonly string[]): void {
    if (names.length === 0) this.#used.delete(user);
    else this.#used.set(user, names);
  }

  #changeUser(run: Run, name: string, user: string, uses: boolean): void {
    const change = (add: boolean) => {
      const users = this.#users.get(name) ?? new Set();
      if (add) this.#users.set(name, users.add(user));
      else if (users.delete(user) && users.size === 0) this.#users.delete(name);
    };
    change(uses);
    run.undo.push(() => change(!uses));
    if (!uses) this.#left.add(name);
  }

  /**
   * A link changed: paths out of it are marked as lost or found again, at once, one write for all that leads along
   * each. What they lead to instead comes when the routes have been looked up. Events may be older than what was read
   * meanwhile, so the kernel is asked how things are now.
   */
  linkChanged(run: Run, ifindex: number): void {
    for (const [name, live] of this.#pathsOut(run, ifindex)) {
      const link = run.devices.netlink.link(ifindex);
      this.#mark(run, name, live, { isUsable: link?.up === true && link.running });
    }
  }

  /** A neighbour changed: paths to it go to its new MAC, or are lost. */
  neighbourChanged(run: Run, ifindex: number, address: string): void {
    for (const [name, live] of this.#pathsOut(run, ifindex)) {
      if (name !== pathName(live, address)) continue;
      const neighbour = run.devices.netlink.neighbour(ifindex, address);
      const text = neighbour === undefined ? undefined : underlayNeighbour(neighbour).mac;
      const mac = text === undefined ? undefined : parseMac(text);
      this.#mark(run, name, live, { isUsable: mac !== undefined, mac });
    }
  }

  *#pathsOut(run: Run, ifindex: number): Generator<[string, LiveInterface]> {
    const live = run.live.onDevice(ifindex);
    if (live === undefined) return;
    const begin = pathName(live, "");
    for (const name of this.#users.keys()) if (name.startsWith(begin)) yield [name, live];
  }

  #mark(run: Run, name: string, live: LiveInterface, o: { isUsable: boolean; mac?: Uint8Array | undefined }): void {
    const id = run.ids.nexthop.get(name);
    if (id === undefined) return;
    const { nexthops } = run.tables;
    const base = nexthops.at(id);
    const known = nexthopCodec.destinationMac.bytes(nexthops.bytes, base).slice();
    const mac = o.mac ?? (known.some((byte) => byte !== 0) ? known : undefined);
    const record = pathNexthop(id, live, nexthopCodec.mtu.get(nexthops.view, base), mac);
    const flags = (record.flags ?? 0) | (o.isUsable ? 0 : NEXTHOP_FLAG_DOWN);
    nexthops.set({ ...record, flags }, run.undo);
  }

  /** Takes away, later, what nobody uses after the run. */
  settle(run: Run): void {
    while (this.#left.size > 0) {
      const left = this.#left;
      this.#left = new Set();
      for (const name of left) {
        if (this.#users.has(name)) continue;
        const id = run.ids.nexthop.get(name);
        // An ecmp takes its paths with it.
        this.#use(run, name, []);
        if (id === undefined) continue;
        run.ids.free("nexthop", name);
        run.tables.members.drop(id, run);
        run.retire.push(() => run.tables.nexthops.clear(id, run.undo));
      }
    }
  }

  /** After a start: numbers of next hops that an earlier process had, and this one does not need. */
  freeStrays(run: Run): void {
    for (const name of [...run.ids.nexthop.names()]) {
      if (!name.startsWith(OWN_PREFIX) || this.#users.has(name)) continue;
      const id = run.ids.nexthop.get(name);
      if (id !== undefined) run.tables.members.drop(id, run);
      run.ids.free("nexthop", name);
    }
  }
}

const pathName = (live: LiveInterface, gateway: string): string => `${OWN_PREFIX}path ${live.object.name} ${gateway}`;

/** Sorted, so that the same paths make the same set in whatever order the kernel tells them. */
function legsOf(run: Run, hops: readonly Hop[]): Leg[] {
  const legs = new Map<string, Leg>();
  for (const hop of hops) {
    const live = run.live.onDevice(hop.ifindex);
    if (live === undefined) continue;
    const name = pathName(live, hop.gateway);
    legs.set(name, { live, hop, name });
  }
  return [...legs.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
