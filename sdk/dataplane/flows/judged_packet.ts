// SPDX-License-Identifier: Apache-2.0
/** The smallest packet that has a flow's key, for policy to be asked about a flow of which no packet is at hand. */
import { MAPPED_OFFSET } from "../../address.ts";
import type { RawFlowKey } from "../../layout/index.ts";

const ETHERNET_BYTES = 14;
const HEADER_BYTES = { 4: 20, 6: 40 } as const;
/** As long as the header of TCP; that of UDP and ICMP is in the first eight. */
const UPPER_BYTES = 20;

const TCP = 6;
const TCP_SYN = 0x02;
const ECHO_REQUEST: Readonly<Record<number, number>> = { 1: 8, 58: 128 };

/** Policy looks at none of the checksums. */
export function packetOf(key: RawFlowKey): { readonly frame: Uint8Array; readonly l3Offset: number } {
  const header = HEADER_BYTES[key.family];
  const frame = new Uint8Array(ETHERNET_BYTES + header + UPPER_BYTES);
  const view = new DataView(frame.buffer);
  const ip = ETHERNET_BYTES;
  if (key.family === 4) {
    view.setUint16(12, 0x0800);
    view.setUint8(ip, 0x45);
    view.setUint16(ip + 2, header + UPPER_BYTES);
    view.setUint8(ip + 8, 64);
    view.setUint8(ip + 9, key.protocol);
    frame.set(key.source.subarray(MAPPED_OFFSET), ip + 12);
    frame.set(key.destination.subarray(MAPPED_OFFSET), ip + 16);
  } else {
    view.setUint16(12, 0x86dd);
    view.setUint8(ip, 0x60);
    view.setUint16(ip + 4, UPPER_BYTES);
    view.setUint8(ip + 6, key.protocol);
    view.setUint8(ip + 7, 64);
    frame.set(key.source, ip + 8);
    frame.set(key.destination, ip + 24);
  }
  writeUpper(view, ip + header, key);
  return { frame, l3Offset: ETHERNET_BYTES };
}

function writeUpper(view: DataView, at: number, { protocol, sourcePort, destinationPort }: RawFlowKey): void {
  const request = ECHO_REQUEST[protocol];
  if (request === undefined) {
    view.setUint16(at, sourcePort);
    view.setUint16(at + 2, destinationPort);
    if (protocol === TCP) view.setUint16(at + 12, 0x5000 | TCP_SYN);
    else view.setUint16(at + 4, UPPER_BYTES);
  } else if (sourcePort === destinationPort) {
    // An echo: its identifier is in both.
    view.setUint8(at, request);
    view.setUint16(at + 4, sourcePort);
  } else {
    view.setUint16(at, destinationPort);
  }
}
