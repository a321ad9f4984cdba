// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Lab, pods, podsTopology, type Topology, waitFor } from "../../sdk/lab/index.ts";
import { createNamespace, deleteNamespace } from "../../sdk/lab/namespace.ts";

const prefix = `wB-${process.pid}-`;

function leftBehind(): string[] {
  const names = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
  return [...names("/run/netns"), ...names("/run/weir/labs")].filter((name) => name.startsWith(prefix));
}

function codeOf(fn: () => unknown): string {
  try {
    fn();
    return "";
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
}

function isZombie(pid: number): boolean {
  return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

afterEach(() => {
  Lab.find(prefix)?.destroy();
  Lab.find(`${prefix}x-`)?.destroy();
});

describe("the routed lab", () => {
  test("carries pings between all pods over IPv4 and IPv6", async () => {
    await using lab = Lab.create("routed", { prefix });
    for (const from of Object.values(pods)) {
      for (const to of Object.values(pods).filter((pod) => pod !== from)) {
        for (const address of [to.ipv4, to.ipv6]) {
          const { received, roundTripsMs } = await lab.ping(from.name, address, { count: 2 });
          expect([from.name, address, received]).toEqual([from.name, address, 2]);
          expect(roundTripsMs).toHaveLength(2);
        }
      }
    }
  });

  test("answers for the gateway and passes large packets", async () => {
    await using lab = Lab.create("routed", { prefix });
    expect((await lab.ping("a", "169.254.1.1")).received).toBe(1);
    expect((await lab.ping("a", pods.b.ipv4, { sizeBytes: 1472, dontFragment: true })).received).toBe(1);
    expect((await lab.ping("a", pods.b.ipv4, { ttl: 1, timeoutMs: 200 })).received).toBe(0);
  });
});

describe("the lab of pods", () => {
  test("is wired as described and connects nothing by itself", async () => {
    await using lab = Lab.create(podsTopology({ queues: 2, mtu: 1400 }), { prefix });
    expect(lab.namespaces).toEqual(["node", "a", "b", "c"]);
    using node = lab.netlink("node");
    for (const pod of Object.values(pods)) {
      const end = node.link(pod.device);
      expect(end).toMatchObject({ up: true, running: true, rxQueues: 2, txQueues: 2, mtu: 1400 });
      expect(node.addresses({ ifindex: end?.index })).toEqual([]);
      using inside = lab.netlink(pod.name);
      const eth0 = inside.link("eth0");
      expect(eth0).toMatchObject({ mac: pod.mac, up: true, mtu: 1400, peerIndex: end?.index });
      const addresses = inside.addresses({ ifindex: eth0?.index });
      expect(addresses.map((a) => `${a.address}/${a.prefixLength}`)).toEqual(
        expect.arrayContaining([`${pod.ipv4}/32`, `${pod.ipv6}/128`]),
      );
      expect(addresses.some(({ tentative }) => tentative)).toBe(false);
      expect(inside.lookupRoute("192.0.2.1").nextHops[0]?.gateway).toBe("169.254.1.1");
      expect(inside.lookupRoute("2001:db8::1").nextHops[0]?.gateway).toBe("fe80::1");
    }
    expect((await lab.ping("a", pods.b.ipv4, { timeoutMs: 200 })).received).toBe(0);
  });

  test("lives beside another one", async () => {
    await using first = Lab.create("pods", { prefix });
    await using second = Lab.create("routed", { prefix: `${prefix}x-` });
    expect((await second.ping("a", pods.b.ipv4)).received).toBe(1);
    expect(Lab.list().map((lab) => lab.prefix)).toEqual(expect.arrayContaining([first.prefix, second.prefix]));
    first.destroy();
    expect((await second.ping("a", pods.c.ipv4)).received).toBe(1);
  });
});

describe("removing a lab", () => {
  test("leaves nothing behind, kills its programs, and may be done again", async () => {
    const lab = Lab.create("routed", { prefix });
    const sleeper = lab.spawn("a", ["sleep", "1000"]);
    await waitFor(
      () => lab.execSync("a", ["ip", "netns", "identify", `${sleeper.pid}`]).stdout.trim() === `${prefix}a`,
    );
    lab.destroy();
    expect(leftBehind()).toEqual([]);
    expect((await sleeper.exited).status).toBe(128 + 9);
    lab.destroy();
    expect(Lab.find(prefix)).toBeUndefined();
  });

  test("works from another process's point of view, also when only a part is there", () => {
    Lab.create("pods", { prefix });
    deleteNamespace(`${prefix}b`);
    const found = Lab.find(prefix);
    expect(found?.topology.name).toBe("pods");
    found?.destroy();
    expect(leftBehind()).toEqual([]);
  });

  test("kills programs whose starter is gone, and only those that the lab started", async () => {
    const lab = Lab.create("pods", { prefix });
    const script = `import { Lab } from "./sdk/lab/index.ts";
      console.log(Lab.find("${prefix}").spawn("a", ["sleep", "1000"]).pid);
      process.kill(process.pid, "SIGKILL");`;
    const starter = Bun.spawnSync([process.execPath, "-e", script], { cwd: `${import.meta.dir}/../..` });
    const orphan = Number(starter.stdout.toString());
    expect(existsSync(`/proc/${orphan}`)).toBe(true);
    const stranger = Bun.spawn(["nsenter", `--net=${lab.path("a")}`, "sleep", "1000"]);
    try {
      lab.destroy();
      await waitFor(() => !existsSync(`/proc/${orphan}`) || isZombie(orphan));
      expect(stranger.exitCode).toBeNull();
      expect(existsSync(`/proc/${stranger.pid}`)).toBe(true);
    } finally {
      stranger.kill();
      await stranger.exited;
    }
  });

  test("happens by itself when making it fails half-way", () => {
    const topology: Topology = {
      name: "broken",
      namespaces: [{ name: "one" }, { name: "two" }],
      links: [
        {
          ends: [
            { namespace: "one", device: "x" },
            { namespace: "two", device: "y", addresses: ["10.0.0.1/99"] },
          ],
        },
      ],
    };
    expect(() => Lab.create(topology, { prefix })).toThrow("10.0.0.1/99");
    expect(leftBehind()).toEqual([]);
  });
});

describe("making a lab", () => {
  test("is refused where one is, unless it shall replace it", () => {
    Lab.create("pods", { prefix });
    expect(codeOf(() => Lab.create("pods", { prefix }))).toBe("EEXIST");
    expect(Lab.create("routed", { prefix, replace: true }).topology.name).toBe("routed");
  });

  test("spares namespaces that are not its own", () => {
    createNamespace(`${prefix}b`);
    try {
      expect(() => Lab.create("pods", { prefix })).toThrow("belongs to no lab");
      expect(leftBehind()).toEqual([`${prefix}b`]);
    } finally {
      deleteNamespace(`${prefix}b`);
    }
  });

  test("refuses a topology that names what it does not have", () => {
    const end = { namespace: "one", device: "x" };
    const broken = (o: Partial<Topology>): Topology => ({ name: "t", namespaces: [{ name: "one" }], links: [], ...o });
    expect(() => Lab.create(broken({ links: [{ ends: [end, { ...end, namespace: "two" }] }] }), { prefix })).toThrow(
      'device "x" is in namespace "two", which is not there',
    );
    expect(() => Lab.create(broken({ links: [{ ends: [end, end] }] }), { prefix })).toThrow("twice");
    expect(() =>
      Lab.create(broken({ routes: [{ namespace: "one", destination: "10.0.0.0/8", device: "z" }] }), { prefix }),
    ).toThrow('leaves by "z"');
    expect(leftBehind()).toEqual([]);
  });
});

describe("programs in a lab", () => {
  test("run inside their namespace and keep bpffs in sight", async () => {
    await using lab = Lab.create("pods", { prefix });
    const links = JSON.parse((await lab.exec("b", ["ip", "-j", "link"])).stdout) as { ifname: string }[];
    expect(links.map(({ ifname }) => ifname).sort()).toEqual(["eth0", "lo"]);
    expect(lab.execSync("b", ["stat", "-f", "-c", "%T", "/sys/fs/bpf"]).stdout.trim()).toBe("bpf_fs");
    expect(lab.run("b", () => readdirSync("/proc/thread-self/net/dev_snmp6").sort())).toEqual(["eth0", "lo"]);
  });

  test("give their status, output and errors, read input, and end in time", async () => {
    await using lab = Lab.create("pods", { prefix });
    const result = await lab.exec("a", ["sh", "-c", "cat; echo $WORD; echo bad >&2; exit 3"], {
      input: "typed\n",
      env: { WORD: "said" },
    });
    expect(result).toEqual({ status: 3, stdout: "typed\nsaid\n", stderr: "bad\n", timedOut: false });
    expect(lab.execSync("a", ["sh", "-c", "cat; exit 3"], { input: "typed" })).toEqual({
      status: 3,
      stdout: "typed",
      stderr: "",
      timedOut: false,
    });
    expect(await lab.exec("a", ["sh", "-c", "sleep 100 & sleep 100"], { timeoutMs: 100 })).toMatchObject({
      status: 137,
      timedOut: true,
    });
    expect(lab.execSync("a", ["sleep", "100"], { timeoutMs: 100 })).toMatchObject({ status: 137, timedOut: true });
    expect((await lab.exec("a", ["no-such-program"])).status).toBe(127);
  });

  test("that go on can be waited for and ended", async () => {
    await using lab = Lab.create("pods", { prefix });
    await using server = lab.spawn("a", ["sh", "-c", "echo ready on 8080; exec sleep 100"]);
    expect((await server.waitForOutput(/ready on (\d+)/))[1]).toBe("8080");
    expect(server.running).toBe(true);
    expect((await server.kill()).status).toBe(128 + 15);
    await expect(server.waitForOutput(/never/)).rejects.toThrow("it has ended");
  });
});
