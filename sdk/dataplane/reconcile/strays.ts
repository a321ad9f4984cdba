// SPDX-License-Identifier: Apache-2.0
/** Removes from adopted tables what the desired state does not know: left by a process that died half-way. */
import { encodeDeviceKey, encodeInterfaceAddressKey } from "../kernel/records.ts";
import type { PrefixIndex } from "../routes/prefix_index.ts";
import type { Run } from "./context.ts";

const text = (key: Uint8Array): string => key.join(".");

/** @param routes all that should be, with the numbers of the VRFs in the kernel. */
export function removeStrays(run: Run, routes: PrefixIndex): void {
  const { tables, undo } = run;
  const live = [...run.live.values()];
  tables.routes.retain(routes);

  const ids = new Set(live.filter(({ device }) => device !== undefined).map(({ id }) => id));
  const nexthops = new Set([...run.ids.nexthop.names()].map((name) => run.ids.nexthop.get(name)));
  for (let id = 1; id < tables.interfaces.length; id++) {
    if (!ids.has(id) && !tables.interfaces.isClear(id)) {
      tables.clearInterface(id, undo);
      tables.clearPort(id, undo);
    }
  }
  for (let id = 1; id < tables.nexthops.length; id++) {
    if (!nexthops.has(id) && !isZero(tables.nexthops.bytes, tables.nexthops.at(id), tables.nexthops.size)) {
      tables.nexthops.clear(id, undo);
    }
  }

  const devices = new Set<string>();
  const addresses = new Set<string>();
  for (const { id, object, device, addresses: known } of live) {
    if (device !== undefined) devices.add(text(encodeDeviceKey(device.ifindex, object.vlan ?? 0)));
    for (const address of [...known.own, ...known.gateways])
      addresses.add(text(encodeInterfaceAddressKey(id, address)));
  }
  const { hashes } = tables;
  for (const key of hashes.devices.keys()) if (!devices.has(text(key))) hashes.devices.delete(key, undo);
  for (const key of hashes.addresses.keys()) if (!addresses.has(text(key))) hashes.addresses.delete(key, undo);
  tables.labels.retain(new Set([...run.state.objects("labels")].map(({ label }) => label)), undo);
  tables.vnis.retain(new Set([...run.state.objects("vnis")].map(({ vni }) => vni)), undo);
  tables.bridge.removeStrays(undo);
  tables.tunnels.removeStrays(undo);
  const vrfs = new Set([...run.ids.vrf.names()].map((name) => run.ids.vrf.get(name)));
  for (let id = 1; id < tables.vrfs.length; id++) if (!vrfs.has(id)) tables.clearVrf(id, undo);

  const mirrors = new Set([...run.ids.mirror.names()].map((name) => run.ids.mirror.get(name)));
  for (let id = 1; id < tables.mirrors.length; id++) if (!mirrors.has(id)) tables.mirrors.clear(id, undo);

  run.attacher.removeStrays(live.flatMap(({ attachment }) => attachment ?? []));
  undo.forget();
}

/** Elements are multiples of 8 bytes at multiples of 8. */
function isZero(bytes: Uint8Array, from: number, size: number): boolean {
  for (let i = from; i < from + size; i++) if (bytes[i] !== 0) return false;
  return true;
}
