// SPDX-License-Identifier: Apache-2.0
/** Where the kernel's routes and neighbours lead: the outermost part of every path over the fabric. */

export { canonical, releaseNeighbours, underlayNeighbour } from "./kernel.ts";
export type { UnderlayPath, UnderlayTarget, UnderlayWait } from "./path.ts";
export { Underlay, type UnderlayOptions } from "./underlay.ts";
