// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { type DeviceFacts, reportOf } from "../../../sdk/dataplane/drivers/index.ts";
import type { LinkInfo, XdpFeatures } from "../../../sdk/netlink/index.ts";
import { formatChecks } from "../commands/doctor.ts";
import { checkBpffs, checkJit, checkUnprivileged } from "./bpf.ts";
import type { Check } from "./check.ts";
import {
  checkDevice,
  checkDevices,
  checkDriver,
  checkNeighbours,
  checkPacketLimits,
  checkPeer,
  checkProgram,
  checkUp,
} from "./devices.ts";
import { checkIptables, checkNftables } from "./firewall.ts";
import { checkKernel } from "./kernel.ts";
import { checkCapabilities, checkLockedMemory } from "./privileges.ts";

const statuses = (checks: readonly Check[]) => checks.map(({ status }) => status);

const link = (o: Partial<LinkInfo> = {}): LinkInfo => ({
  index: 3,
  name: "eth0",
  alternativeNames: [],
  mac: "02:00:00:00:00:01",
  mtu: 1500,
  minMtu: 68,
  maxMtu: 65535,
  packetLimits: { gso: 65536, gro: 65536, gsoIpv4: 65536, groIpv4: 65536, driver: 524280 },
  up: true,
  running: true,
  loopback: false,
  flags: 0,
  operationalState: "up",
  kind: undefined,
  data: undefined,
  master: undefined,
  peerIndex: undefined,
  linkNetnsId: undefined,
  rxQueues: 4,
  txQueues: 4,
  txQueueLength: 1000,
  parentDevice: undefined,
  alias: undefined,
  xdp: undefined,
  ...o,
});

describe("the kernel", () => {
  test("older than 6.1 fails, and what newer ones have is told", () => {
    expect(statuses(checkKernel("5.15.0-91-generic"))).toEqual(["fail"]);
    expect(statuses(checkKernel("6.1.0-18-amd64"))).toEqual(["ok", "warn", "warn", "warn"]);
    expect(statuses(checkKernel("6.5.0"))).toEqual(["ok", "warn", "ok", "warn"]);
    expect(statuses(checkKernel("6.18.44"))).toEqual(["ok", "ok", "ok", "ok"]);
  });

  test("tells of the BPF file system, the JIT and unprivileged users", () => {
    expect(checkBpffs(0xcafe4a11).status).toBe("ok");
    expect(checkBpffs(0x62656572)).toMatchObject({ status: "fail", hint: expect.stringContaining("mount -t bpf") });
    expect(checkBpffs(undefined).status).toBe("fail");
    expect([checkJit("1\n"), checkJit("0\n"), checkJit(undefined)].map((check) => check.status)).toEqual([
      "ok",
      "warn",
      "ok",
    ]);
    expect([checkUnprivileged("2\n"), checkUnprivileged("0\n")].map((check) => check.status)).toEqual(["ok", "warn"]);
  });
});

describe("privileges", () => {
  const status = (bits: readonly number[]) =>
    `Name:\tweir\nCapEff:\t${bits
      .reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n)
      .toString(16)
      .padStart(16, "0")}\n`;

  test("of root are enough", () => {
    expect(new Set(statuses(checkCapabilities("CapEff:\t000001ffffffffff\n")))).toEqual(new Set(["ok"]));
  });

  test("that are missing are named, and CAP_SYS_ADMIN includes CAP_BPF", () => {
    const none = checkCapabilities(status([]));
    expect(none.filter((check) => check.status === "fail").map(({ name }) => name)).toEqual([
      "CAP_NET_ADMIN",
      "CAP_NET_RAW",
      "CAP_BPF",
      "CAP_PERFMON",
      "CAP_SYS_ADMIN",
    ]);
    const admin = checkCapabilities(status([21]));
    expect(admin.find(({ name }) => name === "CAP_BPF")?.status).toBe("ok");
  });

  test("to lock memory come from CAP_IPC_LOCK or from the limit", () => {
    const limits = (value: string) =>
      `Max locked memory         ${value}              ${value}              bytes     \n`;
    expect(checkLockedMemory(status([14]), limits("65536")).status).toBe("ok");
    expect(checkLockedMemory(status([]), limits("65536")).status).toBe("fail");
    expect(checkLockedMemory(status([]), limits("unlimited")).status).toBe("ok");
    expect(checkLockedMemory(status([]), limits("134217728")).status).toBe("ok");
  });
});

