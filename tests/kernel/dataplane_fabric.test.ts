// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { NODE, pods, waitFor } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

const ROUTER = "192.0.2.254";

test("a fabric interface leads to a gateway whose MAC the kernel finds, and the host keeps its own traffic there", async () => {
  await using node = await DataPlaneNode.start({ name: "fabric" });
  const run = async (namespace: string, ...argv: string[]) => {
    const { status, stderr } = await node.lab.exec(namespace, argv);
    expect([argv, status, stderr]).toEqual([argv, 0, ""]);
  };
  // Pod c plays the router.
  await run(NODE, "ip", "address", "add", "192.0.2.1/24", "dev", "vc");
  await run("c", "ip", "address", "add", `${ROUTER}/24`, "dev", "eth0");
  await run("c", "ip", "route", "add", "10.97.0.0/24", "via", "192.0.2.1");
  await node.dp.apply({
    vrfs: [{ name: "red" }],
    interfaces: [node.workload(pods.a), { name: "vc", role: "fabric" }],
    nexthops: [{ name: "uplink", type: "interface", device: "vc", gateway: ROUTER }],
    routes: [
      { vrf: "red", prefix: "0.0.0.0/0", via: "uplink" },
      { vrf: "underlay", prefix: "10.97.0.0/24", via: "va" },
    ],
  });
  await waitFor(() => node.dp.tables.nexthops.get("uplink")?.status["resolved"] === true, {
    what: "the gateway's MAC",
  });
  expect(node.dp.tables.nexthops.get("uplink")?.status).toMatchObject({ interface: "vc", mac: pods.c.mac });
  expect(await node.received("a", ROUTER)).toBe(3);
  expect((await node.lab.ping(NODE, ROUTER, { count: 3 })).received).toBe(3);
  expect((await node.lab.ping("c", "192.0.2.1", { count: 3 })).received).toBe(3);

  await run("c", "ip", "link", "set", "eth0", "address", "02:00:00:00:09:09");
  await waitFor(async () => (await node.received("a", ROUTER, 1)) === 1, {
    timeoutMs: 20_000,
    what: "the gateway's new MAC",
  });
}, 40_000);
