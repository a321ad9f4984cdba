// SPDX-License-Identifier: Apache-2.0
/** Interfaces of role host: which fields they have, and what may lead to the host's own stack. */
import { formatAddress, isUnusableForHost, parseAddress } from "../../address.ts";
import { protocolOf } from "../host/host_services.ts";
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
  checkServices(object, pointer);
}

/** Fields of role host that an interface of another role has. */
export function checkNoHost(object: Interface, pointer: string): void {
  for (const field of ["kernelTable", "services"] as const) {
    if (object[field] === undefined) continue;
    throw invalid(`${pointer}/${field}`, `has no meaning for role ${object.role}`, "leave it out");
  }
}

/** Services are told apart, can be reached, and answered in the same family. */
export function checkServices({ services = [] }: Interface, pointer: string): void {
  const taken = new Map<string, number>();
  for (const [i, service] of services.entries()) {
    const at = `${pointer}/services/${i}`;
    const [address, backend] = [parseAddress(service.address), parseAddress(service.backend.address)];
    if (address === undefined || isUnusableForHost(address)) {
      throw invalid(`${at}/address`, `is "${service.address}", which no service can have`, "give a unicast address");
    }
    if (backend?.family !== address.family) {
      const problem = `is "${service.backend.address}", of another family than the service`;
      throw invalid(`${at}/backend/address`, problem, `give an IPv${address.family} address of the host`);
    }
    const key = `${formatAddress(address.bytes)} ${service.port} ${protocolOf(service)}`;
    const first = taken.get(key);
    if (first !== undefined) throw invalid(at, `repeats ${pointer}/services/${first}`, "give it once");
    taken.set(key, i);
  }
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
