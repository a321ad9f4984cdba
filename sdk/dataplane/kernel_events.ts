// SPDX-License-Identifier: Apache-2.0
import { Netlink, type WatchGroup } from "../netlink/index.ts";
import type { EventHub, EventKind } from "./events.ts";

/** Kinds that need a subscription of their own; links and neighbours are watched at all times. */
const GROUPS: Readonly<Partial<Record<EventKind, WatchGroup>>> = { address: "address", "kernel-route": "route" };

/** Watches, for one reader, the kernel's tables that it asked for. */
export function kernelEvents(kinds: readonly EventKind[], hub: EventHub, netns: string | undefined): Disposable {
  const groups = kinds.flatMap((kind) => GROUPS[kind] ?? []);
  if (groups.length === 0) return { [Symbol.dispose]() {} };
  using netlink = Netlink.open({ netns });
  // The watch has a socket of its own.
  return netlink.watch(groups, (event) => {
    if (event.kind === "address") hub.emit(event);
    else if (event.kind === "route") hub.emit({ kind: "kernel-route", change: event.change, route: event.route });
  });
}
