// SPDX-License-Identifier: Apache-2.0
/** Which XDP program a link runs, from its `IFLA_XDP` attribute (`linux/if_link.h`). */

import { AttributeTable } from "./attribute.ts";

const IFLA_XDP_ATTACHED = 2;
const IFLA_XDP_PROG_ID = 4;
const IFLA_XDP_DRV_PROG_ID = 5;
const IFLA_XDP_SKB_PROG_ID = 6;
const IFLA_XDP_HW_PROG_ID = 7;

/** `XDP_ATTACHED_MULTI`: programs in several modes, each with its own id attribute. */
const XDP_ATTACHED_MULTI = 4;
const modes = [undefined, "native", "generic", "offload"] as const;

/** Where an XDP program runs: in the driver, in the stack behind it, or on the device. */
export type XdpMode = "native" | "generic" | "offload";

/** An attached XDP program. */
export interface XdpInfo {
  readonly mode: XdpMode;
  /** The kernel's id of the program. */
  readonly programId: number;
}

const attributes = new AttributeTable(IFLA_XDP_HW_PROG_ID);

/** The program of a link; of several the one that sees packets first in the host (native before generic). */
export function decodeXdp(link: AttributeTable, type: number): XdpInfo | undefined {
  const a = link.nested(type, attributes);
  if (a === undefined) return undefined;
  const attached = a.u8(IFLA_XDP_ATTACHED) ?? 0;
  if (attached === XDP_ATTACHED_MULTI) {
    return (
      attachment("native", a.u32(IFLA_XDP_DRV_PROG_ID)) ??
      attachment("generic", a.u32(IFLA_XDP_SKB_PROG_ID)) ??
      attachment("offload", a.u32(IFLA_XDP_HW_PROG_ID))
    );
  }
  const mode = modes[attached];
  return mode === undefined ? undefined : attachment(mode, a.u32(IFLA_XDP_PROG_ID));
}

function attachment(mode: XdpMode, programId: number | undefined): XdpInfo | undefined {
  return programId === undefined ? undefined : { mode, programId };
}
