// SPDX-License-Identifier: Apache-2.0
/** What the slow path makes of a new flow to an address of the host's services (wasm/service.ts), as a step of a trace. */
import { formatAddress, isLinkLocal, parseAddress } from "../../address.ts";
import { protocolOf } from "../host/host_services.ts";
import type { Opened } from "../instance/open.ts";
import type { TraceRecord } from "./record.ts";
import type { TraceStep } from "./types.ts";

/** `undefined`: it is for no service, and goes on as it is. */
export function serviceStep(
  { names, live }: Opened,
  { key, interface: from, outInterface }: TraceRecord,
): TraceStep | undefined {
  const services = live.get(names.interface(outInterface))?.object.services ?? [];
  const destination = formatAddress(key.destination);
  const here = services.filter(({ address }) => canonical(address) === destination);
  if (here.length === 0) return undefined;
  const flow = names.flowKey(key);
  const service = here.find((one) => one.port === key.destinationPort && protocolOf(one) === flow.proto);
  const backend = service === undefined ? undefined : parseAddress(service.backend.address);
  const source = isLinkLocal({ family: key.family, bytes: key.source }) ? firstAddress(from) : key.source;
  if (service === undefined || backend === undefined || source === undefined)
    return { stage: "drop", reason: "no-service" };
  const to = { destination: backend.bytes, destinationPort: service.backend.port };
  return { stage: "nat", key: names.flowKey({ ...key, source, ...to }) };

  function firstAddress(id: number): Uint8Array | undefined {
    const addresses = live.get(names.interface(id))?.record?.addresses ?? [];
    return addresses.find(({ family }) => family === key.family)?.bytes;
  }
}

const canonical = (text: string): string => {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address.bytes);
};
