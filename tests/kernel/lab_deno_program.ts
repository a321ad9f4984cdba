// SPDX-License-Identifier: Apache-2.0
/** What `lab_deno.test.ts` runs under Deno: a lab, a watch that loses events, offload features. Prints JSON. */

import process from "node:process";
import { Lab, pods, waitFor } from "../../sdk/lab/index.ts";
import { Ethtool } from "../../sdk/netlink/index.ts";

await using lab = Lab.create("routed", { prefix: process.argv[2] ?? "wB-deno-" });
const received = [(await lab.ping("a", pods.b.ipv4)).received, (await lab.ping("a", pods.c.ipv6)).received];

using node = lab.netlink("node");
const ifindex = node.link(pods.a.device)?.index ?? 0;
const events: string[] = [];
const addRoute = (third: number) => node.addRoute({ destination: `10.3.${third}.0/24`, ifindex });
{
  using _ = node.watch(["route"], ({ kind }) => events.push(kind), { bufferBytes: 4096 });
  addRoute(0);
  await waitFor(() => events.length === 1, { what: "an event" });
  for (let third = 1; third < 200; third++) addRoute(third);
  await waitFor(() => events.includes("resynchronise"), { what: "resynchronise" });
  addRoute(200);
  await waitFor(() => events.at(-1) === "route", { what: "an event after it" });
}

using ethtool = Ethtool.open({ netns: lab.netns("a") });
const previous = ethtool.setFeatures("eth0", { tx: false });
console.log(
  JSON.stringify({ received, events: [...new Set(events)], previous, driver: ethtool.driver("eth0").driver }),
);
