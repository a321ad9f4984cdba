// SPDX-License-Identifier: Apache-2.0
/**
 * Services of the host under addresses of their own (struct host_service): what workloads ask of them becomes what a
 * process of the host listens to, and its answers come back as theirs.
 */

import { interfaceOf } from "./control";
import {
  ADDRESS_SETS_SERVICES,
  ADDRESS_SETS_SERVICE_COUNT,
  HOST_SERVICE_ADDRESS,
  HOST_SERVICE_BACKEND,
  HOST_SERVICE_BACKEND_PORT,
  HOST_SERVICE_INTERFACE,
  HOST_SERVICE_PORT,
  HOST_SERVICE_PROTOCOL,
  HOST_SERVICE_SIZE,
  INGRESS_TUNNEL,
  INTERFACE_ADDRESS4,
  INTERFACE_ADDRESS6,
} from "./layout";
import {
  destination0,
  destination1,
  destinationPort,
  family,
  isLinkLocal,
  protocol,
  source0,
  source1,
  sourcePort,
} from "./parse";
import { addressSets } from "./policy/table";
import { beginningOf, endOf, ingressOf } from "./trap";

/** What `findService` returns besides the address of a struct host_service. */
export const NO_SERVICE: usize = 0;
export const REFUSED: usize = 1;

/** What the source of the packet that `findService` was asked about becomes. */
export let newSource0: u64 = 0;
export let newSource1: u64 = 0;

/**
 * The service that the flow which was parsed last (`parseBegun`) is for. REFUSED: it is for the address of one, but for
 * none of its ports; or it comes from what serves one, which is never the first to speak; or nobody could answer it.
 */
export function findService(packet: usize): usize {
  const count: u32 = addressSets == 0 ? 0 : load<u32>(addressSets + ADDRESS_SETS_SERVICE_COUNT);
  if (count == 0) return NO_SERVICE;
  const from = beginningOf(packet);
  const to = endOf(packet);
  let found = NO_SERVICE;
  let at: usize = addressSets + load<u32>(addressSets + ADDRESS_SETS_SERVICES);
  for (let i: u32 = 0; i < count; i++, at += HOST_SERVICE_SIZE) {
    const host: u32 = load<u16>(at + HOST_SERVICE_INTERFACE);
    if (host == from && isBackend(at)) return REFUSED;
    if (host != to || !isAddress(at + HOST_SERVICE_ADDRESS, destination0, destination1)) continue;
    if (found <= REFUSED) found = isPort(at) ? at : REFUSED;
  }
  if (found > REFUSED && !keepSource(packet, from)) return REFUSED;
  return found;
}

/** The host answers by its routes: a link-local source becomes the first address of the workload. False: it has none. */
function keepSource(packet: usize, interfaceId: u32): bool {
  newSource0 = source0;
  newSource1 = source1;
  if (!isLinkLocal(source0, source1)) return true;
  const at = interfaceOf(interfaceId);
  if (at == 0 || (ingressOf(packet) & INGRESS_TUNNEL) != 0) return false;
  if (family == 6) {
    newSource0 = load<u64>(at + INTERFACE_ADDRESS6);
    newSource1 = load<u64>(at + INTERFACE_ADDRESS6 + 8);
    return (newSource0 | newSource1) != 0;
  }
  const address = load<u32>(at + INTERFACE_ADDRESS4);
  newSource1 = ((<u64>address) << 32) | (source1 & 0xffff_ffff);
  return address != 0;
}

function isPort(at: usize): bool {
  return load<u8>(at + HOST_SERVICE_PROTOCOL) == protocol && load<u16>(at + HOST_SERVICE_PORT) == destinationPort;
}

function isBackend(at: usize): bool {
  return (
    load<u8>(at + HOST_SERVICE_PROTOCOL) == protocol &&
    load<u16>(at + HOST_SERVICE_BACKEND_PORT) == sourcePort &&
    isAddress(at + HOST_SERVICE_BACKEND, source0, source1)
  );
}

// @ts-ignore: decorator
@inline
function isAddress(at: usize, high: u64, low: u64): bool {
  return load<u64>(at) == high && load<u64>(at + 8) == low;
}
