// SPDX-License-Identifier: Apache-2.0
/** Descriptor rings of a device's queues (`ethtool -g`, `ethtool -G`). */

import { AttributeTable } from "../attribute.ts";
import { GENERIC_HEADER_SIZE, type GenericFamily } from "../generic.ts";
import { writeDeviceHeader } from "./header.ts";

const ETHTOOL_MSG_RINGS_GET = 15;
const ETHTOOL_MSG_RINGS_SET = 16;

const ETHTOOL_A_RINGS_HEADER = 1;
const ETHTOOL_A_RINGS_RX_MAX = 2;
const ETHTOOL_A_RINGS_TX_MAX = 5;
const ETHTOOL_A_RINGS_RX = 6;
const ETHTOOL_A_RINGS_TX = 9;

/** Entries of the ring of each queue. */
export interface RingSizes {
  readonly rx: number;
  readonly tx: number;
}

/** Ring sizes in use and the most that the device can have. */
export interface Rings extends RingSizes {
  readonly maximum: RingSizes;
}

const attributes = new AttributeTable(ETHTOOL_A_RINGS_TX);

/** @throws WeirError `EOPNOTSUPP` if the driver has no rings to tell of */
export function readRings(family: GenericFamily, device: string): Rings {
  let rings: Rings = { rx: 0, tx: 0, maximum: { rx: 0, tx: 0 } };
  family.request(
    `read the rings of "${device}"`,
    ETHTOOL_MSG_RINGS_GET,
    (writer) => writeDeviceHeader(writer, ETHTOOL_A_RINGS_HEADER, device),
    (message) => {
      const a = attributes.read(message, message.start + GENERIC_HEADER_SIZE, message.end);
      rings = {
        rx: a.u32(ETHTOOL_A_RINGS_RX) ?? 0,
        tx: a.u32(ETHTOOL_A_RINGS_TX) ?? 0,
        maximum: { rx: a.u32(ETHTOOL_A_RINGS_RX_MAX) ?? 0, tx: a.u32(ETHTOOL_A_RINGS_TX_MAX) ?? 0 },
      };
    },
  );
  return rings;
}

/** Changes ring sizes; those left out stay. @throws WeirError `EINVAL` above the maximum, `EOPNOTSUPP` */
export function changeRings(family: GenericFamily, device: string, sizes: Partial<RingSizes>): void {
  family.request(`change the rings of "${device}"`, ETHTOOL_MSG_RINGS_SET, (writer) => {
    writeDeviceHeader(writer, ETHTOOL_A_RINGS_HEADER, device);
    if (sizes.rx !== undefined) writer.u32(ETHTOOL_A_RINGS_RX, sizes.rx);
    if (sizes.tx !== undefined) writer.u32(ETHTOOL_A_RINGS_TX, sizes.tx);
  });
}
