// SPDX-License-Identifier: Apache-2.0
import {
  type TrapReason,
  TrapReasonValue,
  trapMetaCodec,
  trapMetaLayout,
  WEIR_TRAP_MAGIC,
} from "../../sdk/layout/index.ts";

/** Metadata of a trapped packet; the defaults are a first packet from interface 1 to interface 2. */
export interface Meta {
  readonly reason?: TrapReason;
  readonly flags?: number;
  readonly l3Offset?: number;
  readonly interface?: number;
  readonly outInterface?: number;
  readonly vrf?: number;
  readonly nexthop?: number;
  readonly reverseNexthop?: number;
  readonly generation?: number;
  /** Default: the interface. */
  readonly ingress?: number;
}

/** Writes the metadata in front of the packet at an address. */
export function writeTrapMeta(
  { view, bytes }: { readonly view: DataView; readonly bytes: Uint8Array },
  at: number,
  meta: Meta,
): void {
  const base = at - trapMetaLayout.size;
  const codec = trapMetaCodec;
  bytes.fill(0, base, at);
  codec.magic.set(view, base, WEIR_TRAP_MAGIC);
  codec.reason.set(view, base, TrapReasonValue[meta.reason ?? "flow-miss"]);
  codec.flags.set(view, base, meta.flags ?? 2);
  codec.l3Offset.set(view, base, meta.l3Offset ?? 14);
  codec.interface.set(view, base, meta.interface ?? 1);
  codec.ingress.set(view, base, meta.ingress ?? meta.interface ?? 1);
  codec.outInterface.set(view, base, meta.outInterface ?? 2);
  codec.vrf.set(view, base, meta.vrf ?? 7);
  codec.nexthop.set(view, base, meta.nexthop ?? 2);
  codec.reverseNexthop.set(view, base, meta.reverseNexthop ?? 1);
  codec.generation.set(view, base, meta.generation ?? 100);
}
