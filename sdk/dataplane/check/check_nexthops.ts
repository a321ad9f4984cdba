// SPDX-License-Identifier: Apache-2.0
/** Next hops, and what leads to them: fields fit the type, and labels and VNIs fit the tunnels. */
import { isUnusableForHost, parseAddress } from "../../address.ts";
import { invalid, type Kind, type KindObjects, type Nexthop, type NexthopMember } from "../schema/index.ts";
import { isWritten } from "../state/candidate.ts";
import type { AnyChange, DesiredState } from "../state/desired.ts";
import { isReservedNexthop } from "../state/references.ts";
import type { Locate } from "./check.ts";
import { requireNoHost } from "./check_host.ts";
import { bothLabels, checkFits, checkLeading, type Leading, neededBy, nexthopOf } from "./check_labels.ts";

type Type = Nexthop["type"];
type Field = Exclude<keyof Nexthop, "name" | "type">;

/** Which fields each type may have; `true`: it must. */
const FIELDS: Readonly<Record<Type, Readonly<Partial<Record<Field, boolean>>>>> = {
  interface: { device: true, gateway: false },
  tunnel: { encap: true, remote: true, local: false, routerMac: false },
  ecmp: { members: true, hash: false },
  flood: { members: true },
  vrf: { vrf: true },
  local: {},
  discard: {},
  resolve: {},
  trap: {},
};

const MEANING: Readonly<Record<Field, string>> = {
  device: "name the interface that it leads out of",
  gateway: "name the neighbour",
  encap: "give vxlan, mpls-udp or mpls-gre",
  remote: "give the underlay address of the other node",
  local: "give the own underlay address",
  routerMac: "give the other router's MAC",
  members: "list the next hops",
  hash: "list fields",
  vrf: "name the VRF to look up in",
};

/** Types that a member of an ecmp or flood next hop may have: they lead out by themselves. */
const MEMBER_TYPES: ReadonlySet<Type> = new Set(["interface", "tunnel"]);

/** Checks a next hop by itself and against what it names. */
export function checkNexthop(state: DesiredState, nexthop: Nexthop, pointer: string): void {
  const { type } = nexthop;
  for (const field of Object.keys(MEANING) as Field[]) {
    const allowed = FIELDS[type][field];
    if (nexthop[field] === undefined) {
      if (allowed === true) throw invalid(pointer, `lacks the field "${field}"`, MEANING[field]);
    } else if (allowed === undefined) {
      throw invalid(`${pointer}/${field}`, `has no meaning for type ${type}`, "leave it out");
    }
  }
  if (type === "interface") checkGateway(state, nexthop, pointer);
  else if (type === "tunnel") checkTunnel(state, nexthop, pointer);
  else if (type === "ecmp" || type === "flood") checkMembers(state, nexthop, pointer);
}

function checkGateway(state: DesiredState, nexthop: Nexthop, pointer: string): void {
  requireNoHost(state, nexthop.device, `${pointer}/device`, "lead routes to the interface by its name");
  const device = nexthop.device === undefined ? undefined : state.get("interfaces", nexthop.device);
  if (device?.role === "fabric" && nexthop.gateway === undefined) {
    throw invalid(pointer, 'lacks the field "gateway"', `name the neighbour behind fabric interface "${device.name}"`);
  }
}

function checkTunnel(state: DesiredState, nexthop: Nexthop, pointer: string): void {
  const remote = endpoint(nexthop.remote, `${pointer}/remote`);
  const local = endpoint(nexthop.local, `${pointer}/local`);
  if (nexthop.routerMac !== undefined && nexthop.encap !== "vxlan") {
    throw invalid(`${pointer}/routerMac`, `has no meaning for encap ${nexthop.encap}`, "leave it out");
  }
  const underlay = state.get("node", "node")?.underlay;
  const source = local ?? (underlay === undefined ? undefined : parseAddress(underlay)?.family);
  if (source === undefined) {
    throw invalid(pointer, "has no source address", "give node.underlay, or the tunnel's own local");
  }
  if (source !== remote) {
    throw invalid(
      `${pointer}/${local === undefined ? "remote" : "local"}`,
      `is of another address family than ${local === undefined ? "node.underlay" : "remote"}`,
      "give local, of the family of remote",
    );
  }
}

/** Family of a tunnel's end; `undefined` when it is not given. */
function endpoint(text: string | undefined, pointer: string): 4 | 6 | undefined {
  if (text === undefined) return undefined;
  const address = parseAddress(text);
  if (address !== undefined && !isUnusableForHost(address)) return address.family;
  throw invalid(pointer, `is "${text}", which no node can have`, "give a unicast address");
}

/** Copies that the kernel program makes of one frame (MAX_FLOOD_MEMBERS in bpf/flood.h). */
const MOST_COPIES = 256;

