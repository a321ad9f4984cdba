// SPDX-License-Identifier: Apache-2.0
/** The driver of a device (`ethtool -i`). Only the older ioctl interface tells it (`linux/ethtool.h`). */

import { runtime } from "#runtime";
import { WeirError } from "../../errors.ts";
import { ioctl } from "../../runtime/libc.ts";
import { stringAt } from "../attribute.ts";
import { LITTLE_ENDIAN } from "../constants.ts";

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GDRVINFO = 3;

/** `struct ifreq`: 16 bytes of name, then a union that holds a pointer here. */
const IFNAMSIZ = 16;
const IFREQ_SIZE = 40;

/** `struct ethtool_drvinfo`: u32 command, then strings of 32 bytes. */
const DRVINFO_SIZE = 196;
const DRIVER = 4;
const VERSION = 36;
const FIRMWARE_VERSION = 68;
const BUS_INFO = 100;
const STRING_SIZE = 32;

/** What the driver says of itself. Strings are empty where it says nothing. */
export interface DriverInfo {
  /** Name of the driver, e.g. `veth`, `virtio_net`, `mlx5_core`. */
  readonly driver: string;
  /** The driver's version; for drivers in the kernel's tree that of the kernel. */
  readonly version: string;
  readonly firmwareVersion: string;
  /** Address of the device on its bus, e.g. `0000:00:05.0`. */
  readonly bus: string;
}

/**
 * Asks through any socket of the device's namespace.
 * @throws WeirError `ENODEV`, `EOPNOTSUPP` if the driver does not tell
 */
export function readDriver(socket: number, device: string): DriverInfo {
  const name = new TextEncoder().encode(device);
  const operation = `read the driver of "${device}"`;
  if (name.byteLength >= IFNAMSIZ) {
    throw new WeirError({ code: "ENODEV", operation, reason: "device names have at most 15 bytes" });
  }
  const info = runtime.alloc(DRVINFO_SIZE);
  const request = runtime.alloc(IFREQ_SIZE);
  info.view.setUint32(0, ETHTOOL_GDRVINFO, LITTLE_ENDIAN);
  request.bytes.set(name);
  request.view.setBigUint64(IFNAMSIZ, BigInt(info.address), LITTLE_ENDIAN);
  ioctl(socket, SIOCETHTOOL, request, `ETHTOOL_GDRVINFO on "${device}"`);
  const text = (offset: number) => stringAt(info.bytes, offset, offset + STRING_SIZE);
  return { driver: text(DRIVER), version: text(VERSION), firmwareVersion: text(FIRMWARE_VERSION), bus: text(BUS_INFO) };
}
