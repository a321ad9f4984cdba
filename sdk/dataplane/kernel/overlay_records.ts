// SPDX-License-Identifier: Apache-2.0
/** Bridge entries, labels, VNIs and tunnels as the kernel has them. */
import type { IpAddress } from "../../address.ts";
import {
  EncapValue,
  fdbEntryCodec,
  fdbEntryLayout,
  fdbKeyCodec,
  fdbKeyLayout,
  LABEL_ETHERNET,
  labelEntryCodec,
  labelEntryLayout,
  tunnelKeyCodec,
  tunnelKeyLayout,
  vniEntryCodec,
  vniEntryLayout,
} from "../../layout/index.ts";
import type { Encap } from "../schema/index.ts";
import { element } from "./element.ts";
import { type LabelTag, labelOf, routeFlagsOf } from "./label_tag.ts";

export function encodeFdbKey(vrf: number, mac: Uint8Array): Uint8Array {
  const { bytes, view } = element(fdbKeyLayout.size);
  fdbKeyCodec.vrf.set(view, 0, vrf);
  fdbKeyCodec.mac.set(bytes, 0, mac);
  return bytes;
}

export function encodeFdbEntry(nexthop: number, tag: LabelTag): Uint8Array {
  const { bytes, view } = element(fdbEntryLayout.size);
  fdbEntryCodec.nexthop.set(view, 0, nexthop);
  fdbEntryCodec.label.set(view, 0, labelOf(tag));
  fdbEntryCodec.flags.set(view, 0, routeFlagsOf(tag));
  return bytes;
}

/**
 * @param vrf of the flows of packets with the label.
 * @param ethernet an Ethernet frame follows the label.
 */
export function encodeLabelEntry(nexthop: number, vrf: number, ethernet: boolean): Uint8Array {
  const { bytes, view } = element(labelEntryLayout.size);
  labelEntryCodec.nexthop.set(view, 0, nexthop);
  labelEntryCodec.vrf.set(view, 0, vrf);
  labelEntryCodec.flags.set(view, 0, ethernet ? LABEL_ETHERNET : 0);
  return bytes;
}

export function encodeVniEntry(vrf: number): Uint8Array {
  const { bytes, view } = element(vniEntryLayout.size);
  vniEntryCodec.vrf.set(view, 0, vrf);
  return bytes;
}

export function encodeTunnelKey(remote: IpAddress, encap: Encap): Uint8Array {
  const { bytes, view } = element(tunnelKeyLayout.size);
  tunnelKeyCodec.remote.set(bytes, 0, remote.bytes);
  tunnelKeyCodec.encap.set(view, 0, EncapValue[encap]);
  return bytes;
}