describe("the host firewall", () => {
  const chain = (hook: string, policy = "accept") => ({
    chain: { family: "inet", table: "filter", name: hook, hook, policy },
  });
  const rule = (name: string) => ({ rule: { family: "inet", table: "filter", chain: name } });
  const nft = (...nftables: object[]) => checkNftables(JSON.stringify({ nftables }));

  test("is named where forwarded traffic would pass it", () => {
    expect(nft(chain("forward", "drop"))).toMatchObject({ status: "warn" });
    expect(nft(chain("forward"), rule("forward")).found).toContain("inet filter forward");
    expect(nft(chain("prerouting"), rule("prerouting")).status).toBe("warn");
  });

  test("does not matter where it is empty, or only guards the host itself", () => {
    expect(nft({ metainfo: {} }, chain("forward")).status).toBe("ok");
    expect(nft(chain("input", "drop"), rule("input")).status).toBe("ok");
  });

  test("may be iptables", () => {
    expect(
      checkIptables("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n").status,
    ).toBe("ok");
    expect(checkIptables("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n").found).toContain("FORWARD");
    expect(checkIptables("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\n").status).toBe("warn");
  });
});

describe("a device", () => {
  test("that is down is told, with the command to run", () => {
    expect(checkUp(link()).status).toBe("ok");
    expect(checkUp(link({ up: false }))).toMatchObject({ status: "warn", hint: "ip link set eth0 up" });
  });

  const told: XdpFeatures = {
    basic: true,
    redirect: true,
    target: false,
    zeroCopy: true,
    offload: false,
    frags: true,
    fragsTarget: false,
    zeroCopySegments: 1,
  };
  const facts = (driver: string, o: Partial<DeviceFacts> = {}): DeviceFacts => ({
    link: link(),
    driver,
    xdp: undefined,
    channels: {
      ...{ rx: 0, tx: 0, combined: 4, other: 0 },
      maximum: { rx: 0, tx: 0, combined: 8, other: 0 },
    },
    rings: { rx: 1024, tx: 1024, maximum: { rx: 1024, tx: 1024 } },
    features: new Map(),
    receiveQueues: 4,
    rps: ["0", "0", "0", "0"],
    interrupts: { hardIrqs: 2, flushNs: 20_000 },
    peerTransmitQueues: undefined,
    cpus: 4,
    kernel: [6, 12],
    ...o,
  });

  test("is judged by its driver, and it is told who says so", () => {
    expect(checkDriver(reportOf(facts("ena"))).found).toBe(
      "ena: native XDP, no frags, copy-mode AF_XDP, no XDP metadata: traps take the trap link, MTU up to 3498 in one buffer (as known of the driver)",
    );
    expect(checkDriver(reportOf(facts("ice", { xdp: told }))).found).toBe(
      "ice: native XDP, frags, no redirect target yet, zero-copy AF_XDP, MTU up to 3046 in one buffer (as the driver says)",
    );
    expect(checkDriver(reportOf(facts("e1000")))).toMatchObject({ status: "ok", found: "e1000: no native XDP" });
    expect(checkDriver(reportOf(facts("e1000"), "xdp"))).toMatchObject({ status: "fail", hint: "use hook: tc" });
  });

  test("that suits its hook has nothing to be mended", () => {
    const checks = checkDevice(reportOf(facts("ena")), "auto");
    expect(new Set(statuses(checks))).toEqual(new Set(["ok"]));
    expect(checks.map(({ name, found }) => `${name}: ${found}`).slice(2)).toEqual([
      "eth0 hook: auto takes xdp",
      "eth0 xdp: no program attached",
      "eth0 mtu: 1500",
      "eth0 queues: 4 receive, 4 transmit",
      "eth0 offloads: nothing in the way",
      "eth0 rings: 1024 receive, 1024 transmit descriptors",
      "eth0 packets: IPv4 up to 65536, IPv6 up to 65536 bytes before segmentation; the driver takes 524280",
    ]);
  });

  test("that does not is told what it costs and the command: a demanded hook fails, auto takes the other one", () => {
    const jumbo = facts("ena", { link: link({ mtu: 9001 }) });
    const of = (hook: "auto" | "tc" | "xdp", name: string) =>
      checkDevice(reportOf(jumbo, hook), hook).find((check) => check.name === name);
    expect(of("xdp", "eth0 mtu")).toEqual({
      name: "eth0 mtu",
      status: "fail",
      found: "MTU 9001, above 3498",
      cost: "the driver refuses XDP: longer packets do not fit one buffer",
      hint: "ip link set eth0 mtu 3498",
    });
    expect(of("auto", "eth0 mtu")?.status).toBe("warn");
    expect(of("auto", "eth0 hook")).toMatchObject({
      status: "warn",
      found: "auto takes tc, as XDP is not possible: MTU 9001, above 3498",
      hint: "ip link set eth0 mtu 3498",
    });
    expect(of("tc", "eth0 mtu")).toMatchObject({ status: "ok", found: "9001" });
  });

  test("that is not there is told so", () => {
    expect(checkDevices(["no-such-device"])).toMatchObject([{ name: "no-such-device", status: "fail" }]);
  });

  test("with a program, or with a far end elsewhere, is told so", () => {
    expect(checkNeighbours(link(), []).found).toBe("no program attached");
    const programs = ["other_first", "weir_tc"].map((name, i) => ({ hook: "tcx" as const, id: i + 7, name }));
    const filter = { hook: "clsact" as const, id: 9, name: "filter", priority: 200 };
    expect(checkNeighbours(link(), [{ hook: "xdp", id: 6, name: "other_xdp" }, ...programs, filter])).toMatchObject({
      name: "eth0 tc",
      found: "in this order: 7 other_first, 8 weir_tc, 9 filter (clsact, priority 200)",
    });
    expect(checkProgram(link()).status).toBe("ok");
    const attached = checkProgram(link({ xdp: { mode: "native", programId: 643 } }));
    expect(attached).toMatchObject({ status: "warn", found: "program 643 is attached (native)" });
    const behind = [{ hook: "xdp" as const, id: 7, name: "other_xdp", priority: 20 }];
    expect(checkProgram(link({ xdp: { mode: "native", programId: 643 } }), behind)).toMatchObject({
      found: "a dispatcher (native) runs, in this order: 7 other_xdp (priority 20)",
      hint: "set xdpChain to be one of them, or use hook: tc",
    });
    expect(checkPacketLimits(link())).toEqual({ name: "eth0 packets", status: "ok", found: expect.any(String) });
    const raised = { gso: 196608, gro: 65536, gsoIpv4: 65536, groIpv4: 65536, driver: 524280 };
    expect(checkPacketLimits(link({ packetLimits: raised })).found).toBe(
      "IPv4 up to 65536, IPv6 up to 196608 bytes before segmentation; the driver takes 524280",
    );
    expect(checkPeer(reportOf(facts("veth")))).toEqual([]);
    const veth = facts("veth", { link: link({ kind: "veth", linkNetnsId: 0 }), xdp: told });
    expect(checkPeer(reportOf(veth))[0]).toMatchObject({
      found: "in another namespace, without NAPI: what XDP redirects to it vanishes",
      hint: expect.stringContaining("ethtool -K DEVICE tx off"),
    });
  });
});

test("findings are printed a line each, with how to mend them", () => {
  const checks: Check[] = [
    { name: "kernel", status: "ok", found: "6.18" },
    { name: "bpffs", status: "fail", found: "none", cost: "all of it", hint: "mount it" },
  ];
  expect(formatChecks(checks)).toBe(
    "ok    kernel  6.18\nfail  bpffs   none\n              it costs: all of it\n              to mend it: mount it\n1 ok, 0 to look at, 1 failed\n",
  );
});
