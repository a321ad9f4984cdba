// SPDX-License-Identifier: Apache-2.0
/** What a program did with a packet, and the trap that it may have made of it. */

import { trapMetaCodec, trapMetaLayout, trapReasons, WEIR_TRAP_MAGIC } from "../../sdk/layout/generated.ts";
import { viewOf } from "./pipeline_table.ts";

export type Verdict = "drop" | "pass" | "out" | "back" | "aborted" | "other";

export interface Outcome {
  readonly verdict: Verdict;
  readonly data: Uint8Array;
  /** XDP only: what lies in front of the packet for the next program. */
  readonly metadata: Uint8Array;
}

export interface Trap {
  readonly reason: string;
  readonly flags: number;
  readonly forwardingClass: number;
  readonly l3Offset: number;
  readonly interface: number;
  readonly outInterface: number;
  readonly vrf: number;
  readonly nexthop: number;
  readonly reverseNexthop: number;
  readonly generation: number;
  readonly ingress: number;
  /** The packet behind the header. */
  readonly packet: Uint8Array;
}

/** The trap that an outcome is; undefined if it is none. */
export function trapOf(outcome: Outcome): Trap | undefined {
  const view = viewOf(outcome.data);
  if (outcome.verdict !== "out" || trapMetaCodec.magic.get(view, 0) !== WEIR_TRAP_MAGIC) return undefined;
  return {
    reason: trapReasons[trapMetaCodec.reason.get(view, 0)] ?? "?",
    flags: trapMetaCodec.flags.get(view, 0),
    forwardingClass: trapMetaCodec.forwardingClass.get(view, 0),
    l3Offset: trapMetaCodec.l3Offset.get(view, 0),
    interface: trapMetaCodec.interface.get(view, 0),
    outInterface: trapMetaCodec.outInterface.get(view, 0),
    vrf: trapMetaCodec.vrf.get(view, 0),
    nexthop: trapMetaCodec.nexthop.get(view, 0),
    reverseNexthop: trapMetaCodec.reverseNexthop.get(view, 0),
    generation: trapMetaCodec.generation.get(view, 0),
    ingress: trapMetaCodec.ingress.get(view, 0),
    packet: outcome.data.subarray(trapMetaLayout.size),
  };
}
