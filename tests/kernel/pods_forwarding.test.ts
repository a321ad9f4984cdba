// SPDX-License-Identifier: Apache-2.0
/** Real programs in pods, with policy on, over both hooks and both IP versions. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { GATEWAY4, GATEWAY6, type LabProcess, pods } from "../../sdk/lab/index.ts";
import { Ethtool } from "../../sdk/netlink/index.ts";
import { Capture } from "./pods_capture.ts";
import { type Hook, hooks, inUrl, type PodName, PodsNode } from "./pods_node.ts";
import { HTTP_SERVER, TCP_ERROR, UDP_CLIENT, UDP_ECHO, UDP_ERROR } from "./pods_programs.ts";

const { a, b, c } = pods;
const addresses = [b.ipv4, b.ipv6];
const TRANSFER_MIB = 256;
const REJECTED_PORT = 9999;

const open = { name: "open", default: "allow" };
const web = {
  name: "web",
  default: { ingress: "deny", egress: "allow" },
  rules: [
    ...["tcp", "udp"].map((proto) => ({ action: "reject", direction: "ingress", proto, ports: [REJECTED_PORT] })),
    { action: "allow", direction: "ingress", from: [`${a.ipv4}/32`, `${a.ipv6}/128`] },
    { action: "reject", direction: "ingress", proto: "icmp", from: [`${c.ipv4}/32`] },
    { action: "reject", direction: "ingress", proto: "icmpv6", from: [`${c.ipv6}/128`] },
  ],
};

// A test that takes too long would take the pods' servers with it.
setDefaultTimeout(120_000);

for (const hook of hooks) describeHook(hook);

function describeHook(hook: Hook): void {
  describe(`pods on the ${hook} hook with policy on`, () => {
    let node: PodsNode;
    let directory: string;
    const servers: LabProcess[] = [];

    beforeAll(async () => {
      directory = mkdtempSync("/dev/shm/wj-files-");
      node = await PodsNode.start({ name: "forwarding", hook });
      await node.dp.apply(
        node.document({ a: { policies: ["open"] }, b: { policies: ["web"] } }, { policies: [open, web] }),
      );
      servers.push(await node.serve("b", HTTP_SERVER, "80", directory));
      servers.push(await node.serve("b", UDP_ECHO, "7"));
    });

    afterAll(async () => {
      for (const server of servers) server.signal("SIGKILL");
      await node?.[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    });

    const features = (pod: PodName) => {
      using ethtool = Ethtool.open({ netns: node.lab.path(pod) });
      return ethtool.features("eth0");
    };

    /** Counters of a pod's own stack, summed. */
    const counted = (pod: PodName, names: RegExp): number => {
      const { stdout } = node.lab.execSync(pod, ["nstat", "-asz", "--json"]);
      const { kernel } = JSON.parse(stdout) as { kernel: Record<string, number> };
      return Object.entries(kernel).reduce((sum, [name, value]) => (names.test(name) ? sum + value : sum), 0);
    };
    const checksumErrors = (pod: PodName) => counted(pod, /InCsumErrors|IpInHdrErrors|Ip6InHdrErrors/);
    /** What came to a socket that had no room left: lost by the pod, not on the way. */
    const overruns = (pod: PodName) => counted(pod, /Udp6?RcvbufErrors/);

    test("ping each other over IPv4 and IPv6", async () => {
      for (const [from, to] of [
        ["a", b.ipv4],
        ["a", b.ipv6],
        ["b", a.ipv4],
        ["b", a.ipv6],
        ["b", c.ipv4],
      ] as const) {
        const { sent, received } = await node.lab.ping(from, to, { count: 10, intervalMs: 5 });
        expect({ from, to, sent, received }).toEqual({ from, to, sent: 10, received: 10 });
      }
    });

    test("exchange UDP datagrams of all sizes over IPv4 and IPv6", async () => {
      for (const address of addresses) {
        expect([address, (await node.python("a", UDP_CLIENT, address, "7", "1000")).trim()]).toEqual([address, "1000"]);
      }
    });

    /** iperf3 may lose its own summary on a busy machine, which says nothing of the way: it gets three tries. */
    const measured = async (argv: readonly string[], receiver: PodName): Promise<Measurement> => {
      for (let tries = 1; ; tries++) {
        const before = overruns(receiver);
        const { status, stdout } = await node.lab.exec("a", argv);
        const { end = {} } = JSON.parse(stdout) as Partial<Measurement>;
        const complete = end.sum_received !== undefined || end.sum?.lost_packets !== undefined;
        if (status === 0 && complete) return { end, overrun: overruns(receiver) - before };
        if (tries === 3) throw new Error(`${argv.join(" ")} ended with ${status}: ${stdout}`);
      }
    };

    test("run iperf3 over TCP and UDP, IPv4 and IPv6, in both directions", async () => {
      await using server = node.lab.spawn("b", ["iperf3", "-s", "--forceflush"]);
      await server.waitForOutput(/listening/);
      for (const address of addresses) {
        for (const mode of [[], ["-R"], ["-u", "-b", "40M", "-R"], ["-u", "-b", "40M"]]) {
          const size = mode.includes("-u") ? "2M" : "100M";
          const argv = ["iperf3", "-c", address, "-n", size, "-J", "--connect-timeout", "2000", ...mode];
          const receiver = mode.includes("-R") ? "a" : "b";
          const { end, overrun } = await measured(argv, receiver);
          if (mode.includes("-u")) {
            // What is lost at the end of a run iperf3 does not know of.
            expect(end.sum?.lost_packets).toBeLessThanOrEqual(overrun);
          } else expect(end.sum_received?.bytes ?? 0).toBeGreaterThan(10 << 20);
        }
      }
    });

    test(`carry ${TRANSFER_MIB} MiB each way without a changed byte, with the offloads that the hook has`, async () => {
      // TC: as the pods have it. XDP: what Weir set in the pods by itself.
      for (const pod of ["a", "b", "c"] as const) {
        expect([pod, features(pod)["tx-checksum-ip-generic"]]).toEqual([pod, hook === "tc"]);
        if (hook === "xdp") expect([pod, features(pod)["rx-gro"]]).toEqual([pod, true]);
      }
      const file = join(directory, "file");
      const make = `head -c ${TRANSFER_MIB << 20} /dev/urandom | tee ${file} | sha256sum`;
      const sum = (await node.lab.exec("a", ["sh", "-c", make])).stdout.split(" ")[0] ?? "";
      expect(sum).toMatch(/^[0-9a-f]{64}$/);
      for (const address of addresses) {
        const url = `http://${inUrl(address)}/file`;
        const down = await node.lab.exec("a", ["sh", "-c", `curl -sf -m 60 '${url}' | sha256sum`], {
          timeoutMs: 70_000,
        });
        expect([address, "down", down.stdout.split(" ")[0]]).toEqual([address, "down", sum]);
        const up = await node.lab.exec("a", ["curl", "-sf", "-m", "60", "-T", file, url], { timeoutMs: 70_000 });
        expect([address, "up", up.stdout]).toEqual([address, "up", sum]);
      }
      expect([checksumErrors("a"), checksumErrors("b")]).toEqual([0, 0]);
      expect(node.dp.tables.interfaces.get("va")?.status).toMatchObject({ hook });
    });

    test("get time-exceeded from the gateway where the TTL ends", async () => {
      for (const [address, gateway] of [
        [b.ipv4, GATEWAY4],
        [b.ipv6, GATEWAY6],
      ] as const) {
        const before = node.dropped("va", "ttl-expired");
        const { output, received } = await node.lab.ping("a", address, { ttl: 1, timeoutMs: 500 });
        expect(received).toBe(0);
        expect(output).toMatch(new RegExp(`From ${gateway}\\b.*([Tt]ime to live|Hop limit)`));
        expect(node.dropped("va", "ttl-expired") - before).toBe(1);
        // The next hop of the way is the end of it: one hop is enough to reach it with TTL 2.
        expect((await node.lab.ping("a", address, { ttl: 2 })).received).toBe(1);
        // For the gateway itself nothing is routed.
        const toGateway = gateway === GATEWAY6 ? `${GATEWAY6}%eth0` : gateway;
        expect((await node.lab.ping("a", toGateway, { ttl: 1 })).received).toBe(1);
      }
    });

    test("are told where there is no route", async () => {
      for (const [address, gateway, message] of [
        ["203.0.113.9", GATEWAY4, "Destination Net Unreachable"],
        ["2001:db8::9", GATEWAY6, "No route"],
      ] as const) {
        const before = node.dropped("va", "no-route");
        const { output } = await node.lab.ping("a", address, { timeoutMs: 500 });
        expect(output).toMatch(new RegExp(`From ${gateway}\\b.*${message}`));
        expect(node.dropped("va", "no-route") - before).toBe(1);
      }
    });

    test("are told of a rejection: a reset for TCP, administratively prohibited for the rest", async () => {
      const port = String(REJECTED_PORT);
      for (const address of addresses) {
        const error = async (program: string) => (await node.python("a", program, address, port)).trim();
        expect([address, await error(TCP_ERROR)]).toEqual([address, "ECONNREFUSED"]);
        // ICMP 3/13 and ICMPv6 1/1 (linux net/ipv4/icmp.c, net/ipv6/icmp.c).
        const expected = address === b.ipv4 ? "EHOSTUNREACH" : "EACCES";
        expect([address, await error(UDP_ERROR)]).toEqual([address, expected]);
        const { output } = await node.lab.ping("c", address, { timeoutMs: 500 });
        expect(output).toMatch(/Packet filtered|[Aa]dministratively prohibited/);
      }
    });

    test("get later fragments by what the first one tells, with policy and without", async () => {
      const before = node.dropped("va", "fragment");
      for (const address of addresses) {
        // Three fragments, all of which may wait for the decision.
        expect((await node.lab.ping("a", address, { sizeBytes: 4000, timeoutMs: 500 })).received).toBe(1);
      }
      expect(node.dropped("va", "fragment") - before).toBe(0);
      await node.dp.apply(node.document());
      for (const address of addresses) {
        for (const sizeBytes of [1472, 4000, 20_000]) {
          const { received } = await node.lab.ping("a", address, { count: 3, sizeBytes, timeoutMs: 500 });
          expect([address, sizeBytes, received]).toEqual([address, sizeBytes, 3]);
        }
      }
      await node.dp.apply(
        node.document({ a: { policies: ["open"] }, b: { policies: ["web"] } }, { policies: [open, web] }),
      );
    });

    test("see no wrong checksum, also in what the gateway answers itself", async () => {
      // A packet whose checksum is left to the device looks wrong to a capture before it gets there.
      for (const pod of ["a", "b", "c"]) node.lab.execSync(pod, ["ethtool", "-K", "eth0", "tx", "off"]);
      using atA = await Capture.start(node.lab, "a", "eth0");
      using atB = await Capture.start(node.lab, "b", "eth0");
      for (const address of addresses) {
        await node.lab.ping("a", address, { count: 3 });
        await node.lab.ping("a", address, { ttl: 1, timeoutMs: 300 });
        await node.lab.ping("a", address, { sizeBytes: 1000 });
        await node.python("a", UDP_CLIENT, address, "7", "40");
        await node.python("a", TCP_ERROR, address, String(REJECTED_PORT));
        await node.python("a", UDP_ERROR, address, String(REJECTED_PORT));
        await node.lab.exec("a", ["curl", "-sf", "-m", "5", "-o", "/dev/null", `http://${inUrl(address)}/`]);
      }
      for (const address of ["203.0.113.9", "2001:db8::9"]) await node.lab.ping("a", address, { timeoutMs: 300 });
      for (const address of [GATEWAY4, `${GATEWAY6}%eth0`]) await node.lab.ping("a", address);
      for (const capture of [atA, atB]) {
        await capture.stop();
        expect(capture.frames().length).toBeGreaterThan(100);
        expect(capture.badChecksums()).toEqual([]);
      }
      // Each kind of answer is among what was checked.
      const kinds = new Set(atA.tshark("-Y", "icmp || icmpv6", "-T", "fields", "-e", "icmp.type", "-e", "icmpv6.type"));
      for (const type of ["11", "3", "0"])
        expect([...kinds].map((line) => line.split("\t")[0]?.split(",")[0])).toContain(type);
      for (const type of ["3", "1", "129"])
        expect([...kinds].map((line) => line.split("\t")[1]?.split(",")[0])).toContain(type);
      expect(atA.tshark("-Y", "tcp.flags.reset == 1 && tcp.srcport == 9999")).toHaveLength(2);
    });
  });
}

/** What iperf3 tells, and how many datagrams the receiving socket had no room for meanwhile. */
interface Measurement {
  readonly end: {
    readonly sum?: { readonly lost_packets?: number };
    readonly sum_received?: { readonly bytes: number };
  };
  readonly overrun: number;
}