function checkMembers(state: DesiredState, { type, members = [] }: Nexthop, pointer: string): void {
  if (type === "flood" && members.length > MOST_COPIES) {
    throw invalid(`${pointer}/members`, `has ${members.length} members`, `flood to at most ${MOST_COPIES}`);
  }
  for (const [i, member] of members.entries()) {
    const at = `${pointer}/members/${i}`;
    if (type === "flood" && member.weight !== undefined) {
      throw invalid(`${at}/weight`, "has no meaning for type flood", "leave it out");
    }
    if (member.vni !== undefined && member.label !== undefined) throw bothLabels(at);
    const target = nexthopOf(state, member.nexthop);
    if (isReservedNexthop(member.nexthop) || (target !== undefined && !MEMBER_TYPES.has(target.type))) {
      const what = target === undefined ? "reserved" : `of type ${target.type}`;
      throw invalid(
        `${at}/nexthop`,
        `names "${member.nexthop}", which is ${what}`,
        "a member is an interface, or a next hop of type interface or tunnel",
      );
    }
    requireNoHost(state, member.nexthop, `${at}/nexthop`, "lead routes to it alone");
    checkFits(target, member, at, { mayLack: type === "ecmp" });
    const first = members.findIndex((other) => sameMember(other, member));
    if (first < i) throw invalid(at, `repeats /members/${first}`, type === "ecmp" ? "use its weight" : "give it once");
  }
}

const sameMember = (a: NexthopMember, b: NexthopMember): boolean =>
  a.nexthop === b.nexthop && a.vni === b.vni && a.label === b.label;

/** Checks that a label does not lead back into the fabric. */
export function checkLabel(state: DesiredState, { via }: KindObjects["labels"], pointer: string): void {
  const type = nexthopOf(state, via)?.type;
  if (type !== "tunnel" && type !== "flood" && type !== "resolve") return;
  const problem = `names "${via}", which is of type ${type}`;
  throw invalid(`${pointer}/via`, problem, "lead it to an interface, an ecmp, a VRF, local or discard");
}

/** How an object with members or a tunnel wants to be led to: what of a next hop others depend on. */
function shape(state: DesiredState, nexthop: Nexthop | undefined): string {
  if (nexthop === undefined) return "interface";
  if (nexthop.members === undefined) return `${nexthop.type} ${neededBy(nexthop) ?? ""}`;
  const needs = nexthop.members.map((member) => {
    const target = nexthopOf(state, member.nexthop);
    const needed = target === undefined ? undefined : neededBy(target);
    return needed === undefined || member[needed] !== undefined ? "" : needed;
  });
  return `${nexthop.type} ${[...new Set(needs)].sort().join()}`;
}

/**
 * Checks what leads to next hops whose type or encapsulation changed, though it did not change itself. Looks through
 * everything, but only then.
 */
export function checkDependents(state: DesiredState, changes: readonly AnyChange[], locate: Locate): void {
  if (changes.some(({ kind }) => kind === "node")) {
    for (const nexthop of state.objects("nexthops")) {
      if (nexthop.type === "tunnel") checkTunnel(state, nexthop, locate("nexthops", nexthop.name));
    }
  }
  const reshaped = new Set<string>();
  for (const { kind, key, before, after } of changes) {
    if (kind !== "nexthops" || before.length === 0 || after.length === 0) continue;
    const [was, is] = [before[0]?.object, after[0]?.object];
    if (shape(state, was) !== shape(state, is) && state.referenceCount("via", key) > 0) reshaped.add(key);
  }
  if (reshaped.size === 0) return;
  for (const nexthop of state.objects("nexthops")) {
    if (nexthop.members?.some((member) => reshaped.has(member.nexthop)) !== true) continue;
    checkMembers(state, nexthop, locate("nexthops", nexthop.name));
    reshaped.add(nexthop.name);
  }
  for (const kind of ["fdb", "labels", "mirrors"] as const) checkDependentsOf(state, kind, reshaped, locate);
  checkDependentRoutes(state, reshaped, locate);
}

function checkDependentRoutes(state: DesiredState, reshaped: ReadonlySet<string>, locate: Locate): void {
  const { routes } = state;
  for (const entry of routes.entriesVia(reshaped)) {
    for (const candidate of routes.chain(entry, routes.head(entry))) {
      if (!isWritten(candidate) || !reshaped.has(candidate.object.via)) continue;
      checkLeading(state, candidate.object, () => locate("routes", routes.key(entry)));
    }
  }
}

function checkDependentsOf(
  state: DesiredState,
  kind: Extract<Kind, "fdb" | "labels" | "mirrors">,
  reshaped: ReadonlySet<string>,
  locate: Locate,
): void {
  for (const [key, candidates] of state.entries(kind)) {
    for (const candidate of candidates) {
      if (!isWritten(candidate) || !reshaped.has(candidate.object.via)) continue;
      if (kind === "labels") checkLabel(state, candidate.object as KindObjects["labels"], locate(kind, key));
      else checkLeading(state, candidate.object as Leading, () => locate(kind, key));
    }
  }
}
