// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { twoNodesTopology } from "../../sdk/lab/index.ts";
import { floodDocument, RouteFlood } from "./kernel_routes_flood.ts";
import { OverlayNodes } from "./overlay_nodes.ts";

// With 500 000 it is `npm run test:kernel-routes`.
const COUNT = 20_000;

test(`${COUNT} routes of a kernel table come into the VRF, change and go, each as the kernel has it`, async () => {
  await using overlay = await OverlayNodes.start({ name: "krmany", topology: twoNodesTopology(), nodes: ["n1"] });
  const dp = overlay.plane("n1");
  await dp.apply(floodDocument);
  const flood = new RouteFlood(overlay.lab, dp, COUNT);
  await flood.arrive();
  expect(await flood.differences()).toEqual([]);
  expect(dp.usage().tables.routes4.used + dp.usage().tables.routes6.used).toBe(COUNT);
  await flood.change();
  expect(await flood.differences()).toEqual([]);
  await flood.readAnew();
  expect(await flood.differences()).toEqual([]);
  // Another process finds what this one left.
  await overlay.close("n1");
  const next = await overlay.open("n1");
  const again = new RouteFlood(overlay.lab, next, COUNT);
  expect(await again.differences()).toEqual([]);
  await again.leave();
  expect(await again.differences()).toEqual([]);
  expect(next.tables.routes.size).toBe(0);
  expect([...next.tables.nexthops.entries()]).toEqual([]);
}, 120_000);
