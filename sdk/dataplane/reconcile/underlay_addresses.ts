// SPDX-License-Identifier: Apache-2.0
/**
 * Addresses of the node that tunnels may end at, and that ICMP errors may come from: those of the fabric's devices,
 * and those that the state names.
 */
import { formatAddress, isLinkLocal, parseAddress } from "../../address.ts";
import type { Run } from "./context.ts";

/** Writes the addresses anew. Those that are gone go later. */
export function writeUnderlayAddresses(run: Run): void {
  const wanted = wantedAddresses(run);
  // The first of each family counts: of node.underlay's that one itself.
  run.slowPath.setNodeAddresses([...wanted.values()]);
  const known = new Map(run.tables.hashes.underlayAddresses.keys().map((key) => [formatAddress(key), key]));
  for (const [text, address] of wanted) if (!known.has(text)) run.tables.setUnderlayAddress(address, run.undo);
  for (const [text, address] of known) {
    if (!wanted.has(text)) run.retire.push(() => run.tables.clearUnderlayAddress(address, run.undo));
  }
}

function wantedAddresses(run: Run): Map<string, Uint8Array> {
  const wanted = new Map<string, Uint8Array>();
  const add = (text: string | undefined) => {
    const address = text === undefined ? undefined : parseAddress(text);
    if (address !== undefined && !isLinkLocal(address)) wanted.set(formatAddress(address.bytes), address.bytes);
  };
  add(run.node.underlay);
  for (const { type, local } of run.state.objects("nexthops")) if (type === "tunnel") add(local);
  const devices = new Set<number>();
  for (const { object, device } of run.live.values()) {
    if (object.role === "fabric" && device !== undefined) devices.add(device.ifindex);
  }
  if (devices.size === 0) return wanted;
  for (const { ifindex, address } of run.devices.netlink.addresses()) if (devices.has(ifindex)) add(address);
  return wanted;
}
