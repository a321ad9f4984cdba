// SPDX-License-Identifier: Apache-2.0
/** What the host's own stack gets for an interface of role host: it follows the state, outlives the process, and goes without a trace. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { DataPlane, destroyInstance } from "../../sdk/index.ts";
import { HOST4, HOST6, hostDocument, NODE, PodsNode, pods } from "./host_node.ts";
import { differences, takeKernelSnapshot } from "./pods_snapshot.ts";

const { a, b, c } = pods;

setDefaultTimeout(60_000);

let node: PodsNode;
let dp: DataPlane;
const failures: string[] = [];
const before = new Map<string, unknown>();

beforeEach(async () => {
  failures.length = 0;
  node = await PodsNode.start({ name: "hostlife", hook: "tc" });
  await node.dp.destroy();
  // The host has one of the addresses already, and a route of its own to a pod.
  await ip("address", "add", `${HOST4}/32`, "dev", "lo");
  await ip("route", "add", `${c.ipv4}/32`, "dev", "va", "metric", "5");
  before.set("kernel", takeKernelSnapshot(node.lab, node.instance));
  dp = await open();
});

afterEach(async () => {
  await dp.close();
  destroyInstance(node.instance, { netns: node.lab.path(NODE) });
  await node.lab[Symbol.asyncDispose]();
});

const open = () =>
  DataPlane.open({
    instance: node.instance,
    netns: node.lab.path(NODE),
    limits: { flows: 8192 },
    onFailure: (reason) => failures.push(reason),
  });

async function ip(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await node.lab.exec(NODE, ["ip", ...args]);
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const routes = async (table = "main"): Promise<string[]> => {
  const list = await Promise.all(
    ["-4", "-6"].map(
      async (family) =>
        JSON.parse(await ip("-j", family, "route", "show", "table", table, "proto", "87")) as { dst: string }[],
    ),
  );
  return list.flat().map(({ dst }) => dst);
};

test("routes follow those of the VRF; one of the host's own wins; nothing is left", async () => {
  await dp.apply(hostDocument(node));
  const all = [a, b, c].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  expect((await routes()).sort()).toEqual([...all].sort());
  expect(await ip("route", "get", c.ipv4)).toContain("dev va");
  expect(await ip("route", "get", a.ipv4)).toContain(`dev lo src ${HOST4}`);
  expect(await ip("-6", "route", "get", a.ipv6)).toContain(`dev lo proto 87 src ${HOST6}`);
  const more = [
    { vrf: "red", prefix: "10.98.0.0/16", via: "va" },
    { vrf: "red", prefix: "0.0.0.0/0", via: "va" },
    { vrf: "red", prefix: "10.99.0.0/16", via: "discard" },
    { vrf: "red", prefix: "10.96.0.0/16", via: "lo" },
  ];
  await dp.apply(hostDocument(node, {}, { routes: more }));
  expect((await routes()).sort()).toEqual([...all, "10.98.0.0/16"].sort());
  await dp.transaction().delete("routes", "red 10.98.0.0/16").commit();
  expect((await routes()).sort()).toEqual([...all].sort());
  await dp.apply(hostDocument(node, { kernelTable: 101 }));
  expect([await routes(), (await routes("101")).length]).toEqual([[], 6]);
  await dp.apply(hostDocument(node, { kernelTable: 0, addresses: [HOST4] }));
  expect(await ip("route", "show", "table", "all", "proto", "87")).toBe("");
  expect(await ip("address", "show", "dev", "lo")).not.toContain(HOST6);
  await dp.apply(hostDocument(node));
  await dp.apply(node.document({}, {}));
  expect(await ip("nexthop")).toBe("");
  expect(await ip("address", "show", "dev", "lo")).toContain(HOST4);
  await dp.destroy();
  expect(differences(before.get("kernel") as never, takeKernelSnapshot(node.lab, node.instance))).toEqual([]);
  expect(failures).toEqual([]);
});

test("the kernel goes on alone, the next process takes over, and `down` restores what a dead one has made", async () => {
  await dp.apply(hostDocument(node));
  const ping = node.lab.spawn(NODE, ["ping", "-i", "0.05", "-c", "60", a.ipv4]);
  await ping.waitForOutput(/icmp_seq=3/, { timeoutMs: 10_000 });
  await dp.close();
  const listed = await routes();
  await ping.waitForOutput(/icmp_seq=20/, { timeoutMs: 10_000 });
  dp = await open();
  expect(await routes()).toEqual(listed);
  expect((await ping.exited).stdout).toContain(" 0% packet loss");
  expect(dp.tables.interfaces.get("lo")?.status["host"]).toMatchObject({ routes: 6, refused: 0 });
  await dp.close();
  destroyInstance(node.instance, { netns: node.lab.path(NODE) });
  expect(differences(before.get("kernel") as never, takeKernelSnapshot(node.lab, node.instance))).toEqual([]);
  dp = await open();
});

test("it comes back with its device, and a state that is refused changes nothing", async () => {
  await dp.apply(hostDocument(node));
  await ip("link", "set", "lo", "down");
  await ip("link", "set", "lo", "up");
  const deadline = Date.now() + 5000;
  while ((await routes()).length < 6 && Date.now() < deadline) await Bun.sleep(20);
  expect((await node.lab.ping(NODE, a.ipv4)).received).toBe(1);
  expect((await node.lab.ping(NODE, a.ipv6)).received).toBe(1);
  const now = takeKernelSnapshot(node.lab, node.instance);
  const document = hostDocument(node, { hook: "xdp" });
  await expect(dp.apply(document)).rejects.toThrow(
    '/interfaces/3/hook is "xdp", which sees nothing that the host sends',
  );
  const elsewhere = hostDocument(node, { name: "other", device: "gone" });
  await expect(dp.apply(elsewhere)).rejects.toThrow('/interfaces/3/device names device "gone", which is not there');
  expect(differences(now, takeKernelSnapshot(node.lab, node.instance))).toEqual([]);
});
