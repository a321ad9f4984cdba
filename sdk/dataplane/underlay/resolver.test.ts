// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from "bun:test";
import type { UnderlayLink, UnderlayNeighbour, UnderlayRoute, UnderlayTarget, UnderlayWay } from "./path.ts";
import { type KernelView, Resolver, type UnderlayChange } from "./resolver.ts";

/** A kernel made of tables that the tests write. */
class FakeKernel implements KernelView {
  readonly routes = new Map<string, UnderlayRoute>();
  readonly links = new Map<number, UnderlayLink>();
  readonly neighbours = new Map<string, UnderlayNeighbour>();
  readonly calls: string[] = [];

  settle(): void {}

  route({ remote, ifindex }: UnderlayTarget): UnderlayRoute {
    this.calls.push(`route ${remote}`);
    if (ifindex !== undefined) return route(way(ifindex, remote));
    return this.routes.get(remote) ?? route();
  }

  link(ifindex: number): UnderlayLink | undefined {
    this.calls.push(`link ${ifindex}`);
    return this.links.get(ifindex);
  }

  neighbour(ifindex: number, address: string): UnderlayNeighbour | undefined {
    this.calls.push(`neighbour ${ifindex} ${address}`);
    return this.neighbours.get(`${ifindex} ${address}`);
  }

  ask(ifindex: number, address: string): void {
    this.calls.push(`ask ${ifindex} ${address}`);
  }

  release(ifindex: number, address: string): void {
    this.calls.push(`release ${ifindex} ${address}`);
  }

  /** What was called since the last time. */
  taken(): string[] {
    return this.calls.splice(0);
  }
}

function way(ifindex: number, gateway: string, o: Partial<UnderlayWay> = {}): UnderlayWay {
  return { ifindex, gateway, sourceAddress: "192.0.2.1", mtu: undefined, weight: 1, dead: false, ...o };
}

function route(...ways: UnderlayWay[]): UnderlayRoute {
  return { ways, usesNexthopObject: false };
}

function link(number: number, o: Partial<UnderlayLink> = {}): UnderlayLink {
  return { up: true, running: true, mac: `02:00:00:00:f0:0${number}`, mtu: 1600, ...o };
}

const remote = "203.0.113.2";
const mac = (number: number) => `02:00:00:01:00:0${number}`;
const known = (number: number): UnderlayNeighbour => ({ mac: mac(number), kept: true });

let kernel: FakeKernel;
let resolver: Resolver;

/** Remotes whose paths changed, with the links that they lead by now. */
function flush(more?: () => boolean): Record<string, number[]> {
  const changes: UnderlayChange[] = [];
  resolver.flush((change) => changes.push(change), more);
  return Object.fromEntries(changes.map(({ target, paths }) => [target.remote, paths.map(({ ifindex }) => ifindex)]));
}

beforeEach(() => {
  kernel = new FakeKernel();
  resolver = new Resolver(kernel);
  kernel.links.set(1, link(1)).set(2, link(2, { mtu: 1500 }));
  kernel.neighbours.set("1 10.1.0.1", known(1)).set("2 10.2.0.1", known(2));
  kernel.routes.set(remote, route(way(1, "10.1.0.1", { weight: 3 }), way(2, "10.2.0.1", { mtu: 1400 })));
});

