// SPDX-License-Identifier: Apache-2.0
import { Netlink, type WatchEvent, type WatchGroup } from "../../netlink/index.ts";
import type { EventKind, EventReader, NewEvent } from "./events.ts";

/** Kinds that are changes of the kernel's own tables. */
const GROUPS: Readonly<Partial<Record<EventKind, WatchGroup>>> = {
  link: "link",
  address: "address",
  "kernel-route": "route",
  neigh: "neighbour",
};

/**
 * Watches, for one reader, the kernel's tables that it asked for. A socket of its own keeps their events in the
 * kernel's order, whatever the tables, and what floods it is lost for that reader alone.
 */
export function kernelEvents(kinds: readonly EventKind[], reader: EventReader, netns: string | undefined): Disposable {
  const groups = kinds.flatMap((kind) => GROUPS[kind] ?? []);
  if (groups.length === 0) return { [Symbol.dispose]() {} };
  using netlink = Netlink.open({ netns });
  return netlink.watch(groups, (event) => {
    const told = newEvent(event);
    if (told !== undefined) reader.emit(told);
    // How many the kernel dropped it does not say: one at least.
    else if (event.kind === "resynchronise") reader.lose(1);
  });
}

function newEvent(event: WatchEvent): NewEvent | undefined {
  switch (event.kind) {
    case "link":
    case "address":
      return event;
    case "route":
      return { kind: "kernel-route", change: event.change, route: event.route };
    case "neighbour":
      return { kind: "neigh", change: event.change, neighbour: event.neighbour };
    default:
      return undefined;
  }
}
