// SPDX-License-Identifier: Apache-2.0
/**
 * A label or VNI as one number: what goes with a next hop that is a tunnel. The number itself is in the low 24 bits,
 * its kind above (LABEL_IS_*, whose bits are the ROUTE_* flags); 0: none.
 */
import { LABEL_IS_MPLS, LABEL_IS_VNI, LABEL_MASK } from "../../layout/index.ts";

/** Where the kind begins: `tag >>> KIND_SHIFT` is ROUTE_LABEL, ROUTE_VNI or 0. */
const KIND_SHIFT = 24;

/** A label or VNI with its kind. */
export type LabelTag = number;

/** The tag of an object with `vni` or `label`. */
export function labelTag(object: { readonly vni?: number | undefined; readonly label?: number | undefined }): LabelTag {
  if (object.vni !== undefined) return LABEL_IS_VNI | object.vni;
  return object.label === undefined ? 0 : LABEL_IS_MPLS | object.label;
}

/** The label or VNI itself. */
export const labelOf = (tag: LabelTag): number => tag & LABEL_MASK;

/** ROUTE_LABEL, ROUTE_VNI, or 0. */
export const routeFlagsOf = (tag: LabelTag): number => tag >>> KIND_SHIFT;

/** The tag of what a table holds. */
export const tagOf = (label: number, routeFlags: number): LabelTag =>
  (routeFlags & ((LABEL_IS_MPLS | LABEL_IS_VNI) >>> KIND_SHIFT)) * 2 ** KIND_SHIFT + label;

/** A tag as fields of an object. */
export function labelFields(tag: LabelTag): { readonly vni?: number; readonly label?: number } {
  if ((tag & LABEL_IS_VNI) !== 0) return { vni: labelOf(tag) };
  return (tag & LABEL_IS_MPLS) !== 0 ? { label: labelOf(tag) } : {};
}