describe("a target", () => {
  test("has a path for each way whose link and neighbour can be used", () => {
    expect(resolver.track({ remote })).toEqual([
      {
        ifindex: 1,
        gateway: "10.1.0.1",
        destinationMac: mac(1),
        sourceMac: "02:00:00:00:f0:01",
        sourceAddress: "192.0.2.1",
        mtu: 1600,
        weight: 3,
      },
      {
        ifindex: 2,
        gateway: "10.2.0.1",
        destinationMac: mac(2),
        sourceMac: "02:00:00:00:f0:02",
        sourceAddress: "192.0.2.1",
        mtu: 1400,
        weight: 1,
      },
    ]);
    expect(resolver.pending).toBe(false);
    expect(resolver.waiting).toBe(false);
  });

  test("without a route has none, until there is one", () => {
    kernel.routes.delete(remote);
    expect(resolver.track({ remote })).toEqual([]);
    kernel.routes.set(remote, route(way(2, "10.2.0.1")));
    resolver.routeChanged("10.0.0.0/8");
    expect(flush()).toEqual({});
    resolver.routeChanged("203.0.113.0/24");
    expect(flush()).toEqual({ [remote]: [2] });
    expect(resolver.paths({ remote })).toHaveLength(1);
  });

  test("is looked up again for routes that hold it, of its own family, and for the default route", () => {
    resolver.track({ remote });
    const lookedUp = (prefix: string) => {
      kernel.taken();
      resolver.routeChanged(prefix);
      flush();
      return kernel.taken().length > 0;
    };
    expect(lookedUp("203.0.113.0/30")).toBe(true);
    expect(lookedUp("203.0.113.4/30")).toBe(false);
    expect(lookedUp("0.0.0.0/0")).toBe(true);
    expect(lookedUp("::/0")).toBe(false);
    expect(lookedUp("203.0.113.2/32")).toBe(true);
  });

  test("with a link named is a neighbour on that link, whatever the routes say", () => {
    kernel.neighbours.set(`2 ${remote}`, known(7));
    expect(resolver.track({ remote, ifindex: 2 })).toMatchObject([{ ifindex: 2, destinationMac: mac(7) }]);
    kernel.taken();
    resolver.routeChanged("0.0.0.0/0");
    expect(flush()).toEqual({});
    expect(kernel.taken()).toEqual([]);
  });

  test("tracked several times is forgotten with the last, and then releases what it used", () => {
    resolver.track({ remote });
    resolver.track({ remote });
    kernel.taken();
    resolver.untrack({ remote });
    expect(resolver.paths({ remote })).toHaveLength(2);
    expect(kernel.taken()).toEqual([]);
    resolver.untrack({ remote });
    expect(resolver.paths({ remote })).toEqual([]);
    expect(kernel.taken()).toEqual(["release 1 10.1.0.1", "release 2 10.2.0.1"]);
    resolver.linkChanged(1, undefined);
    expect(resolver.pending).toBe(false);
  });

  test("that is no address is refused", () => {
    expect(() => resolver.track({ remote: "n2" })).toThrow('Cannot follow "n2": it is no IP address');
  });
});

describe("a change of a link", () => {
  test("takes its paths away before anything is looked up, and brings them back", () => {
    resolver.track({ remote });
    kernel.taken();
    resolver.linkChanged(1, link(1, { running: false }));
    expect(flush(() => false)).toEqual({ [remote]: [2] });
    resolver.linkChanged(1, link(1));
    expect(flush()).toEqual({ [remote]: [1, 2] });
  });

  test("revives the ways that the kernel gave up with it before they are looked up", () => {
    resolver.track({ remote });
    kernel.routes.set(remote, route(way(1, "10.1.0.1", { dead: true }), way(2, "10.2.0.1")));
    resolver.linkChanged(1, link(1, { running: false }));
    expect(flush()).toEqual({ [remote]: [2] });
    resolver.linkChanged(1, link(1));
    const told: number[] = [];
    resolver.flush(({ paths }) => told.push(paths.length));
    // What the look-up says counts in the end.
    expect(told).toEqual([2, 1]);
  });

  test("is no matter where nothing of interest changed, or nobody uses the link", () => {
    resolver.track({ remote });
    resolver.linkChanged(1, link(1));
    resolver.linkChanged(9, link(9));
    expect(resolver.pending).toBe(false);
  });

  test("of MTU or MAC shows in the paths", () => {
    resolver.track({ remote });
    resolver.linkChanged(2, link(2, { mtu: 1300, mac: "02:00:00:00:f0:99" }));
    expect(flush()).toEqual({ [remote]: [1, 2] });
    expect(resolver.paths({ remote })[1]).toMatchObject({ mtu: 1300, sourceMac: "02:00:00:00:f0:99" });
  });

  test("has routes read again, as some vanish with a link without a word", () => {
    resolver.track({ remote });
    kernel.routes.set(remote, route(way(2, "10.2.0.1")));
    resolver.linkChanged(1, link(1, { up: false, running: false }));
    flush();
    kernel.taken();
    // The link is not used any more.
    resolver.linkChanged(1, link(1));
    expect(resolver.pending).toBe(false);
  });
});

