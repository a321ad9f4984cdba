// SPDX-License-Identifier: Apache-2.0
import { deviceName } from "./devices.ts";
import type { InterfaceStatus, LiveInterface } from "./live.ts";

/** What an interface has of its device. */
export function deviceState(
  live: LiveInterface,
): Pick<InterfaceStatus, "state" | "device" | "reason" | "ifindex" | "hook" | "mtu"> {
  const { object, device, refused, attachment } = live;
  if (device === undefined) {
    return { state: "waiting", device: deviceName(object), ...(refused === undefined ? {} : { reason: refused }) };
  }
  return {
    state: device.up ? "up" : "down",
    device: device.name,
    ifindex: device.ifindex,
    ...(attachment === undefined ? {} : { hook: attachment.hook }),
    mtu: device.mtu,
  };
}
