// SPDX-License-Identifier: Apache-2.0
/**
 * A first controller: two pods, and a policy that leaves new flows to `b` to this program.
 *
 *     weir lab up                                             # namespaces with the pods a, b and c
 *     bun examples/first-controller/main.ts weir-node         # the namespace that plays the node
 *     nsenter --net=/run/netns/weir-a ping 10.97.0.2          # forwarded
 *     nsenter --net=/run/netns/weir-a curl 10.97.0.2:8080     # refused
 *
 * Ctrl-C ends it, and takes everything away.
 */
import { DataPlane } from "weir";

const dp = await DataPlane.open({ instance: "first", netns: process.argv[2] });
await dp.apply({
  vrfs: [{ name: "red" }],
  interfaces: [
    { name: "va", role: "workload", vrf: "red", addresses: ["10.97.0.1", "fd00:97::1"] },
    { name: "vb", role: "workload", vrf: "red", addresses: ["10.97.0.2", "fd00:97::2"], policies: ["b"] },
  ],
  policies: [{ name: "b", default: { ingress: "ask", egress: "allow" } }],
});
dp.onFlowMiss((misses) => {
  for (const { key, decide } of misses) {
    const action = key.proto.startsWith("icmp") || key.dport === 80 ? "forward" : "reject";
    console.log(`${action} ${key.proto} ${key.src} to ${key.dst} port ${key.dport}`);
    decide({ action });
  }
});
console.log("ready");
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => dp.destroy().then(() => process.exit()));