describe("a neighbour", () => {
  test("that is missing is asked for once, and again when told so, until it answers", () => {
    kernel.neighbours.delete("1 10.1.0.1");
    expect(resolver.track({ remote }).map(({ ifindex }) => ifindex)).toEqual([2]);
    expect(kernel.taken()).toContain("ask 1 10.1.0.1");
    expect(resolver.waiting).toBe(true);
    resolver.neighbourChanged(1, "10.1.0.1", { mac: undefined, kept: true });
    expect(flush()).toEqual({});
    expect(kernel.taken()).toEqual([]);
    resolver.askAgain();
    expect(kernel.taken()).toEqual(["ask 1 10.1.0.1"]);
    resolver.neighbourChanged(1, "10.1.0.1", known(5));
    expect(flush()).toEqual({ [remote]: [1, 2] });
    expect(resolver.waiting).toBe(false);
  });

  test("that is known, but that nobody keeps fresh, is used and asked for", () => {
    kernel.neighbours.set("1 10.1.0.1", { mac: mac(1), kept: false });
    expect(resolver.track({ remote })).toHaveLength(2);
    expect(kernel.taken()).toContain("ask 1 10.1.0.1");
    resolver.neighbourChanged(1, "10.1.0.1", known(1));
    expect(resolver.waiting).toBe(false);
    expect(flush()).toEqual({});
  });

  test("that changes its MAC changes the paths of all that go by it, without a look-up", () => {
    const others = ["203.0.113.3", "203.0.113.4"];
    for (const other of others) kernel.routes.set(other, route(way(1, "10.1.0.1")));
    for (const target of [remote, ...others]) resolver.track({ remote: target });
    kernel.taken();
    resolver.neighbourChanged(1, "10.1.0.1", known(8));
    expect(Object.keys(flush())).toEqual([remote, ...others]);
    expect(resolver.paths({ remote: others[0] ?? "" })).toMatchObject([{ destinationMac: mac(8) }]);
    expect(kernel.taken()).toEqual([]);
  });

  test("that fails or whose entry goes takes its path away and is asked for again", () => {
    resolver.track({ remote });
    for (const now of [{ mac: undefined, kept: true }, undefined]) {
      kernel.taken();
      resolver.neighbourChanged(1, "10.1.0.1", now);
      expect(flush()).toEqual({ [remote]: [2] });
      expect(kernel.taken()).toEqual(["ask 1 10.1.0.1"]);
      resolver.neighbourChanged(1, "10.1.0.1", known(1));
      expect(flush()).toEqual({ [remote]: [1, 2] });
    }
  });

  test("is not asked for on a link that is down, and at once when that comes up", () => {
    kernel.links.set(1, link(1, { running: false }));
    kernel.neighbours.delete("1 10.1.0.1");
    resolver.track({ remote });
    expect(kernel.taken()).not.toContain("ask 1 10.1.0.1");
    resolver.linkChanged(1, link(1));
    flush();
    expect(kernel.taken()).toContain("ask 1 10.1.0.1");
  });

  test("that a new route goes by as well is not released", () => {
    resolver.track({ remote });
    kernel.taken();
    kernel.routes.set(remote, route(way(1, "10.1.0.1")));
    resolver.routeChanged(`${remote}/32`);
    expect(flush()).toEqual({ [remote]: [1] });
    expect(kernel.taken()).toEqual([`route ${remote}`, "release 2 10.2.0.1"]);
  });
});

describe("other changes", () => {
  test("a way that the kernel does not use at present is no path", () => {
    kernel.routes.set(remote, route(way(1, "10.1.0.1", { dead: true }), way(2, "10.2.0.1")));
    expect(resolver.track({ remote }).map(({ ifindex }) => ifindex)).toEqual([2]);
    kernel.routes.set(remote, route(way(1, "10.1.0.1"), way(2, "10.2.0.1")));
    resolver.addressAdded(1);
    expect(flush()).toEqual({ [remote]: [1, 2] });
  });

  test("rules and lost addresses have all routes read again, nexthop objects those that use one", () => {
    const other = "203.0.113.3";
    kernel.routes.set(other, { ...route(way(1, "10.1.0.1")), usesNexthopObject: true });
    resolver.track({ remote });
    resolver.track({ remote: other });
    const lookedUp = () => {
      kernel.taken();
      flush();
      return kernel.taken();
    };
    resolver.allRoutesChanged();
    expect(lookedUp()).toEqual([`route ${remote}`, `route ${other}`]);
    resolver.nexthopChanged();
    expect(lookedUp()).toEqual([`route ${other}`]);
  });

  test("that were lost are found by reading everything again", () => {
    resolver.track({ remote });
    kernel.links.set(2, link(2, { up: false, running: false }));
    kernel.neighbours.set("1 10.1.0.1", known(6));
    resolver.resynchronise();
    expect(flush()).toEqual({ [remote]: [1] });
    expect(resolver.paths({ remote })).toMatchObject([{ destinationMac: mac(6) }]);
  });

  test("are worked off in slices", () => {
    const remotes = Array.from({ length: 10 }, (_, i) => `203.0.113.${100 + i}`);
    for (const one of remotes) resolver.track({ remote: one });
    for (const one of remotes) kernel.routes.set(one, route(way(1, "10.1.0.1")));
    resolver.allRoutesChanged();
    let left = 3;
    expect(Object.keys(flush(() => --left > 0))).toHaveLength(3);
    expect(resolver.pending).toBe(true);
    expect(Object.keys(flush())).toHaveLength(7);
    expect(resolver.pending).toBe(false);
  });
});
