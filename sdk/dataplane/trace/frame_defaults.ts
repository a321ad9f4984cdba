// SPDX-License-Identifier: Apache-2.0
import { formatAddress, formatMac, isMapped } from "../../address.ts";
import { InterfaceRoleValue, interfaceCodec } from "../../layout/index.ts";
import type { StructArray } from "../kernel/struct_array.ts";
import type { FrameDefaults } from "./frame.ts";

/** Of senders whose MAC is not known. */
const SOME_MAC = "02:00:00:00:00:01";

/** What a packet has that an interface receives from its usual sender, for the interface to route it. */
export function frameDefaults(interfaces: StructArray, id: number): FrameDefaults {
  const { view, bytes } = interfaces;
  const base = interfaces.at(id);
  const workload = interfaceCodec.role.get(view, base) === InterfaceRoleValue.workload;
  const mac = interfaceCodec.mac.bytes(bytes, base);
  const vlan = interfaceCodec.vlan.get(view, base);
  const address4 = interfaceCodec.address4.get(view, base);
  const address6 = interfaceCodec.address6.bytes(bytes, base);
  const to = workload ? interfaceCodec.gatewayMac : interfaceCodec.deviceMac;
  return {
    sourceMac: mac.some((byte) => byte !== 0) ? formatMac(mac) : SOME_MAC,
    destinationMac: formatMac(to.bytes(bytes, base)),
    ...(vlan === 0 ? {} : { vlan }),
    ...(address4 === 0 ? {} : { source4: quad(address4) }),
    ...(address6.every((byte) => byte === 0) || isMapped(address6) ? {} : { source6: formatAddress(address6) }),
  };
}

const quad = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join(".");
