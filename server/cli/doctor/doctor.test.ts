// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { LinkInfo } from "../../../sdk/netlink/index.ts";
import { formatChecks } from "../commands/doctor.ts";
import { checkBpffs, checkJit, checkUnprivileged } from "./bpf.ts";
import type { Check } from "./check.ts";
import {
  checkDriver,
  checkMtu,
  checkOffloads,
  checkPacketLimits,
  checkPeer,
  checkProgram,
  checkQueues,
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

  test("is judged by its driver and its MTU", () => {
    expect(statuses(checkDriver(link(), "ena"))).toEqual(["ok", "ok"]);
    expect(checkDriver(link(), "ena")[0]?.found).toContain("no XDP metadata");
    expect(checkDriver(link(), "e1000")).toMatchObject([{ status: "warn", hint: expect.stringContaining("hook: tc") }]);
    expect(checkDriver(link(), undefined)[0]?.status).toBe("warn");
    expect(checkMtu(link({ mtu: 9001 }), "ena")).toMatchObject({
      status: "warn",
      hint: expect.stringContaining("3498"),
    });
    expect(checkMtu(link({ mtu: 9000 }), "i40e").hint).toContain("6.3");
    expect(checkMtu(link({ mtu: 3500 }), "veth").status).toBe("ok");
  });

  test("with a program, with receive offloads, with a far end elsewhere is told so", () => {
    expect(checkProgram(link()).status).toBe("ok");
    const attached = checkProgram(link({ xdp: { mode: "native", programId: 643 } }));
    expect(attached).toMatchObject({ status: "warn", found: "program 643 is attached (native)" });
    expect(statuses(checkOffloads(link(), { "rx-lro": true }))).toEqual(["warn"]);
    expect(statuses(checkOffloads(link(), { "rx-gro": true }))).toEqual(["ok"]);
    expect(checkPeer(link())).toEqual([]);
    expect(checkPacketLimits(link())).toEqual({ name: "eth0 packets", status: "ok", found: expect.any(String) });
    const raised = { gso: 196608, gro: 65536, gsoIpv4: 65536, groIpv4: 65536, driver: 524280 };
    expect(checkPacketLimits(link({ packetLimits: raised })).found).toBe(
      "IPv4 up to 65536, IPv6 up to 196608 bytes before segmentation; the driver takes 524280",
    );
    expect(checkPeer(link({ kind: "veth", linkNetnsId: 0 }))[0]?.hint).toContain("ethtool -K DEVICE tx off");
    expect(checkQueues(link(), { rx: 0, tx: 1, combined: 4 }).found).toBe("4 receive, 5 transmit");
    expect(checkQueues(link(), undefined).found).toBe("4 receive, 4 transmit");
  });
});

test("findings are printed a line each, with how to mend them", () => {
  const checks: Check[] = [
    { name: "kernel", status: "ok", found: "6.18" },
    { name: "bpffs", status: "fail", found: "none", hint: "mount it" },
  ];
  expect(formatChecks(checks)).toBe(
    "ok    kernel  6.18\nfail  bpffs   none\n              to mend it: mount it\n1 ok, 0 to look at, 1 failed\n",
  );
});
