// SPDX-License-Identifier: Apache-2.0
/** Lightweight tunnels: headers that a route or nexthop object puts before packets (`linux/lwtunnel.h`). */

import { WeirError } from "../errors.ts";
import { AttributeTable } from "./attribute.ts";
import { addressText } from "./ip.ts";
import type { MessageWriter } from "./message.ts";

/** Kinds of tunnel (`LWTUNNEL_ENCAP_*`). */
const LWTUNNEL_ENCAP_MPLS = 1;
const LWTUNNEL_ENCAP_IP = 2;
const LWTUNNEL_ENCAP_IP6 = 4;

/** `linux/mpls_iptunnel.h`. */
const MPLS_IPTUNNEL_DST = 1;
const MPLS_IPTUNNEL_TTL = 2;

/** `LWTUNNEL_IP_*`; `LWTUNNEL_IP6_*` have the same numbers. */
const LWTUNNEL_IP_ID = 1;
const LWTUNNEL_IP_DST = 2;
const LWTUNNEL_IP_SRC = 3;
const LWTUNNEL_IP_TTL = 4;
const LWTUNNEL_IP_TOS = 5;

/** Largest label: 20 bits (RFC 3032 section 2.1). */
const MAX_LABEL = 0xf_ffff;
const BOTTOM_OF_STACK = 0x100;

/** Labels that are pushed. */
export interface MplsEncap {
  readonly type: "mpls";
  /** From the outermost on, each up to 2^20 - 1. */
  readonly labels: readonly number[];
  /** TTL of the labels; `undefined` or 0: the packet's own. */
  readonly ttl?: number | undefined;
}

/** Where an `external` tunnel device sends packets, such as a VXLAN device. */
export interface IpEncap {
  readonly type: "ip" | "ip6";
  /** Tunnel key, for VXLAN the VNI. */
  readonly id: bigint;
  readonly source: string;
  readonly destination: string;
  /** 0: the device's. */
  readonly ttl: number;
  readonly typeOfService: number;
}

/** A tunnel that packets enter. Other kinds are only known by `encapType`. */
export type RouteEncap = MplsEncap | IpEncap;

const attributes = new AttributeTable(LWTUNNEL_IP_TOS);

/**
 * The tunnel that the attribute `type` of `a` describes; `undefined` where there is none, or of another kind.
 * @param kind its `LWTUNNEL_ENCAP_*`
 */
export function decodeEncap(a: AttributeTable, type: number, kind: number): RouteEncap | undefined {
  if (kind === 0) return undefined;
  const encap = a.nested(type, attributes);
  if (encap === undefined) return undefined;
  if (kind === LWTUNNEL_ENCAP_MPLS) {
    return { type: "mpls", labels: labelsOf(encap.bytes(MPLS_IPTUNNEL_DST)), ttl: encap.u8(MPLS_IPTUNNEL_TTL) };
  }
  if (kind !== LWTUNNEL_ENCAP_IP && kind !== LWTUNNEL_ENCAP_IP6) return undefined;
  const any = kind === LWTUNNEL_ENCAP_IP ? "0.0.0.0" : "::";
  const text = (address: Uint8Array | undefined) => (address === undefined ? any : addressText(address));
  return {
    type: kind === LWTUNNEL_ENCAP_IP ? "ip" : "ip6",
    id: keyOf(encap.bytes(LWTUNNEL_IP_ID)),
    source: text(encap.bytes(LWTUNNEL_IP_SRC)),
    destination: text(encap.bytes(LWTUNNEL_IP_DST)),
    ttl: encap.u8(LWTUNNEL_IP_TTL) ?? 0,
    typeOfService: encap.u8(LWTUNNEL_IP_TOS) ?? 0,
  };
}

/** Label stack entries in network byte order (RFC 3032 section 2.1). */
function labelsOf(stack: Uint8Array | undefined): number[] {
  const labels: number[] = [];
  for (let at = 0; stack !== undefined && at + 4 <= stack.byteLength; at += 4) {
    labels.push(((stack[at] ?? 0) << 12) | ((stack[at + 1] ?? 0) << 4) | ((stack[at + 2] ?? 0) >> 4));
  }
  return labels;
}

/** In network byte order, 64 bits. */
function keyOf(bytes: Uint8Array | undefined): bigint {
  let key = 0n;
  for (const byte of bytes ?? []) key = (key << 8n) | BigInt(byte);
  return key;
}

/** Writes the attributes of a label stack: its kind as `kindType`, the labels in `type`. @throws WeirError `EINVAL` */
export function writeMplsEncap(writer: MessageWriter, encap: MplsEncap, kindType: number, type: number): void {
  const stack = new Uint8Array(encap.labels.length * 4);
  const view = new DataView(stack.buffer);
  for (const [i, label] of encap.labels.entries()) {
    if (!Number.isInteger(label) || label < 0 || label > MAX_LABEL) {
      throw new WeirError({
        code: "EINVAL",
        operation: "write a label stack",
        reason: `label ${label} is not an integer from 0 to ${MAX_LABEL}`,
      });
    }
    view.setUint32(i * 4, label * 0x1000 + (i === encap.labels.length - 1 ? BOTTOM_OF_STACK : 0));
  }
  writer.u16(kindType, LWTUNNEL_ENCAP_MPLS);
  writer.nest(type, () => {
    writer.bytes(MPLS_IPTUNNEL_DST, stack);
    if (encap.ttl !== undefined && encap.ttl > 0) writer.u8(MPLS_IPTUNNEL_TTL, encap.ttl);
  });
}
