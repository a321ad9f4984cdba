// SPDX-License-Identifier: Apache-2.0
/** Interfaces of role host: which fields they have, and what may lead to the host's own stack. */
import { type Interface, invalid, type KindObjects } from "../schema/index.ts";
import type { AnyChange, DesiredState } from "../state/desired.ts";
import { UNDERLAY_VRF } from "../state/references.ts";
import type { Locate } from "./check.ts";

/** Fields that mean something of a workload or a device of its own only. */
const OTHERS_FIELDS = [
  "parent",
  "vlan",
  "mac",
  "gateways",
  "allowedAddresses",
  "sourceCheck",
  "proxyArp",
  "learn",
  "learnAgeSeconds",
  "netns",
  "tune",
  "replaceXdp",
] as const;

/** The table of the kernel's own addresses. */
const LOCAL_TABLE = 255;

/** Checks an interface of role host by itself. */
export function checkHost(object: Interface, pointer: string): void {
  if (object.vrf === undefined) {
    throw invalid(pointer, 'lacks the field "vrf"', "name the VRF that the host's processes reach");
  }
  if (object.vrf === UNDERLAY_VRF) {
    throw invalid(`${pointer}/vrf`, `is "${UNDERLAY_VRF}", where the host is by itself`, "name another VRF");
  }
  for (const field of OTHERS_FIELDS) {
    if (object[field] === undefined) continue;
    throw invalid(`${pointer}/${field}`, "has no meaning for role host", "leave it out");
  }
  if (object.hook === "xdp") {
    throw invalid(`${pointer}/hook`, 'is "xdp", which sees nothing that the host sends', "use tc, or leave it out");
  }
  if (object.kernelTable === LOCAL_TABLE) {
    throw invalid(`${pointer}/kernelTable`, "is 255, the table of the kernel's own addresses", "choose another table");
  }
}

/** Fields of role host that an interface of another role has. */
export function checkNoHost({ kernelTable, role }: Interface, pointer: string): void {
  if (kernelTable === undefined) return;
  throw invalid(`${pointer}/kernelTable`, `has no meaning for role ${role}`, "leave it out");
}

/** The host is in a VRF once: its kernel has one way to each destination there. */
export function claimVrf(hosts: Map<string, string>, { name, vrf = "" }: Interface, pointer: string): void {
  const other = hosts.get(vrf);
  if (other !== undefined) {
    throw invalid(`${pointer}/vrf`, `is "${vrf}", where the host is by interface "${other}"`, "one of them is enough");
  }
  hosts.set(vrf, name);
}

/** Programs are on another hook for the host, and others lead there: an interface does not become it. */
export function checkRoles(changes: readonly AnyChange[], locate: Locate): void {
  for (const { kind, key, before, after } of changes) {
    if (kind !== "interfaces") continue;
    const [was, is] = [before[0]?.object.role, after[0]?.object.role];
    if (was === undefined || is === undefined || was === is || (was !== "host" && is !== "host")) continue;
    const problem = `is "${is}", and was "${was}"`;
    throw invalid(`${locate("interfaces", key)}/role`, problem, "take the interface out of the state first");
  }
}

/** @throws WeirError when `name` is the host's stack, which takes nothing but packets that are routed to it. */
export function requireNoHost(state: DesiredState, name: string | undefined, pointer: string, hint: string): void {
  if (name === undefined || state.get("interfaces", name)?.role !== "host") return;
  throw invalid(pointer, `names "${name}", the host's own stack`, hint);
}

/** A label's payload is routed to the host as an IP packet. */
export function checkHostLabel(state: DesiredState, label: KindObjects["labels"], pointer: string): void {
  if (label.payload !== "ethernet") return;
  requireNoHost(state, label.via, `${pointer}/via`, "give payload: ip, or lead it to a workload");
}
