// SPDX-License-Identifier: Apache-2.0
/** What an interface of role host means where its object says nothing. */
import type { Interface, Policy } from "../schema/index.ts";

/** The policy of a host interface that names none; no policy of the state can have that name. */
export const HOST_POLICY = "(host)";

/** The host may reach everybody, and nobody begins to speak to the host. */
export const hostPolicy: Policy = { name: HOST_POLICY, default: { ingress: "deny", egress: "allow" } };

/** Policies in force on an interface; `undefined`: none of that interface. */
export function policiesOf({ role, policies }: Interface): readonly string[] | undefined {
  return policies ?? (role === "host" ? [HOST_POLICY] : undefined);
}

/** Addresses of a workload, or of the host within the VRF: the underlay address where the interface names none. */
export function addressesOf({ role, addresses }: Interface, underlay: string | undefined): readonly string[] {
  if (addresses !== undefined) return addresses;
  return role === "host" && underlay !== undefined ? [underlay] : [];
}

/** Table of the kernel's that the routes to the VRF are put into where the interface names none: the main one. */
export const DEFAULT_KERNEL_TABLE = 254;
