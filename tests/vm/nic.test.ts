// SPDX-License-Identifier: Apache-2.0
/**
 * Drivers of NICs, on QEMU's hardware: `npm run test:kernels -- tests/vm/nic`. There are two virtio NICs with four
 * queues and a vmxnet3, on one bridge; the second virtio NIC plays the other host.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpus } from "node:os";
import { kernelAtLeast } from "../../sdk/dataplane/device/preflight.ts";
import { DataPlane, destroyInstance, fixDevices, inspectDevice } from "../../sdk/index.ts";
import { checkDevices } from "../../server/cli/doctor/devices.ts";

const HAS_NICS = Number(process.env["WEIR_VM_NICS"] ?? 0) >= 3;
const CPUS = cpus().length;
const INSTANCE = "nics";
const POD = "nic-pod";
const PEER = "nic-peer";
const POD_ADDRESS = "10.97.0.1";
const PEER_ADDRESS = "10.97.0.2";
const PEER_MAC = "52:54:00:00:00:02";
/** Frags: from here on no MTU is in the way. */
const FRAGS = kernelAtLeast(6, 3);

// The verifier of an emulated CPU takes minutes for all programs.
setDefaultTimeout(900_000);

function run(...argv: string[]): string {
  const { success, stdout, stderr } = Bun.spawnSync(argv);
  if (!success) throw new Error(`${argv.join(" ")}: ${stderr.toString()}`);
  return stdout.toString();
}

const inside = (netns: string, ...argv: string[]) => run("nsenter", `--net=/run/netns/${netns}`, "--", ...argv);

/** Name of the NIC with a MAC. */
function nameOf(mac: string): string {
  const links = JSON.parse(run("ip", "-j", "link")) as { ifname: string; address: string }[];
  return links.find(({ address }) => address === mac)?.ifname ?? "";
}

/** What ethtool(8) and ip(8) say of settings. */
function settingsOf(device: string) {
  const current = (flag: string) => run("ethtool", flag, device).split("Current hardware settings:")[1] ?? "";
  const [link] = JSON.parse(run("ip", "-j", "link", "show", device)) as [{ mtu: number }];
  const number = (text: string, name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1]);
  return {
    mtu: link.mtu,
    combined: number(current("-l"), "Combined"),
    rx: number(current("-g"), "RX"),
    lro: /large-receive-offload: on/.test(run("ethtool", "-k", device)),
    defer: run("cat", `/sys/class/net/${device}/napi_defer_hard_irqs`).trim(),
    rps: run("cat", `/sys/class/net/${device}/queues/rx-0/rps_cpus`).trim(),
  };
}

const findings = (device: string, hook: "auto" | "tc" | "xdp") =>
  Object.fromEntries(checkDevices([device], hook).map(({ name, ...rest }) => [name.slice(device.length).trim(), rest]));

/** Answers to pings from the other host to the pod. */
function pings(count = 3): number {
  const { stdout } = Bun.spawnSync([
    ...["nsenter", `--net=/run/netns/${PEER}`, "--", "ping", "-n", "-q", "-c", String(count)],
    ...["-i", "0.2", "-W", "5", POD_ADDRESS],
  ]);
  return Number(/(\d+) received/.exec(stdout.toString())?.[1] ?? 0);
}

