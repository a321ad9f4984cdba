// SPDX-License-Identifier: Apache-2.0
/** What the contract names and this version does not do yet: refused by name, never silently accepted. */
import type { Kind } from "./state.ts";

/** Kinds of the state document. */
export const laterKinds: ReadonlySet<string> = new Set(["fdb", "labels", "vnis", "services", "nat", "mirrors", "qos"]);

/** Fields of kinds that are there; a dot leads into a nested object. */
export const laterFields: Partial<Record<Kind, ReadonlySet<string>>> = {
  node: new Set(["foreignTunnels", "dropSamplesPerSecond"]),
  vrfs: new Set(["kernelRoutes"]),
  interfaces: new Set([
    "parent",
    "vlan",
    "newFlows",
    "police",
    "rpf",
    "shared",
    "learn",
    "learnAgeSeconds",
    "mssClamp",
    "qos",
    "tableFull",
    "synGuard",
    "tune",
    "replaceXdp",
  ]),
  nexthops: new Set(["encap", "local", "remote", "routerMac", "members", "hash", "vrf"]),
  routes: new Set(["label", "vni"]),
  policies: new Set(["rules.mirror"]),
};

/** Values of fields that are there. */
export const laterValues: Partial<Record<Kind, Readonly<Record<string, readonly string[]>>>> = {
  vrfs: { unknownUnicast: ["flood"] },
  interfaces: { role: ["host"] },
  nexthops: { type: ["tunnel", "ecmp", "vrf", "flood", "resolve"] },
};
