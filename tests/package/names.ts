// SPDX-License-Identifier: Apache-2.0
/** What `names.test.ts` runs in each runtime: the package's entries by name. Prints a line of JSON. */

import process from "node:process";
import { DataPlane } from "weir";
import { BpfMap, CollectionSpec } from "weir/bpf";
import { Lab } from "weir/lab";
import { Netlink } from "weir/netlink";

using netlink = Netlink.open();
const loopback = netlink.link("lo")?.index;
process.stdout.write(
  `${JSON.stringify({ names: [DataPlane, CollectionSpec, BpfMap, Lab].map(({ name }) => name), loopback })}\n`,
);