describe.skipIf(!HAS_NICS)("NICs of a virtual machine", () => {
  const virtio = nameOf("52:54:00:00:00:01");
  const vmxnet3 = nameOf("52:54:00:00:00:03");

  beforeAll(() => {
    const other = nameOf(PEER_MAC);
    for (const netns of [POD, PEER]) {
      run("ip", "netns", "add", netns);
      inside(netns, "ip", "link", "set", "lo", "up");
    }
    run("ip", "link", "set", other, "netns", PEER);
    run("ip", "link", "add", "va", "type", "veth", "peer", "name", "eth0", "netns", POD);
    run("ip", "link", "set", "va", "up");
    inside(POD, "ip", "link", "set", "eth0", "address", "02:00:00:00:01:01", "up");
    for (const [netns, device, address] of [
      [POD, "eth0", POD_ADDRESS],
      [PEER, other, PEER_ADDRESS],
    ] as const) {
      inside(netns, "ip", "address", "add", `${address}/32`, "dev", device);
      inside(netns, "ip", "link", "set", device, "up");
      inside(netns, "ip", "route", "add", "169.254.1.1", "dev", device);
      inside(netns, "ip", "route", "add", "default", "via", "169.254.1.1", "dev", device);
    }
    // Other than a veth, a NIC takes only what is for its own MAC, and the gateway's is another.
    for (const device of [virtio, vmxnet3]) run("ip", "link", "set", device, "up", "promisc", "on");
  });

  afterAll(() => {
    destroyInstance(INSTANCE);
    run("ip", "link", "delete", "va");
    for (const netns of [POD, PEER]) run("ip", "netns", "delete", netns);
  });

  test("have the abilities that their drivers say, or the table where the kernel does not pass them on", () => {
    const source = kernelAtLeast(6, 3) ? "driver" : "table";
    expect(inspectDevice(virtio).xdp).toMatchObject({ source, native: true, frags: FRAGS, zeroCopy: false, mtu: 3506 });
    expect(inspectDevice(vmxnet3).xdp).toMatchObject({ source, native: kernelAtLeast(6, 6), mtu: 3494 });
    expect(findings(vmxnet3, "xdp")["driver"]?.status).toBe(kernelAtLeast(6, 6) ? "ok" : "fail");
  });

  test("are told what they lack, mended by doctor --fix, and are as they were after weir down", () => {
    run("ethtool", "-L", virtio, "combined", "4");
    run("ip", "link", "set", virtio, "mtu", "9000");
    const before = [virtio, vmxnet3].map(settingsOf);
    expect(before[0]).toMatchObject({ combined: 4, mtu: 9000 });
    expect(findings(virtio, "xdp")["queues"]).toEqual({
      status: "warn",
      found: "4 receive and 4 transmit queues",
      cost: "XDP has no transmit queue of its own for each CPU, and takes a lock for each burst",
      hint: `ethtool -L ${virtio} combined ${4 - CPUS}`,
    });
    expect(findings(virtio, "xdp")["mtu"]?.status).toBe(FRAGS ? "ok" : "fail");
    expect(findings(virtio, "auto")["hook"]?.found).toStartWith(FRAGS ? "auto takes xdp" : "auto takes tc, as XDP");
    expect(findings(vmxnet3, "tc")["offloads"]).toMatchObject({
      found: "rx-lro is on",
      hint: `ethtool -K ${vmxnet3} lro off`,
    });

    const fixed = [
      ...fixDevices([virtio], { instance: INSTANCE, hook: "xdp" }),
      ...fixDevices([vmxnet3], { instance: INSTANCE, hook: "tc" }),
    ];
    expect(fixed.flatMap(({ failures }) => failures)).toEqual([]);
    expect(settingsOf(virtio)).toMatchObject({ combined: 4 - CPUS, mtu: FRAGS ? 9000 : 3506, defer: "2" });
    expect(settingsOf(vmxnet3)).toMatchObject({ lro: false, rx: 4096 });
    for (const device of [virtio, vmxnet3]) {
      const hook = device === virtio ? "xdp" : "tc";
      expect(checkDevices([device], hook).filter(({ status }) => status !== "ok")).toEqual([]);
    }
    destroyInstance(INSTANCE);
    expect([virtio, vmxnet3].map(settingsOf)).toEqual(before);
    run("ethtool", "-L", virtio, "combined", "2");
    run("ip", "link", "set", virtio, "mtu", "1500");
  });

  const document = (device: string, fields: object) => ({
    vrfs: [{ name: "red" }],
    policies: [{ name: "open", default: "allow" }],
    interfaces: [
      {
        name: "va",
        role: "workload",
        vrf: "red",
        mac: "02:00:00:00:01:01",
        addresses: [POD_ADDRESS],
        netns: POD,
        policies: ["open"],
      },
      {
        name: device,
        role: "workload",
        vrf: "red",
        mac: PEER_MAC,
        addresses: [PEER_ADDRESS],
        policies: ["open"],
        ...fields,
      },
    ],
  });

  test("run native XDP with a socket on each queue that receives, restored after destroy", async () => {
    const before = settingsOf(virtio);
    const busyPoll = { microseconds: 200, budget: 16 };
    const dp = await DataPlane.open({ instance: INSTANCE, limits: { flows: 8192 }, workers: 2, busyPoll });
    try {
      await dp.apply(document(virtio, { hook: "auto", tune: true }));
      const [{ xdp }] = JSON.parse(run("ip", "-j", "-d", "link", "show", virtio)) as [{ xdp?: { mode?: number } }];
      expect(xdp).toBeDefined();
      const status = dp.tables.interfaces.get(virtio)?.status;
      // Two channels, and a queue for each CPU that the driver adds for XDP.
      expect(status).toMatchObject({ hook: "xdp", port: "copy", queues: 2 + CPUS });
      expect(status?.["warnings"]).toBeUndefined();
      expect(pings()).toBe(3);
      const udp = `import socket
for port in range(20000, 20064):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    s.sendto(b"x", ("${POD_ADDRESS}", 9))`;
      inside(PEER, "python3", "-c", udp);
      expect(pings()).toBe(3);
      const { slowPath } = dp.usage();
      const ports = slowPath.ports.filter((port) => port.device === virtio);
      expect(ports.map(({ queue }) => queue).sort()).toEqual([0, 1, 2, 3]);
      expect(new Set(ports.map(({ worker }) => worker)).size).toBe(2);
      // The workers run the driver of each queue, and what comes by them gets through (pings, above).
      expect(ports.map(({ busyPollMicroseconds }) => busyPollMicroseconds)).toEqual([200, 200, 200, 200]);
      expect(ports.filter(({ rxPackets }) => rxPackets > 0).length).toBeGreaterThan(1);
      expect(dp.drops().filter(({ reason }) => reason === "no-controller")).toEqual([]);

      if (!kernelAtLeast(6, 6)) {
        // A demanded hook is no wish.
        await expect(dp.apply(document(vmxnet3, { hook: "xdp" }))).rejects.toThrow(
          /driver "vmxnet3" runs no XDP natively on this kernel; use hook: tc$/,
        );
        return;
      }
      await dp.apply(document(vmxnet3, { hook: "xdp", tune: true }));
      expect(dp.tables.interfaces.get(vmxnet3)?.status).toMatchObject({
        hook: "xdp",
        port: "trap",
        tuned: { features: { "rx-lro": false }, rings: { rx: 4096 } },
      });
      expect(settingsOf(virtio)).toEqual(before);
      // The bridge has to hear that the gateway is behind another port now.
      inside(PEER, "ip", "neighbour", "flush", "all");
      expect(pings()).toBe(3);
    } finally {
      await dp.destroy();
    }
    expect(settingsOf(virtio)).toEqual(before);
  });
});
