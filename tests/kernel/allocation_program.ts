// SPDX-License-Identifier: Apache-2.0
/**
 * `PACKETS`: first packets of flows through a slow-path worker, on a node of two pods. Run with JavaScriptCore's log of
 * garbage collections on: `begin` and `end` on the error output enclose what it says of those packets. Prints how many
 * packets the worker took.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { build, program } from "../bench/harness/build.ts";
import { handleInterrupts } from "../bench/harness/interrupt.ts";
import { run } from "../bench/harness/process.ts";
import { CLIENT, GATEWAY, POD_DEVICE, SameNode, SERVER } from "../bench/harness/topology.ts";
import { WeirNode } from "../bench/harness/weir.ts";

/** A call of the generator; what is lost is made up for by the next one. */
const BURST = 100_000;
const GENERATOR_CPU = 0;

Bun.gc(true);
handleInterrupts();
const packets = Number(process.argv[2]);
await build(["flow_generator"], []);
await using lab = await SameNode.create({ id: `al${process.pid % 97}`, routed: false });
await using node = await WeirNode.start(lab, { hook: "tc", policy: true });
const taken = (): number => node.dataPlane.usage().slowPath.counters.packets;

/** Each packet is a new flow, as fast as the generator goes. */
async function send(first: number): Promise<void> {
  const what = ["-i", POD_DEVICE, "-n", String(BURST), "-b", "8", "-a", String(first)];
  const addresses = ["-d", SERVER.address, "-S", CLIENT.address, "-m", GATEWAY.mac, "-M", CLIENT.mac];
  await run([program("flow_generator"), ...what, ...addresses], { netns: lab.client, cpu: GENERATOR_CPU });
  await sleep(50);
}

// The code is compiled meanwhile.
let next = 0;
await send(next);
console.error("begin");
const before = taken();
while (taken() - before < packets) {
  next += BURST;
  await send(next);
}
console.error("end");
console.log(JSON.stringify({ packets: taken() - before }));
