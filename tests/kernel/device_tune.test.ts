// SPDX-License-Identifier: Apache-2.0
/** Settings that Weir makes on devices for their hooks, and takes back, as ethtool(8) and ip(8) see them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpus } from "node:os";
import { kernelAtLeast } from "../../sdk/dataplane/device/preflight.ts";
import { applySettings, currentOf, openAccess } from "../../sdk/dataplane/drivers/settings.ts";
import { type Lab, NODE, pods } from "../../sdk/lab/index.ts";
import { Netlink } from "../../sdk/netlink/index.ts";
import { withNetns } from "../../sdk/runtime/netns.ts";
import { CommandLab } from "./cli_support.ts";
import { DataPlaneNode } from "./dataplane_node.ts";
import { TestNamespace } from "./netlink_support.ts";

const LARGEST_MTU = kernelAtLeast(6, 6) ? 14_314 : 1770;
/** Above what the slow path takes, but not above what a veth takes with frags. */
const TOO_LARGE = kernelAtLeast(6, 6) ? 20_000 : 3000;
const CPUS = cpus().length;
const open = { name: "open", default: "allow" };

setDefaultTimeout(60_000);

/** MTU, queues in use and features of a device. */
function settingsOf(lab: Lab, namespace: string, device: string) {
  const run = (...argv: string[]) => lab.execSync(namespace, argv).stdout;
  const [link] = JSON.parse(run("ip", "-j", "link", "show", device)) as [{ mtu: number }];
  const channels = run("ethtool", "-l", device).split("Current hardware settings:")[1] ?? "";
  const count = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(channels)?.[1]);
  return { mtu: link.mtu, rx: count("RX"), tx: count("TX"), features: run("ethtool", "-k", device) };
}

describe("an interface with tune", () => {
  test("gets the queues and the MTU of its hook, at both ends, and all is as it was after destroy", async () => {
    await using node = await DataPlaneNode.start({ name: "tune", hook: "xdp", mtu: TOO_LARGE });
    const { lab } = node;
    const ends = [
      [NODE, "va"],
      ["a", "eth0"],
      [NODE, "vb"],
    ] as const;
    const before = ends.map(([namespace, device]) => settingsOf(lab, namespace, device));
    expect(before[0]).toMatchObject({ mtu: TOO_LARGE, rx: 1 });
    const tuned = { policies: ["open"], tune: true };
    await node.dp.apply(node.document({ a: tuned, b: tuned }, { policies: [open] }));
    expect(settingsOf(lab, NODE, "va")).toMatchObject({ mtu: LARGEST_MTU, rx: CPUS, tx: 1 });
    expect(settingsOf(lab, "a", "eth0")).toMatchObject({ mtu: LARGEST_MTU, rx: 1 });
    // Not asked for.
    expect(settingsOf(lab, NODE, "vc")).toMatchObject({ mtu: TOO_LARGE, rx: 1 });
    const status = node.dp.tables.interfaces.get("va")?.status;
    expect(status).toMatchObject({
      hook: "xdp",
      mtu: LARGEST_MTU,
      tuned: { mtu: LARGEST_MTU, channels: { rx: CPUS } },
    });
    expect(status?.["warnings"]).toBeUndefined();
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
    // Whoever takes it down knows what another process has made.
    await node.close();
    await node.open();
    expect(node.dp.tables.interfaces.get("va")?.status).toMatchObject({ tuned: { channels: { rx: CPUS } } });
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
    await node.dp.destroy();
    expect(ends.map(([namespace, device]) => settingsOf(lab, namespace, device))).toEqual(before);
  });

  test("that leaves the state, or whose state is refused, is as it was", async () => {
    await using node = await DataPlaneNode.start({ name: "untune", hook: "xdp", mtu: TOO_LARGE });
    const { lab } = node;
    const before = settingsOf(lab, NODE, "va");
    const document = (b: object) => node.document({ a: { policies: ["open"], tune: true }, b }, { policies: [open] });
    // The MTU of b is too large for policy, and nobody may change it.
    await expect(node.dp.apply(document({ policies: ["open"] }))).rejects.toThrow(/put policy on "vb"/);
    expect(settingsOf(lab, NODE, "va")).toEqual(before);
    expect(settingsOf(lab, "a", "eth0").mtu).toBe(TOO_LARGE);

    await node.dp.apply(document({}));
    expect(settingsOf(lab, NODE, "va").mtu).toBe(LARGEST_MTU);
    await node.dp.transaction().delete("interfaces", "va").commit();
    expect(settingsOf(lab, NODE, "va")).toEqual(before);
    expect(settingsOf(lab, "a", "eth0").mtu).toBe(TOO_LARGE);
    expect(await node.received("b", pods.c.ipv4)).toBe(3);
  });

  test("takes a native program where it would be refused; without, the error says what is missing", async () => {
    await using node = await DataPlaneNode.start({ name: "peerq", hook: "xdp" });
    node.lab.execSync("a", ["ethtool", "-L", "eth0", "tx", "2"]);
    await expect(node.dp.apply(node.document())).rejects.toThrow(
      /the driver refuses XDP with fewer than the 2 transmit queues of the other end; ethtool -L va rx 2, or say tune: true or hook: tc$/,
    );
    await node.dp.apply(node.document({ a: { tune: true } }));
    expect(settingsOf(node.lab, NODE, "va").rx).toBe(2);
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
  });
});

