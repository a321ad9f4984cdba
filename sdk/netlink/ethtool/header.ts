// SPDX-License-Identifier: Apache-2.0
/** The header attribute of every ethtool request, which names the device (`ETHTOOL_A_HEADER_*`). */

import type { MessageWriter } from "../message.ts";

const ETHTOOL_A_HEADER_DEV_NAME = 2;

/** Writes the header; its attribute's type differs by request but is 1 in all that exist. */
export function writeDeviceHeader(writer: MessageWriter, type: number, device: string): void {
  writer.nest(type, () => writer.string(ETHTOOL_A_HEADER_DEV_NAME, device));
}
