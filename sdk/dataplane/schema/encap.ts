// SPDX-License-Identifier: Apache-2.0
/** VNI or label that goes with a next hop that is a tunnel. */
import { integer } from "./common.ts";
import { Type } from "./typebox.ts";

/** Largest VNI: 24 bits (RFC 7348 section 5). */
export const MAX_VNI = 0xff_ffff;

/** Smallest label that may be given out: 0 to 15 are special (RFC 3032 section 2.1, RFC 7274). */
export const MIN_LABEL = 16;

/** Largest label: 20 bits (RFC 3032 section 2.1). */
export const MAX_LABEL = 0xf_ffff;

/** A VNI, as a key. */
export const vni = (description: string) => integer(0, MAX_VNI, description);

/** A label, as a key. */
export const label = (description: string) => integer(MIN_LABEL, MAX_LABEL, description);

/** Fields of what leads into a tunnel: at most one of them, as the tunnel's encapsulation needs it. */
export const encapFields = {
  vni: Type.Optional(vni("VNI that packets get; for next hops that are vxlan tunnels.")),
  label: Type.Optional(label("MPLS label that packets get; for next hops that are mpls-udp or mpls-gre tunnels.")),
} as const;
