// SPDX-License-Identifier: Apache-2.0
/** Downloads and round trips, by curl and ping. */

import { type Lab, pods } from "../../../sdk/lab/index.ts";
import { Failure } from "../failure.ts";
import { HTTP_PORT } from "./state.ts";

/** How a download ended. */
export interface Download {
  /** Exit status of curl: 0, or e.g. 28 for a time-out. */
  readonly status: number;
  readonly sizeBytes: number;
  readonly bytesPerSecond: number;
  /** SHA-256, hex, of what arrived; empty if it was thrown away. */
  readonly sha256: string;
}

export interface DownloadOptions {
  readonly sizeBytes: number;
  /** Pace of the server, in megabits a second. Default: as fast as it goes. */
  readonly megabitsPerSecond?: number;
  /** Hash what arrives. Default false: throw it away. */
  readonly hash?: boolean;
  /** Give up after this time. Default 60 000. */
  readonly timeoutMs?: number;
}

/** Downloads from pod b into pod `from`. */
export async function download(lab: Lab, from: string, o: DownloadOptions): Promise<Download> {
  const timeoutMs = o.timeoutMs ?? 60_000;
  const query = o.megabitsPerSecond === undefined ? "" : `?rate=${o.megabitsPerSecond}`;
  const url = `http://${pods.b.ipv4}:${HTTP_PORT}/${o.sizeBytes}${query}`;
  // pipefail is no part of POSIX sh: curl's status goes to stderr, beside its figures.
  const script = `{ curl -s -m ${timeoutMs / 1000} -w '%{stderr}%{size_download} %{speed_download} ' '${url}'; echo $? >&2; } | ${
    o.hash === true ? "sha256sum" : "cat >/dev/null"
  }`;
  const { stdout, stderr } = await lab.exec(from, ["sh", "-c", script], { timeoutMs: timeoutMs + 5000 });
  const figures = stderr.match(/(\d+) (\d+) (\d+)\s*$/);
  if (figures === null) throw new Failure(`Cannot download with curl: ${stderr.trim()}; install curl`);
  return {
    status: Number(figures[3]),
    sizeBytes: Number(figures[1]),
    bytesPerSecond: Number(figures[2]),
    sha256: stdout.split(" ")[0] ?? "",
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** What a way between pods a and b is worth. */
export interface PathFigures {
  /** Median round trip, in microseconds. */
  readonly roundTripUs: number;
  /** Median speed of a download, in gigabits a second. */
  readonly gigabitsPerSecond: number;
}

const ROUNDS = 4;
const PINGS = 50;
const DOWNLOAD_BYTES = 256 << 20;

/** Measures labs in turn, so that what else the machine does meets all of them alike. */
export async function measurePaths(labs: readonly Lab[]): Promise<PathFigures[]> {
  const samples = labs.map((lab) => ({ lab, roundTripsMs: [] as number[], speeds: [] as number[] }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { lab, roundTripsMs, speeds } of samples) {
      roundTripsMs.push(...(await lab.ping("a", pods.b.ipv4, { count: PINGS, intervalMs: 5 })).roundTripsMs);
      speeds.push((await download(lab, "a", { sizeBytes: DOWNLOAD_BYTES })).bytesPerSecond);
    }
  }
  return samples.map(({ roundTripsMs, speeds }) => ({
    roundTripUs: median(roundTripsMs) * 1000,
    gigabitsPerSecond: (median(speeds) * 8) / 1e9,
  }));
}