describe("settings", () => {
  test("of every kind are made, and taken back by what they were before", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
    using access = withNetns(`/run/netns/${ns.name}`, () => openAccess());
    const wanted = {
      mtu: 1400,
      features: { "rx-gro": true, "tx-checksum-ip-generic": false },
      channels: { rx: 2, tx: 2 },
      rps: { "0": "3", "1": "1" },
      interrupts: { hardIrqs: 2, flushNs: 20_000 },
    };
    const before = currentOf(access, "v0", wanted);
    expect(before).toEqual({
      mtu: 1500,
      features: { "rx-gro": false, "tx-checksum-ip-generic": true },
      channels: { rx: 1, tx: 1 },
      rps: { "0": "0", "1": "0" },
      interrupts: { hardIrqs: 0, flushNs: 0 },
    });
    expect(applySettings(access, "v0", wanted)).toEqual([]);
    expect(currentOf(access, "v0", wanted)).toEqual(wanted);
    expect(applySettings(access, "v0", before)).toEqual([]);
    expect(currentOf(access, "v0", before)).toEqual(before);
  });

  test("that a driver refuses are told, and do not keep the others from being made", () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    netlink.addLink({ kind: "veth", name: "v0", peer: { name: "v1" } });
    using access = withNetns(`/run/netns/${ns.name}`, () => openAccess());
    const failures = applySettings(access, "v0", { rings: { rx: 512 }, channels: { rx: 4096 }, mtu: 1400 });
    expect(failures.map(({ message }) => message)).toEqual([
      expect.stringContaining('Cannot change the channels of "v0": EINVAL'),
      expect.stringContaining('Cannot change the rings of "v0": EOPNOTSUPP'),
    ]);
    expect(netlink.link("v0")?.mtu).toBe(1400);
  });
});

describe("weir doctor --fix", () => {
  let commands: CommandLab;
  beforeAll(() => {
    commands = new CommandLab("sources", `wj${process.pid}-fix`);
  });
  afterAll(() => commands?.[Symbol.asyncDispose]());

  const queues = () => settingsOf(commands.lab, NODE, "va").rx;
  const find = async (name: string, ...args: string[]) =>
    (
      await commands.json<{ name: string; status: string; found: string; cost?: string; hint?: string }[]>(...args)
    ).find((check) => check.name === name);

  test("makes what a device needs, says so, and weir down takes it back", async () => {
    expect(await find("va queues", "doctor", "va", "--hook", "xdp")).toEqual({
      name: "va queues",
      status: "warn",
      found: `1 receive and 1 transmit queues for ${CPUS} CPUs`,
      cost: `1 of ${CPUS} CPUs decide what it receives`,
      hint: `ethtool -L va rx ${CPUS}`,
    });
    expect(queues()).toBe(1);
    expect(await find("va fix", "doctor", "va", "--hook", "xdp", "--fix")).toMatchObject({
      status: "ok",
      found: `channels rx 1 to ${CPUS}; restored by: weir --name ${commands.instance} down`,
    });
    expect(queues()).toBe(CPUS);
    expect(await find("va queues", "doctor", "va", "--hook", "xdp", "--fix")).toMatchObject({ status: "ok" });
    expect(await commands.weir("down")).toMatchObject({ status: 0, stderr: "" });
    expect(queues()).toBe(1);
  });

  test("leaves what a running instance uses to that instance", async () => {
    await commands.serve();
    expect(await commands.weir("doctor", "va", "--hook", "xdp", "--fix")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("say tune: true at the interfaces of its state"),
    });
    expect(await commands.weir("down")).toMatchObject({ status: 0 });
    expect(await commands.weir("doctor", "--fix")).toMatchObject({ status: 2 });
    expect(queues()).toBe(1);
  });
});
