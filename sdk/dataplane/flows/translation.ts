// SPDX-License-Identifier: Apache-2.0
/** What a translated flow's packets become. */
import { formatAddress, isLinkLocal, isUnusableForHost, parseAddress } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import type { RawFlowKey } from "../../layout/index.ts";

/** One end of a translated flow; what is left out stays. */
export interface TranslatedEnd {
  /** Of the flow's family, and one that packets may be routed to. */
  readonly address?: string | undefined;
  /** TCP, UDP, SCTP: 1 to 65535. An echo, of its source only: the identifier, 0 to 65535. */
  readonly port?: number | undefined;
}

/** What a flow's packets become; its answers become the contrary. */
export interface Translation {
  readonly source?: TranslatedEnd | undefined;
  readonly destination?: TranslatedEnd | undefined;
}

const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 132]);
const ICMP: ReadonlySet<number> = new Set([1, 58]);
const MAX_PORT = 65_535;

/** The ports of other ICMP are type and code, and are never the same. */
const isEcho = (key: RawFlowKey): boolean => ICMP.has(key.protocol) && key.sourcePort === key.destinationPort;

/**
 * Key of what a flow's packets become.
 * @throws WeirError `EINVAL`
 */
export function translated(key: RawFlowKey, translate: Translation, operation: string): RawFlowKey {
  const { source, destination } = translate;
  const given = [source?.address, source?.port, destination?.address, destination?.port];
  if (given.every((one) => one === undefined))
    throw refusal(operation, "translate", "says nothing of source or destination");
  const echo = isEcho(key);
  if (echo && destination?.port !== undefined) {
    throw refusal(operation, "translate.destination.port", "an echo has one identifier", "give source.port");
  }
  const sourcePort = portOf(key, source?.port, "source", operation) ?? key.sourcePort;
  return {
    ...key,
    source: addressOf(key, source?.address, "source", operation) ?? key.source,
    destination: addressOf(key, destination?.address, "destination", operation) ?? key.destination,
    sourcePort,
    destinationPort: echo
      ? sourcePort
      : (portOf(key, destination?.port, "destination", operation) ?? key.destinationPort),
  };
}

function addressOf(key: RawFlowKey, text: string | undefined, end: string, operation: string): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const field = `translate.${end}.address`;
  const said = JSON.stringify(text);
  const address = typeof text === "string" ? parseAddress(text) : undefined;
  if (address === undefined) throw refusal(operation, field, `${said} is no address`);
  if (address.family !== key.family)
    throw refusal(operation, field, `${said} is not of IPv${key.family} as the flow is`);
  if (isUnusableForHost(address) || isLinkLocal(address)) {
    throw refusal(operation, field, `packets are not routed from or to ${said}`);
  }
  return address.bytes;
}

function portOf(key: RawFlowKey, port: number | undefined, end: string, operation: string): number | undefined {
  if (port === undefined) return undefined;
  const field = `translate.${end}.port`;
  const echo = isEcho(key);
  if (!(WITH_PORTS.has(key.protocol) || echo)) throw refusal(operation, field, "the flow has no ports");
  const least = echo ? 0 : 1;
  if (Number.isInteger(port) && port >= least && port <= MAX_PORT) return port;
  throw refusal(operation, field, `${JSON.stringify(port)} is not ${least} to ${MAX_PORT}`);
}

function refusal(operation: string, field: string, reason: string, hint?: string): WeirError {
  return new WeirError({
    code: "EINVAL",
    operation,
    reason: `${field}: ${reason}`,
    field: `/${field.replaceAll(".", "/")}`,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The translation between two keys, as it is given: the ends that differ. */
export function translationOf(key: RawFlowKey, becomes: RawFlowKey): Translation {
  const end = (from: Uint8Array, to: Uint8Array, fromPort: number, toPort: number): TranslatedEnd => ({
    ...(from.every((byte, i) => byte === to[i]) ? {} : { address: formatAddress(to) }),
    ...(fromPort === toPort ? {} : { port: toPort }),
  });
  const source = end(key.source, becomes.source, key.sourcePort, becomes.sourcePort);
  const toPort = isEcho(key) ? key.destinationPort : becomes.destinationPort;
  const destination = end(key.destination, becomes.destination, key.destinationPort, toPort);
  return {
    ...(Object.keys(source).length === 0 ? {} : { source }),
    ...(Object.keys(destination).length === 0 ? {} : { destination }),
  };
}
