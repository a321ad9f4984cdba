// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { Channels, FeatureState, LinkInfo, XdpFeatures } from "../../netlink/index.ts";
import { abilitiesOf } from "./abilities.ts";
import type { DeviceFacts } from "./facts.ts";
import { cpuMask, type DeviceUse, needsOf } from "./needs.ts";
import { reportOf } from "./report.ts";
import { driverNames, findDriver } from "./table.ts";

const link = (o: Partial<LinkInfo> = {}) => ({ index: 3, name: "eth0", mtu: 1500, ...o }) as LinkInfo;

const combined = (count: number, maximum: number): Channels => ({
  ...{ rx: 0, tx: 0, combined: count, other: 0 },
  maximum: { rx: 0, tx: 0, combined: maximum, other: 0 },
});

const separate = (rx: number, tx: number, maximum: number): Channels => ({
  ...{ rx, tx, combined: 0, other: 0 },
  maximum: { rx: maximum, tx: maximum, combined: 0, other: 0 },
});

const facts = (driver: string, o: Partial<DeviceFacts> = {}): DeviceFacts => ({
  link: link(),
  driver,
  xdp: undefined,
  channels: combined(4, 8),
  rings: undefined,
  features: new Map(),
  receiveQueues: 4,
  rps: ["0"],
  interrupts: { hardIrqs: 2, flushNs: 20_000 },
  peerTransmitQueues: undefined,
  cpus: 4,
  kernel: [6, 12],
  ...o,
});

const told = (o: Partial<XdpFeatures> = {}): XdpFeatures => ({
  basic: true,
  redirect: true,
  target: true,
  zeroCopy: false,
  offload: false,
  frags: false,
  fragsTarget: false,
  zeroCopySegments: 1,
  ...o,
});

const feature = (o: Partial<FeatureState> = {}): FeatureState => ({
  active: true,
  requested: true,
  changeable: true,
  ...o,
});

const xdp: DeviceUse = { hook: "xdp" };
const short = (of: DeviceFacts, use: DeviceUse = xdp) =>
  needsOf(of, use).map(({ subject, isBlocking, settings }) => [subject, isBlocking, settings]);

describe("the abilities of a device", () => {
  test("are those that the driver says, and the table's where the kernel does not pass them on", () => {
    expect(abilitiesOf("veth", told({ target: false, frags: true }), [6, 18])).toEqual({
      source: "driver",
      native: true,
      target: false,
      frags: true,
      zeroCopy: false,
      metadata: true,
      mtu: 3506,
    });
    expect(abilitiesOf("vmxnet3", undefined, [6, 1])).toMatchObject({ source: "table", native: false });
    expect(abilitiesOf("ice", undefined, [6, 1])).toMatchObject({ native: true, frags: false, zeroCopy: true });
    expect(abilitiesOf("no-such", told(), [6, 12])).toMatchObject({
      native: true,
      mtu: undefined,
      metadata: undefined,
    });
  });

  test("that a driver takes back while too many queues are in use are told all the same", () => {
    expect(abilitiesOf("ena", told({ basic: false, redirect: false }), [6, 12]).native).toBe(true);
    expect(abilitiesOf("e1000", told({ basic: false, redirect: false }), [6, 12]).native).toBe(false);
    expect(reportOf(facts("ena", { channels: combined(8, 8), xdp: told({ basic: false }) })).hook).toBe("xdp");
  });

  test("decide which hook suits it: virtual devices keep segmentation offload with TC", () => {
    expect(reportOf(facts("i40e")).hook).toBe("xdp");
    expect(reportOf(facts("e1000")).hook).toBe("tc");
    expect(reportOf(facts("veth", { link: link({ kind: "veth" }) })).hook).toBe("tc");
  });

  test("of every driver in the table have a version that the kernel could have", () => {
    expect(driverNames.length).toBeGreaterThan(20);
    for (const name of ["ena", "i40e", "ice", "ixgbe", "mlx5_core", "virtio_net", "veth", "tun", "gve"]) {
      expect([name, findDriver(name)?.native.length]).toEqual([name, 2]);
    }
    expect(findDriver("hv_netvsc")?.metadata).toBe(false);
    expect(findDriver("constructor")).toBeUndefined();
  });
});

