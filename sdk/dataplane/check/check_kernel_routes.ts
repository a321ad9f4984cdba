// SPDX-License-Identifier: Apache-2.0
/** Tables of the kernel's that VRFs follow: label or VNI fit the encapsulation, and no two VRFs write into one table. */

import { invalid, type KernelRoutesConfig } from "../schema/index.ts";
import type { DesiredState } from "../state/desired.ts";
import type { Locate } from "./check.ts";

/** The table of the kernel's own addresses. */
const LOCAL_TABLE = 255;

/** Checks the tables of all VRFs together. */
export function checkKernelRoutes(state: DesiredState, locate: Locate): void {
  const exporters = new Map<number, string>();
  for (const { name, kernelRoutes } of state.objects("vrfs")) {
    if (kernelRoutes === undefined) continue;
    const pointer = `${locate("vrfs", name)}/kernelRoutes`;
    checkEncap(kernelRoutes, pointer);
    const { table } = kernelRoutes;
    if (table === LOCAL_TABLE) {
      throw invalid(`${pointer}/table`, "is 255, the table of the kernel's own addresses", "choose another table");
    }
    if (kernelRoutes.export !== true) continue;
    const other = exporters.get(table);
    if (other !== undefined) {
      throw invalid(
        `${pointer}/export`,
        `writes into table ${table}, as VRF "${other}" does`,
        "give each its own table",
      );
    }
    exporters.set(table, name);
  }
}

function checkEncap({ encap, vni, label }: KernelRoutesConfig, pointer: string): void {
  const needed = encap === undefined ? undefined : encap === "vxlan" ? "vni" : "label";
  const given = { vni, label };
  for (const field of ["vni", "label"] as const) {
    if (given[field] === undefined || field === needed) continue;
    const what = encap === undefined ? "without encap" : `for encap ${encap}`;
    throw invalid(`${pointer}/${field}`, `has no meaning ${what}`, "leave it out");
  }
  // Labels may come with the routes.
  if (needed === "vni" && vni === undefined) {
    throw invalid(pointer, 'lacks the field "vni"', "name the VNI that the packets get");
  }
}
