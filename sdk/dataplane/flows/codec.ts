// SPDX-License-Identifier: Apache-2.0
/** Keys and entries of `flows4` and `flows6`. */
import { type Family, formatAddress, MAPPED_OFFSET } from "../../address.ts";
import {
  FlowActionValue,
  flow4KeyCodec,
  flow4KeyLayout,
  flow6KeyCodec,
  flow6KeyLayout,
  flowEntryCodec,
  INGRESS_ID,
  INGRESS_TUNNEL,
  INGRESS_UNKNOWN,
  type RawFlowKey,
} from "../../layout/index.ts";

/** IP protocols that have names here (IANA protocol numbers). */
const PROTOCOLS: readonly (readonly [string, number])[] = [
  ["icmp", 1],
  ["tcp", 6],
  ["udp", 17],
  ["gre", 47],
  ["esp", 50],
  ["icmpv6", 58],
  ["sctp", 132],
];
const NUMBERS = new Map(PROTOCOLS);
const NAMES = new Map(PROTOCOLS.map(([name, number]) => [number, name]));

/** `tcp` for 6; the number as text where it has no name. */
export const protocolName = (number: number): string => NAMES.get(number) ?? String(number);

/** 6 for `tcp` or `"6"`; `undefined` when it is none. */
export function protocolNumber(name: string): number | undefined {
  const known = NUMBERS.get(name);
  if (known !== undefined) return known;
  const number = /^\d{1,3}$/.test(name) ? Number(name) : Number.NaN;
  return number <= 255 ? number : undefined;
}

function mapped(number: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[10] = 255;
  bytes[11] = 255;
  new DataView(bytes.buffer).setUint32(MAPPED_OFFSET, number);
  return bytes;
}

export function decodeFlowKey(family: Family, bytes: Uint8Array): RawFlowKey {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (family === 4) {
    return {
      family,
      vrf: flow4KeyCodec.vrf.get(view, 0),
      protocol: flow4KeyCodec.protocol.get(view, 0),
      source: mapped(flow4KeyCodec.source.get(view, 0)),
      destination: mapped(flow4KeyCodec.destination.get(view, 0)),
      sourcePort: flow4KeyCodec.sourcePort.get(view, 0),
      destinationPort: flow4KeyCodec.destinationPort.get(view, 0),
    };
  }
  return {
    family,
    vrf: flow6KeyCodec.vrf.get(view, 0),
    protocol: flow6KeyCodec.protocol.get(view, 0),
    source: flow6KeyCodec.source.bytes(bytes, 0).slice(),
    destination: flow6KeyCodec.destination.bytes(bytes, 0).slice(),
    sourcePort: flow6KeyCodec.sourcePort.get(view, 0),
    destinationPort: flow6KeyCodec.destinationPort.get(view, 0),
  };
}

export function encodeFlowKey(key: RawFlowKey): Uint8Array {
  const bytes = new Uint8Array(key.family === 4 ? flow4KeyLayout.size : flow6KeyLayout.size);
  const view = new DataView(bytes.buffer);
  if (key.family === 4) {
    const number = (address: Uint8Array) => new DataView(address.buffer, address.byteOffset).getUint32(MAPPED_OFFSET);
    flow4KeyCodec.vrf.set(view, 0, key.vrf);
    flow4KeyCodec.protocol.set(view, 0, key.protocol);
    flow4KeyCodec.source.set(view, 0, number(key.source));
    flow4KeyCodec.destination.set(view, 0, number(key.destination));
    flow4KeyCodec.sourcePort.set(view, 0, key.sourcePort);
    flow4KeyCodec.destinationPort.set(view, 0, key.destinationPort);
    return bytes;
  }
  flow6KeyCodec.vrf.set(view, 0, key.vrf);
  flow6KeyCodec.protocol.set(view, 0, key.protocol);
  flow6KeyCodec.source.set(bytes, 0, key.source);
  flow6KeyCodec.destination.set(bytes, 0, key.destination);
  flow6KeyCodec.sourcePort.set(view, 0, key.sourcePort);
  flow6KeyCodec.destinationPort.set(view, 0, key.destinationPort);
  return bytes;
}

/** The key of the other direction: of ICMP requests that of their answers. */
export function reverseKey(key: RawFlowKey): RawFlowKey {
  return {
    ...key,
    source: key.destination,
    destination: key.source,
    sourcePort: key.destinationPort,
    destinationPort: key.sourcePort,
  };
}

/** The same for both directions of a flow. */
export function hashOf(key: RawFlowKey): number {
  const sum = (bytes: Uint8Array) => bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5);
  const ends = [sum(key.source) + key.sourcePort, sum(key.destination) + key.destinationPort];
  return (Math.imul((ends[0] ?? 0) + (ends[1] ?? 0), 0x9e3779b1) ^ key.protocol) >>> 0;
}

/** What the packets of an entry become; `undefined` unless its action is nat. */
export function becomesOf(key: RawFlowKey, value: Uint8Array): RawFlowKey | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (flowEntryCodec.action.get(view, 0) !== FlowActionValue.nat) return undefined;
  return {
    ...key,
    source: flowEntryCodec.newSource.bytes(value, 0).slice(),
    destination: flowEntryCodec.newDestination.bytes(value, 0).slice(),
    sourcePort: flowEntryCodec.newSourcePort.get(view, 0),
    destinationPort: flowEntryCodec.newDestinationPort.get(view, 0),
  };
}

/** Number of the tunnel that an ingress stands for; 0: an interface, or a remote that is no tunnel of the state. */
export function tunnelOf(ingress: number): number {
  const isTunnel = (ingress & INGRESS_TUNNEL) !== 0 && (ingress & INGRESS_UNKNOWN) === 0;
  return isTunnel ? ingress & INGRESS_ID : 0;
}

/** The addresses and ports of a key, as text. */
export function endpoints(key: RawFlowKey): { src: string; sport: number; dst: string; dport: number } {
  return {
    src: formatAddress(key.source),
    sport: key.sourcePort,
    dst: formatAddress(key.destination),
    dport: key.destinationPort,
  };
}
