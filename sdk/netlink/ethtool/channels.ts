// SPDX-License-Identifier: Apache-2.0
/** Channels of a device: its queues with their interrupts (`ethtool -l`, `ethtool -L`). */

import { AttributeTable } from "../attribute.ts";
import { GENERIC_HEADER_SIZE, type GenericFamily } from "../generic.ts";
import { writeDeviceHeader } from "./header.ts";

const ETHTOOL_MSG_CHANNELS_GET = 17;
const ETHTOOL_MSG_CHANNELS_SET = 18;

const ETHTOOL_A_CHANNELS_HEADER = 1;
const ETHTOOL_A_CHANNELS_RX_MAX = 2;
const ETHTOOL_A_CHANNELS_TX_MAX = 3;
const ETHTOOL_A_CHANNELS_OTHER_MAX = 4;
const ETHTOOL_A_CHANNELS_COMBINED_MAX = 5;
const ETHTOOL_A_CHANNELS_RX_COUNT = 6;
const ETHTOOL_A_CHANNELS_TX_COUNT = 7;
const ETHTOOL_A_CHANNELS_OTHER_COUNT = 8;
const ETHTOOL_A_CHANNELS_COMBINED_COUNT = 9;

/** Numbers of channels. A channel serves receiving, transmitting, both (combined) or something else. */
export interface ChannelCounts {
  readonly rx: number;
  readonly tx: number;
  readonly combined: number;
  readonly other: number;
}

/** Channels in use and the most that the device can have. Queues that receive: `rx + combined`. */
export interface Channels extends ChannelCounts {
  readonly maximum: ChannelCounts;
}

const attributes = new AttributeTable(ETHTOOL_A_CHANNELS_COMBINED_COUNT);

/** @throws WeirError `EOPNOTSUPP` if the driver has no channels to tell of */
export function readChannels(family: GenericFamily, device: string): Channels {
  const operation = `read the channels of "${device}"`;
  const none: ChannelCounts = { rx: 0, tx: 0, combined: 0, other: 0 };
  let channels: Channels = { ...none, maximum: none };
  family.request(
    operation,
    ETHTOOL_MSG_CHANNELS_GET,
    (writer) => writeDeviceHeader(writer, ETHTOOL_A_CHANNELS_HEADER, device),
    (message) => {
      const a = attributes.read(message, message.start + GENERIC_HEADER_SIZE, message.end);
      channels = {
        rx: a.u32(ETHTOOL_A_CHANNELS_RX_COUNT) ?? 0,
        tx: a.u32(ETHTOOL_A_CHANNELS_TX_COUNT) ?? 0,
        combined: a.u32(ETHTOOL_A_CHANNELS_COMBINED_COUNT) ?? 0,
        other: a.u32(ETHTOOL_A_CHANNELS_OTHER_COUNT) ?? 0,
        maximum: {
          rx: a.u32(ETHTOOL_A_CHANNELS_RX_MAX) ?? 0,
          tx: a.u32(ETHTOOL_A_CHANNELS_TX_MAX) ?? 0,
          combined: a.u32(ETHTOOL_A_CHANNELS_COMBINED_MAX) ?? 0,
          other: a.u32(ETHTOOL_A_CHANNELS_OTHER_MAX) ?? 0,
        },
      };
    },
  );
  return channels;
}

/** Changes numbers of channels; those left out stay. @throws WeirError `EINVAL` above the maximum, `EOPNOTSUPP` */
export function changeChannels(family: GenericFamily, device: string, counts: Partial<ChannelCounts>): void {
  family.request(`change the channels of "${device}"`, ETHTOOL_MSG_CHANNELS_SET, (writer) => {
    writeDeviceHeader(writer, ETHTOOL_A_CHANNELS_HEADER, device);
    if (counts.rx !== undefined) writer.u32(ETHTOOL_A_CHANNELS_RX_COUNT, counts.rx);
    if (counts.tx !== undefined) writer.u32(ETHTOOL_A_CHANNELS_TX_COUNT, counts.tx);
    if (counts.other !== undefined) writer.u32(ETHTOOL_A_CHANNELS_OTHER_COUNT, counts.other);
    if (counts.combined !== undefined) writer.u32(ETHTOOL_A_CHANNELS_COMBINED_COUNT, counts.combined);
  });
}
