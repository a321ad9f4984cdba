// SPDX-License-Identifier: Apache-2.0
/** What the demo shows, one function each. A step that does not hold throws {@link DidNotHold}. */

import { GATEWAY4, Lab, pods } from "../../../sdk/lab/index.ts";
import { sha256Of, startDownloadServer } from "./download_server.ts";
import { download, measurePaths, type PathFigures } from "./measure.ts";
import { DidNotHold } from "./progress.ts";
import type { Stage } from "./stage.ts";

function expect(condition: boolean, failure: string): void {
  if (!condition) throw new DidNotHold(failure);
}

const addressesOfB = [pods.b.ipv4, pods.b.ipv6];

export async function pingBothFamilies({ lab }: Stage): Promise<string> {
  const results = [];
  for (const address of addressesOfB) {
    const { sent, received, roundTripsMs } = await lab.ping("a", address, { count: 5 });
    expect(received === sent, `${address} answered ${received} of ${sent} requests`);
    results.push(`${address} ${received}/${sent}, first ${roundTripsMs[0]} ms`);
  }
  return results.join("; ");
}

export async function downloadIntact({ lab }: Stage): Promise<string> {
  const sizeBytes = 256 << 20;
  const { status, sha256 } = await download(lab, "a", { sizeBytes, hash: true });
  expect(status === 0 && sha256 === sha256Of(sizeBytes), `curl ended with ${status}, SHA-256 ${sha256}`);
  return `${sizeBytes >> 20} MiB, SHA-256 as sent`;
}

export async function refusedByPolicy(stage: Stage): Promise<string> {
  const { received } = await stage.lab.ping("c", pods.b.ipv4, { count: 2, timeoutMs: 500 });
  const { status } = await download(stage.lab, "c", { sizeBytes: 1000, timeoutMs: 1500 });
  expect(received === 0 && status === 28, `c got ${received} answers to ping, and curl ended with ${status}`);
  const denied = (await stage.drops()).find((d) => d.interface === pods.c.device && d.reason === "policy-deny");
  expect(denied !== undefined, `no drop of ${pods.c.device} for policy-deny was counted`);
  return `no answer; drops of ${denied?.interface}: ${denied?.reason} ${denied?.packets} packets`;
}

export async function flowTable(stage: Stage): Promise<string> {
  const flows = await stage.flows();
  const rows = flows
    .filter(({ src, dst }) => src === pods.a.ipv4 || dst === pods.a.ipv4)
    .slice(0, 6)
    .map((f) => `${f.proto} ${f.src}:${f.sport} > ${f.dst}:${f.dport}  ${f.action} ${f.state}  ${f.packets} packets`);
  expect(rows.length >= 2, "the flow table has no flow of pod a");
  return [`${flows.length} entries, one for each direction`, ...rows].join("\n");
}

export async function keptInKernel(stage: Stage): Promise<string> {
  let received = 0;
  let trapped = 0;
  for (const { status } of await stage.interfaces()) {
    received += status.counters["rxPackets"] ?? 0;
    trapped += status.counters["trapPackets"] ?? 0;
  }
  const share = (100 * (received - trapped)) / received;
  expect(share > 99, `${trapped} of ${received} packets went to the slow path`);
  return `${share.toFixed(3)} % of ${received} packets; ${trapped} went to the slow path`;
}

export async function besideLinux({ lab }: Stage): Promise<string> {
  await using rival = Lab.create("routed", { prefix: "weir-demo-linux-", replace: true });
  const server = rival.run("b", startDownloadServer);
  try {
    const [weir, linux] = await measurePaths([lab, rival]);
    if (weir === undefined || linux === undefined) throw new Error("two labs were measured");
    const ratio = (weir.gigabitsPerSecond / linux.gigabitsPerSecond).toFixed(2);
    const row = (name: string, f: PathFigures) =>
      `${name}  round trip ${f.roundTripUs.toFixed(0)} us, download ${f.gigabitsPerSecond.toFixed(1)} Gbit/s`;
    return [`download ${ratio} times as fast, medians of rounds in turn`, row("Weir ", weir), row("Linux", linux)].join(
      "\n",
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const PACED_BYTES = 60 << 20;
const PACED_MEGABITS = 120;
/** One flow of ping, which is established when the controller dies and has to outlive it. */
const STEADY_PING = { count: 1000, intervalMs: 3, identifier: 1977 } as const;
const KILL_AFTER_MS = 1000;

export async function survivesKill(stage: Stage): Promise<string> {
  const { lab } = stage;
  const downloading = download(lab, "a", { sizeBytes: PACED_BYTES, megabitsPerSecond: PACED_MEGABITS, hash: true });
  const pinging = lab.ping("a", pods.b.ipv4, STEADY_PING);
  await new Promise((resolve) => setTimeout(resolve, KILL_AFTER_MS));
  await stage.controller.kill("SIGKILL");
  const flushed = stage.flushNeighbours("a") + stage.flushNeighbours("b");
  const { status, sha256 } = await downloading;
  const { sent, received } = await pinging;
  expect(status === 0 && sha256 === sha256Of(PACED_BYTES), `curl ended with ${status}, SHA-256 ${sha256}`);
  expect(received === sent, `${sent - received} of ${sent} packets were lost`);
  stage.flushNeighbours("a");
  const gateway = await lab.ping("a", GATEWAY4, { count: 3 });
  expect(gateway.received === gateway.sent, "pod a does not find its gateway any more");
  return [
    `the download of ${PACED_BYTES >> 20} MiB arrived whole, ${received} of ${sent} packets came through`,
    `${flushed} neighbour entries were flushed meanwhile; the gateway answers`,
  ].join("\n");
}

export async function adoptsAgain(stage: Stage): Promise<string> {
  const { lab } = stage;
  const pinging = lab.ping("a", pods.b.ipv4, STEADY_PING);
  const start = performance.now();
  await stage.startController({ resume: true });
  const readyMs = performance.now() - start;
  const { sent, received } = await pinging;
  expect(received === sent, `${sent - received} of ${sent} packets were lost`);
  const { status } = await download(lab, "a", { sizeBytes: 1000 });
  expect(status === 0, `a new connection failed: curl ended with ${status}`);
  return `ready after ${readyMs.toFixed(0)} ms, ${received} of ${sent} packets came through, new flows are decided`;
}
