// SPDX-License-Identifier: Apache-2.0
/** What next hops are like in the kernel. */
import { formatMac } from "../../address.ts";
import { NEXTHOP_FLAG_DOWN, NEXTHOP_FLAG_RESOLVE, NexthopTypeValue, nexthopCodec } from "../../layout/index.ts";
import type { Core } from "../core.ts";
import type { Nexthop } from "../schema/index.ts";
import type { Counters } from "./counters.ts";

/** Of a neighbour that has yet to answer. */
const NO_MAC = "00:00:00:00:00:00";

type Status = Readonly<Record<string, unknown>>;

/** `status` of a next hop. */
export function nexthopStatus(core: Core, counters: Counters, { name, type }: Nexthop): Status {
  const id = core.parts.ids.nexthop.get(name);
  if (id === undefined) return {};
  if (type === "interface") return { id, ...interfaceStatus(core, id) };
  if (type === "tunnel") return { id, ...tunnelStatus(core, counters, id) };
  if (type === "ecmp") return { id, members: memberStatus(core, id) };
  return { id };
}

const flagsOf = ({ parts }: Core, id: number): number => {
  const { nexthops } = parts.tables;
  return nexthopCodec.flags.get(nexthops.view, nexthops.at(id));
};

const isUsable = (core: Core, id: number): boolean =>
  (flagsOf(core, id) & (NEXTHOP_FLAG_RESOLVE | NEXTHOP_FLAG_DOWN)) === 0;

function interfaceStatus(core: Core, id: number): Status {
  const { nexthops } = core.parts.tables;
  const base = nexthops.at(id);
  const interfaceId = nexthopCodec.interface.get(nexthops.view, base);
  if (interfaceId === 0) return {};
  const resolved = isUsable(core, id);
  const mac = formatMac(nexthopCodec.destinationMac.bytes(nexthops.bytes, base));
  return { interface: core.parts.names.interface(interfaceId), resolved, ...(resolved ? { mac } : {}) };
}

/** resolved: there is a path to the other node. Its counters are since the tunnel was added. */
function tunnelStatus(core: Core, counters: Counters, id: number): Status {
  const { nexthops } = core.parts.tables;
  const base = nexthops.at(id);
  const paths = pathsOf(core, nexthopCodec.underlay.get(nexthops.view, base)).filter(({ mac }) => mac !== NO_MAC);
  return {
    resolved: isUsable(core, id) && paths.length > 0,
    ...(paths.length === 0 ? {} : { paths, mtu: nexthopCodec.mtu.get(nexthops.view, base) }),
    counters: counters.tunnel(id),
  };
}

/** The interfaces and MACs that packets for a tunnel's far end leave by. */
function pathsOf(core: Core, underlay: number): Status[] {
  if (underlay === 0) return [];
  const { nexthops, members } = core.parts.tables;
  const type = nexthopCodec.type.get(nexthops.view, nexthops.at(underlay));
  const legs = type === NexthopTypeValue.ecmp ? [...members.shares(underlay).keys()] : [underlay];
  return legs.map((leg) => {
    const base = nexthops.at(leg);
    return {
      interface: core.parts.names.interface(nexthopCodec.interface.get(nexthops.view, base)),
      mac: formatMac(nexthopCodec.destinationMac.bytes(nexthops.bytes, base)),
    };
  });
}

/** Each member with its share of the buckets, and whether it is used. */
function memberStatus(core: Core, id: number): Status[] {
  const shares = core.parts.tables.members.shares(id);
  const total = [...shares.values()].reduce((sum, count) => sum + count, 0);
  return [...shares].map(([nexthop, buckets]) => ({
    nexthop: core.parts.ids.nexthop.nameOf(nexthop) ?? `#${nexthop}`,
    share: buckets / total,
    alive: (flagsOf(core, nexthop) & NEXTHOP_FLAG_DOWN) === 0,
  }));
}
