// SPDX-License-Identifier: Apache-2.0
/** Whether a topology is consistent in itself, before anything is made. */

import { WeirError } from "../errors.ts";
import type { DeviceProperties, Topology, TopologyRoute } from "./topology.ts";

/** All devices that a topology makes. */
export function devicesOf(topology: Topology): readonly DeviceProperties[] {
  return [...topology.links.flatMap((link) => link.ends), ...(topology.devices ?? [])];
}

/** Names of the devices that a route leaves by. */
function exitsOf(route: TopologyRoute): readonly string[] {
  if (route.nextHops !== undefined) return route.nextHops.map(({ device }) => device);
  return route.device === undefined ? [] : [route.device];
}

/** Refuses a topology that names what it does not have. @throws WeirError `EINVAL` */
export function checkTopology(topology: Topology): void {
  const fail = (reason: string): never => {
    throw new WeirError({ code: "EINVAL", operation: `use topology "${topology.name}"`, reason });
  };
  const names = new Set<string>();
  for (const { name } of topology.namespaces) {
    if (!/^[A-Za-z0-9_.-]+$/.test(name))
      fail(`namespace name "${name}" has other characters than letters, digits, _ . -`);
    if (names.has(name)) fail(`namespace "${name}" is there twice`);
    names.add(name);
  }
  const devices = new Set([...names].map((name) => `${name}/lo`));
  for (const { namespace, device } of devicesOf(topology)) {
    const key = `${namespace}/${device}`;
    if (!names.has(namespace)) fail(`device "${device}" is in namespace "${namespace}", which is not there`);
    if (devices.has(key)) fail(`device "${device}" is twice in namespace "${namespace}"`);
    devices.add(key);
  }
  const need = (what: string, namespace: string, device: string) => {
    if (!devices.has(`${namespace}/${device}`))
      fail(`${what} "${device}", which namespace "${namespace}" does not have`);
  };
  for (const { namespace, device, master } of devicesOf(topology)) {
    if (master !== undefined) need(`device "${device}" joins`, namespace, master);
  }
  for (const device of topology.devices ?? []) {
    if (device.kind === "vxlan") need(`device "${device.device}" sends by`, device.namespace, device.parent);
  }
  for (const { namespace, device, address } of topology.neighbours ?? []) {
    need(`neighbour ${address} is behind`, namespace, device);
  }
  for (const route of topology.routes ?? []) {
    const exits = exitsOf(route);
    if (exits.length === 0) fail(`route ${route.destination} names no device`);
    for (const device of exits) need(`route ${route.destination} leaves by`, route.namespace, device);
  }
}
