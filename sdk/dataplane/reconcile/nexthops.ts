// SPDX-License-Identifier: Apache-2.0
/** Next hops. Their numbers stay when their content changes, so routes and flows follow at once. */
import { formatAddress, parseAddress, parseMac } from "../../address.ts";
import { NEXTHOP_FLAG_DOWN, nexthopCodec } from "../../layout/index.ts";
import { labelTag } from "../kernel/label_tag.ts";
import { hashFieldsOf, type NexthopRecord } from "../kernel/nexthop_record.ts";
import { learnedMac } from "../kernel/records.ts";
import { type Encap, type Nexthop, type NexthopMember, RESERVED_NEXTHOPS } from "../schema/index.ts";
import type { Run } from "./context.ts";
import { interfaceNexthop, macOf, pathNexthop, tunnelMtu } from "./records_of.ts";

/** Writes the next hops that are there without an object. */
export function writeReservedNexthops(run: Run): void {
  for (const type of RESERVED_NEXTHOPS) run.tables.nexthops.set({ id: run.ids.take("nexthop", type), type }, run.undo);
}

/** Writes a next hop. What it leads to must be written, or at least have its number. */
export function writeNexthop(run: Run, object: Nexthop): void {
  const id = run.ids.take("nexthop", object.name);
  const record = recordOf(run, object, id);
  // Before the first packet is counted.
  if (record.tunnel !== undefined) run.tables.tunnels.set(id, record.tunnel, run.undo);
  run.tables.nexthops.set(record, run.undo);
  // What the next hop had while it was of another type.
  if (record.members === undefined) run.tables.members.drop(id, run);
  if (record.tunnel === undefined) run.tables.tunnels.drop(id, run.undo);
  if (record.tunnel === undefined && object.gateway === undefined) leaveFabric(run, object.name);
}

function recordOf(run: Run, object: Nexthop, id: number): NexthopRecord {
  switch (object.type) {
    case "interface":
      return interfaceRecord(run, object, id);
    case "tunnel":
      return tunnelRecord(run, object, id);
    case "ecmp":
      return { id, type: "ecmp", hashFields: hashFieldsOf(object.hash), members: bucketsOf(run, object, id) };
    case "flood":
      return { id, type: "flood", members: run.tables.members.list(id, floodMembers(run, object), run) };
    case "vrf":
      return { id, type: "vrf", vrf: run.ids.take("vrf", object.vrf ?? "") };
    default:
      return { id, type: object.type };
  }
}

function interfaceRecord(run: Run, object: Nexthop, id: number): NexthopRecord {
  const live = object.device === undefined ? undefined : run.live.get(object.device);
  if (live === undefined) throw new Error(`Next hop "${object.name}" leads out of no interface`);
  if (live.device === undefined) return interfaceNexthop(id, live, undefined);
  if (live.object.role === "workload") {
    return interfaceNexthop(id, live, macOf(live.object) ?? learnedMac(run.tables.interfaces, live.id));
  }
  if (object.gateway === undefined) return interfaceNexthop(id, live, undefined);
  const target = { remote: canonical(object.gateway), ifindex: live.device.ifindex };
  const [path] = run.followed.follow(run, object.name, target);
  if (path === undefined) return interfaceNexthop(id, live, undefined);
  return pathNexthop(id, live, path.mtu, parseMac(path.destinationMac));
}

function tunnelRecord(run: Run, object: Nexthop, id: number): NexthopRecord {
  const { encap, routerMac } = object;
  const remote = parseAddress(object.remote ?? "");
  const local = parseAddress(object.local ?? run.node.underlay ?? "");
  if (encap === undefined || remote === undefined || local === undefined) {
    throw new Error(`Next hop "${object.name}" is no whole tunnel`);
  }
  const { nexthops } = run.tables;
  const wasDown = (nexthopCodec.flags.get(nexthops.view, nexthops.at(id)) & NEXTHOP_FLAG_DOWN) !== 0;
  const target = { remote: formatAddress(remote.bytes), source: formatAddress(local.bytes) };
  const paths = run.followed.follow(run, object.name, target);
  const way = run.ways.lead(run, object.name, paths, run.followed.awaited(target));
  // An ecmp avoids it; packets of routes that lead nowhere else may wait for a neighbour, see `Ways.lead`.
  const isDown = paths.length === 0 || way.nexthop === 0;
  // Flows that an ecmp led there are to find another member.
  if (isDown && !wasDown) run.stale.nexthops.add(id);
  return {
    id,
    type: "tunnel",
    flags: isDown ? NEXTHOP_FLAG_DOWN : 0,
    mtu: tunnelMtu(encap, remote.family, way.mtu),
    tunnel: {
      encap,
      local,
      remote,
      underlay: way.nexthop,
      routerMac: routerMac === undefined ? undefined : parseMac(routerMac),
    },
  };
}

const idOf = (run: Run, { nexthop }: NexthopMember): number => run.ids.take("nexthop", nexthop);

function bucketsOf(run: Run, { members = [] }: Nexthop, id: number): NonNullable<NexthopRecord["members"]> {
  const records = members.map((member) => ({
    nexthop: idOf(run, member),
    tag: labelTag(member),
    weight: member.weight ?? 1,
  }));
  return run.tables.members.buckets(id, records, run);
}

/** Tunnels in the order of the size of their headers: the kernel can only add to a frame that it copies. */
const ENCAP_ORDER: Readonly<Record<Encap, number>> = { "mpls-gre": 0, "mpls-udp": 1, vxlan: 2 };

function floodMembers(run: Run, { members = [] }: Nexthop): { nexthop: number; tag: number }[] {
  const rank = ({ nexthop }: NexthopMember): number => {
    const target = run.state.get("nexthops", nexthop);
    if (target?.encap === undefined) return -1;
    return (parseAddress(target.remote ?? "")?.family === 6 ? 3 : 0) + ENCAP_ORDER[target.encap];
  };
  return [...members]
    .sort((a, b) => rank(a) - rank(b))
    .map((member) => ({ nexthop: idOf(run, member), tag: labelTag(member) }));
}

const canonical = (text: string): string => {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address.bytes);
};

function leaveFabric(run: Run, name: string): void {
  run.followed.leave(run, name);
  run.ways.leave(run, name);
}

/** Takes a next hop away, later. Its name may live on as an interface's. */
export function removeNexthop(run: Run, name: string): void {
  leaveFabric(run, name);
  const id = run.ids.nexthop.get(name);
  if (id === undefined) return;
  run.tables.members.drop(id, run);
  run.tables.tunnels.drop(id, run.undo);
  if (run.state.get("interfaces", name) !== undefined || run.state.get("nexthops", name) !== undefined) return;
  run.ids.free("nexthop", name);
  run.stale.nexthops.add(id);
  run.retire.push(() => run.tables.nexthops.clear(id, run.undo));
}
