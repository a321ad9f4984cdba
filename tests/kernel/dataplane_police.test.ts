// SPDX-License-Identifier: Apache-2.0
/** Token buckets in front of real traffic: iperf3 sends, the kernel or iperf3 tells what arrived. */
import { describe, expect, test } from "bun:test";
import { pods } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

const RATE = 20_000_000;
const BYTES_PER_SECOND = RATE / 8;
const SECONDS = 4;
const TOLERANCE = 0.05;

/** Longer than a busy machine leaves the sender waiting, so that it can send later what it misses meanwhile. */
const UDP_BURST = 0.4 * BYTES_PER_SECOND;
const TCP_BURST = 0.1 * BYTES_PER_SECOND;

/** Runs one stream from pod a to pod b; what iperf3 knows at its end. */
async function stream(node: DataPlaneNode, ...options: readonly string[]): Promise<End> {
  const { ipv4 } = pods.b;
  await using server = node.lab.spawn("b", ["iperf3", "-s", "-1", "--forceflush", "-B", ipv4]);
  await server.waitForOutput(/listening/);
  const { stdout } = await node.lab.exec("a", ["iperf3", "-c", ipv4, "-t", String(SECONDS), "-J", ...options]);
  return (JSON.parse(stdout) as { end: End }).end;
}

interface End {
  readonly sum_sent: { readonly seconds: number };
  readonly sum_received: { readonly bytes: number; readonly seconds: number };
}

/** Bytes of Ethernet frames with IPv4 that a pod's kernel has received. */
async function received(node: DataPlaneNode): Promise<number> {
  const { stdout } = await node.lab.exec("b", ["cat", "/proc/net/netstat", "/proc/net/snmp"]);
  const value = (table: string, name: string): number => {
    const [names = [], values = []] = stdout
      .split("\n")
      .filter((line) => line.startsWith(`${table}:`))
      .map((line) => line.split(" "));
    return Number(values[names.indexOf(name)]);
  };
  return value("IpExt", "InOctets") + 14 * value("Ip", "InReceives");
}

/** Rates of a stream as shares of the policer's. */
const shares = {
  /** Twice the rate. The kernel counts, whatever its sockets have room for. */
  async udp(node: DataPlaneNode): Promise<number> {
    const before = await received(node);
    const { sum_sent } = await stream(node, "-u", "-b", String(2 * RATE), "-l", "1400");
    return ((await received(node)) - before - UDP_BURST) / (sum_sent.seconds * BYTES_PER_SECOND);
  },
  /**
   * A little more than the rate: with round trips of some microseconds TCP knows of many losses by its timers
   * alone, and would spend the time waiting for them. The first two seconds, with the burst, do not count.
   */
  async tcp(node: DataPlaneNode): Promise<number> {
    const { sum_received } = await stream(node, "-O", "2", "--fq-rate", String(1.2 * RATE));
    const { bytes, seconds } = sum_received;
    return (bytes * 1514) / 1448 / (seconds * BYTES_PER_SECOND);
  },
};

for (const hook of ["tc", "xdp"] as const) {
  describe(`on the ${hook} hook UDP and TCP go at the rate`, () => {
    test.each([
      ["towards a workload, of its ingress", "b", "ingress"],
      ["from a workload, of its egress", "a", "egress"],
    ] as const)(
      "%s",
      async (_name, policed, direction) => {
        await using node = await DataPlaneNode.start({ name: `police-${hook}-${policed}`, hook });
        const found: Record<string, number> = {};
        for (const [proto, burstBytes] of [
          ["udp", UDP_BURST],
          ["tcp", TCP_BURST],
        ] as const) {
          const police = { [direction]: { bitsPerSecond: RATE, burstBytes } };
          await node.dp.apply(node.document({ [policed]: { police } }));
          found[proto] = await shares[proto](node);
        }
        expect(Object.entries(found).filter(([, share]) => Math.abs(share - 1) > TOLERANCE)).toEqual([]);
        const { device } = pods[policed];
        expect(node.drops(device)["policed"]).toBeGreaterThan(0);
        expect(node.dp.tables.interfaces.get(device)?.status["police"]).toEqual({
          [direction]: { droppedPackets: expect.any(Number), droppedBytes: expect.any(Number) },
        });
      },
      60_000,
    );
  });
}

test("a rate is changed and taken away while packets flow, and a burst passes at once", async () => {
  await using node = await DataPlaneNode.start({ name: "police-live", hook: "tc" });
  const police = (ingress?: object) =>
    node.dp.apply(node.document({ b: ingress === undefined ? {} : { police: { ingress } } }));
  const ping = async (count: number) =>
    (await node.lab.ping("a", pods.b.ipv4, { count, intervalMs: 5, timeoutMs: 300 })).received;
  await police();
  expect(await ping(1)).toBe(1); // they know each other's MACs now
  // An echo request of 64 bytes is 98 on the wire (ping's default payload, IPv4, Ethernet).
  await police({ bitsPerSecond: 1000, burstBytes: 10 * 98 });
  expect(await ping(20)).toBe(10);
  expect(node.drops("vb")).toEqual({ policed: 10 });
  await police({ bitsPerSecond: 1_000_000_000, burstBytes: 100_000 });
  expect(await ping(20)).toBe(20);
  await police();
  expect(node.dp.tables.interfaces.get("vb")?.status["police"]).toBeUndefined();
  expect(await ping(20)).toBe(20);
});
