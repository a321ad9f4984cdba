// SPDX-License-Identifier: Apache-2.0
/** What interfaces may not do to each other: share a device, or an address or MAC within a VRF. */
import { formatAddress, isLinkLocal, isUnusableForHost, parseAddress } from "../../address.ts";
import { type Interface, invalid } from "../schema/index.ts";
import type { DesiredState } from "../state/desired.ts";
import { UNDERLAY_VRF } from "../state/references.ts";
import type { Locate } from "./check.ts";
import { checkHost, checkNoHost, claimVrf } from "./check_host.ts";

/** VRF that an interface is in. */
export const vrfOf = (object: Interface): string =>
  object.role === "fabric" ? UNDERLAY_VRF : (object.vrf ?? UNDERLAY_VRF);

/** Fields that only a workload interface has. */
const WORKLOAD_FIELDS = [
  "mac",
  "addresses",
  "gateways",
  "policies",
  "allowedAddresses",
  "sourceCheck",
  "proxyArp",
  "learn",
  "learnAgeSeconds",
  "mssClamp",
] as const;

/** Fields that a VLAN sub-interface has from its parent. */
const PARENT_FIELDS = ["device", "hook", "netns", "optional", "order", "replaceXdp", "xdpChain"] as const;

/**
 * Checks all interfaces together.
 * @throws WeirError `EINVALIDSTATE` that names the field.
 */
export function checkInterfaces(state: DesiredState, locate: Locate): void {
  const devices = new Map<string, string>();
  const addresses = new Map<string, string>();
  const macs = new Map<string, string>();
  const hosts = new Map<string, string>();
  for (const object of state.objects("interfaces")) {
    const pointer = locate("interfaces", object.name);
    checkRole(object, pointer);
    if (object.role === "host") claimVrf(hosts, object, pointer);
    const vrf = vrfOf(object);
    if (object.parent === undefined) claimDevice(devices, object, pointer);
    else claimVlan(devices, state, object, pointer);
    if (object.parent === undefined && object.device === undefined && object.name.length > 15) {
      throw invalid(
        `${pointer}/name`,
        "is longer than the 15 characters of a device name",
        'name the device in the field "device"',
      );
    }
    for (const [i, text] of (object.addresses ?? []).entries()) {
      const at = `${pointer}/addresses/${i}`;
      const key = checkHostAddress(text, at);
      claim(addresses, `${vrf} ${key}`, object.name, at, `is "${text}"`, vrf);
    }
    for (const [i, { address }] of (object.services ?? []).entries()) {
      // Several services of an interface may share an address, which nobody else has.
      const key = `${vrf} ${canonical(address)}`;
      if (addresses.get(key) !== object.name || object.addresses?.map(canonical).includes(canonical(address)) === true)
        claim(addresses, key, object.name, `${pointer}/services/${i}/address`, `is "${address}"`, vrf);
    }
    if (object.mac !== undefined) {
      const mac = object.mac.toLowerCase();
      if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1 || mac === "00:00:00:00:00:00") {
        throw invalid(`${pointer}/mac`, `is "${object.mac}", which no single device can have`, "give a unicast MAC");
      }
      claim(macs, `${vrf} ${mac}`, object.name, `${pointer}/mac`, `is "${object.mac}"`, vrf);
    }
    checkGateways(object, pointer);
    checkOrder(object, pointer);
  }
}

function checkOrder({ order }: Interface, pointer: string): void {
  if (order === undefined || typeof order === "string") return;
  if ((order.before === undefined) !== (order.after === undefined)) return;
  throw invalid(`${pointer}/order`, "has not one of before and after", "name one program that it is before or after");
}

function claimDevice(devices: Map<string, string>, object: Interface, pointer: string): void {
  if (object.vlan !== undefined) {
    throw invalid(`${pointer}/vlan`, "has no meaning without parent", "name the interface that carries it in parent");
  }
  const device = object.device ?? object.name;
  const holder = devices.get(device);
  if (holder !== undefined) {
    throw invalid(
      `${pointer}/device`,
      `is "${device}", which interface "${holder}" has too`,
      "a device is one interface",
    );
  }
  devices.set(device, object.name);
}

function claimVlan(devices: Map<string, string>, state: DesiredState, object: Interface, pointer: string): void {
  if (object.vlan === undefined)
    throw invalid(pointer, 'lacks the field "vlan"', "give the VLAN id of the sub-interface");
  for (const field of PARENT_FIELDS) {
    if (object[field] === undefined) continue;
    throw invalid(`${pointer}/${field}`, "has no meaning for a VLAN sub-interface", "leave it out: its parent has it");
  }
  if (state.get("interfaces", object.parent ?? "")?.parent !== undefined) {
    const problem = `names "${object.parent}", which is a VLAN sub-interface itself`;
    throw invalid(`${pointer}/parent`, problem, "name the interface that has the device");
  }
  const key = `${object.parent} vlan ${object.vlan}`;
  const holder = devices.get(key);
  if (holder !== undefined) {
    const problem = `is ${object.vlan}, which interface "${holder}" of the same parent has too`;
    throw invalid(`${pointer}/vlan`, problem, "give it another VLAN");
  }
  devices.set(key, object.name);
}

function claim(taken: Map<string, string>, key: string, name: string, pointer: string, is: string, vrf: string): void {
  const holder = taken.get(key);
  if (holder !== undefined) {
    throw invalid(pointer, `${is}, which interface "${holder}" of VRF "${vrf}" has too`, "give it to one of them");
  }
  taken.set(key, name);
}

function checkRole(object: Interface, pointer: string): void {
  if (object.role === "host") {
    checkHost(object, pointer);
    return;
  }
  checkNoHost(object, pointer);
  if (object.role === "workload") {
    if (object.vrf !== undefined) return;
    throw invalid(pointer, 'lacks the field "vrf"', "name the VRF of the workload");
  }
  if (object.vrf !== undefined && object.vrf !== UNDERLAY_VRF) {
    throw invalid(
      `${pointer}/vrf`,
      `is "${object.vrf}", but a fabric interface is in "${UNDERLAY_VRF}"`,
      "leave it out",
    );
  }
  for (const field of WORKLOAD_FIELDS) {
    if (object[field] !== undefined) {
      throw invalid(`${pointer}/${field}`, "has no meaning for role fabric", "leave it out");
    }
  }
}

/** The canonical text of an address that a workload can have. */
function checkHostAddress(text: string, pointer: string): string {
  const address = parseAddress(text);
  if (address === undefined || isUnusableForHost(address)) {
    throw invalid(pointer, `is "${text}", which no workload can have`, "give a unicast address");
  }
  if (address.family === 6 && isLinkLocal(address)) {
    throw invalid(pointer, `is "${text}", a link-local address`, "leave it out: link-local addresses need no route");
  }
  return formatAddress(address.bytes);
}

function checkGateways(object: Interface, pointer: string): void {
  const own = new Set((object.addresses ?? []).map(canonical));
  for (const [i, text] of (object.gateways ?? []).entries()) {
    const address = parseAddress(text);
    const at = `${pointer}/gateways/${i}`;
    if (address === undefined || isUnusableForHost(address)) {
      throw invalid(at, `is "${text}", which no gateway can have`, "give a unicast address");
    }
    if (own.has(canonical(text))) {
      throw invalid(at, `is "${text}", which the workload has too`, "give the gateway another address");
    }
  }
}

const canonical = (text: string): string => {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address.bytes);
};