describe("queues", () => {
  test("of ENA are at most half of those that it has: 4 to receive, and 4 of XDP's own", () => {
    expect(short(facts("ena"))).toEqual([]);
    expect(short(facts("ena", { channels: combined(8, 8) }))).toEqual([
      ["queues", true, { channels: { combined: 4 } }],
    ]);
    expect(needsOf(facts("ena", { channels: combined(8, 8) }), xdp)[0]).toMatchObject({
      found: "8 receive and 8 transmit queues",
      cost: "the driver refuses XDP with more than half of its 8 queues in use",
      command: "ethtool -L eth0 combined 4",
    });
    expect(short(facts("ena", { channels: combined(8, 8), cpus: 8 }), { hook: "tc" })).toEqual([]);
  });

  test("of virtio_net leave room for a pair for each CPU, as far as the device has them", () => {
    expect(short(facts("virtio_net"))).toEqual([]);
    expect(short(facts("virtio_net", { channels: combined(8, 8) }))).toEqual([
      ["queues", false, { channels: { combined: 4 } }],
    ]);
    const small = facts("virtio_net", { channels: combined(2, 2) });
    expect(short(small)).toEqual([["queues", false, {}]]);
    expect(needsOf(small, xdp)[0]?.command).toBe("give the device more queues where it is made: it has 2 at most");
    const attached = link({ xdp: { mode: "native", programId: 7 } });
    expect(short(facts("virtio_net", { channels: combined(8, 8), link: attached }))).toEqual([]);
  });

  test("of gve are as many both ways, and those of bnxt_en do both", () => {
    expect(short(facts("gve", { channels: separate(4, 3, 8) }))).toEqual([["queues", true, { channels: { tx: 4 } }]]);
    const mixed: Channels = { ...combined(0, 8), rx: 2, tx: 2 };
    expect(short(facts("bnxt_en", { channels: mixed }))).toEqual([
      ["queues", true, { channels: { combined: 4, rx: 0, tx: 0 } }],
    ]);
  });

  test("of a veth are not fewer than the other end transmits by, on the XDP hook", () => {
    const veth = facts("veth", {
      link: link({ kind: "veth" }),
      channels: separate(1, 1, 8),
      peerTransmitQueues: 6,
      interrupts: undefined,
    });
    expect(short(veth)).toEqual([["queues", true, { channels: { rx: 6 } }]]);
    expect(short(veth, { hook: "tc" })).toEqual([]);
    expect(short({ ...veth, peerTransmitQueues: undefined })).toEqual([["queues", false, { channels: { rx: 4 } }]]);
  });

  test("are one for each CPU, and else the stack steers what comes by few of them", () => {
    const one = facts("e1000", { channels: combined(1, 1), receiveQueues: 1 });
    expect(short(one, { hook: "tc" })).toEqual([["rps", false, { rps: { "0": "f" } }]]);
    expect(short({ ...one, rps: ["1"] }, { hook: "tc" })).toEqual([]);
    expect(short({ ...one, channels: combined(1, 8) }, { hook: "tc" })).toEqual([
      ["queues", false, { channels: { combined: 4 } }],
    ]);
    expect([1, 4, 32, 40, 64].map(cpuMask)).toEqual(["1", "f", "ffffffff", "ff,ffffffff", "ffffffff,ffffffff"]);
  });
});

describe("the MTU", () => {
  test("fits one buffer, or frags are used where driver and kernel have them", () => {
    const jumbo = link({ mtu: 9001 });
    expect(short(facts("ena", { link: jumbo }))).toEqual([["mtu", true, { mtu: 3498 }]]);
    expect(short(facts("ena", { link: jumbo }), { hook: "tc" })).toEqual([]);
    const ice = (kernel: readonly [number, number]) =>
      facts("ice", { link: jumbo, xdp: told({ frags: true }), kernel });
    expect(short(ice([6, 3]))).toEqual([]);
    expect(short(ice([6, 3]), { hook: "xdp", policed: true })).toEqual([["mtu", true, { mtu: 3046 }]]);
    expect(short(ice([6, 6]), { hook: "xdp", policed: true })).toEqual([]);
  });

  test("lets first packets of flows get to the slow path, on either hook", () => {
    const use = { hook: "tc", policed: true, largestPacket: 1770 } as const;
    const veth = facts("veth", { link: link({ kind: "veth", mtu: 9000 }), channels: undefined });
    expect(short(veth, use)).toEqual([["mtu", true, { mtu: 1770 }]]);
    expect(short(veth, { ...use, policed: false })).toEqual([]);
  });
});

describe("offloads", () => {
  const lro = (driver: string, state: FeatureState, name = "rx-lro") =>
    facts(driver, { features: new Map([[name, state]]) });

  test("that drivers refuse XDP with are turned off, if they can be", () => {
    expect(short(lro("mlx5_core", feature()))).toEqual([["offloads", true, { features: { "rx-lro": false } }]]);
    expect(short(lro("mlx5_core", feature({ active: false })))).toEqual([]);
    // It turns it off by itself for as long as there is a program.
    expect(short(lro("virtio_net", feature(), "rx-gro-hw"))).toEqual([]);
    expect(short(lro("virtio_net", feature({ changeable: false }), "rx-gro-hw"))).toEqual([["offloads", true, {}]]);
    expect(short(lro("vmxnet3", feature()))).toEqual([["offloads", true, { features: { "rx-lro": false } }]]);
  });

  test("put segments together for the TC hook, in the stack and not in the device", () => {
    const gro = (active: boolean) => lro("i40e", feature({ active }), "rx-gro");
    expect(short(gro(false), { hook: "tc" })).toEqual([["offloads", false, { features: { "rx-gro": true } }]]);
    expect(short(gro(true), { hook: "tc" })).toEqual([]);
    expect(short(lro("i40e", feature()), { hook: "tc" })).toEqual([
      ["offloads", true, { features: { "rx-lro": false } }],
    ]);
  });
});

test("rings are long, and interrupts are not taken for every packet of a stream", () => {
  const rings = { rx: 512, tx: 4096, maximum: { rx: 8192, tx: 4096 } };
  expect(short(facts("i40e", { rings, interrupts: { hardIrqs: 0, flushNs: 0 } }))).toEqual([
    ["rings", false, { rings: { rx: 4096 } }],
    ["interrupts", false, { interrupts: { hardIrqs: 2, flushNs: 20_000 } }],
  ]);
  expect(needsOf(facts("i40e", { rings }), xdp)[0]).toMatchObject({
    found: "512 of 8192 rx descriptors a queue",
    command: "ethtool -G eth0 rx 4096",
  });
});
