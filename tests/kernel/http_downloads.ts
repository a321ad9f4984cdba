// SPDX-License-Identifier: Apache-2.0
/**
 * `serve PORT…`: an HTTP server whose `/together/N` sends its answer in pieces, the second one only when N requests
 * have come; prints how many were under way at once. `get URL COUNT`: so many downloads at once, each on a connection of
 * its own. `repeat URL`: one download after the other until it is ended. Both print a line of JSON a download.
 */
import { setTimeout as sleep } from "node:timers/promises";

const PIECE = "0123456789abcdef".repeat(64);
const PIECES = 6;
const PIECE_MS = 400;
/** New connections at a time: a listener's queue is no part of what is tested. */
const BATCH = 50;
const BATCH_MS = 20;
const GIVE_UP_MS = 15_000;

/** Bytes of a whole answer. */
export const BODY_BYTES: number = PIECE.length * PIECES;

/** One download. Milliseconds since the epoch. */
export interface Download {
  readonly began: number;
  readonly ended: number;
  /** Of the body; -1: it failed. */
  readonly bytes: number;
  readonly error?: string;
}

const now = (): number => performance.timeOrigin + performance.now();

function serve(ports: readonly number[]): void {
  let arrived = 0;
  async function* pieces(wanted: number) {
    arrived++;
    if (arrived === wanted) console.log(`${arrived} at once`);
    yield PIECE;
    for (const end = now() + GIVE_UP_MS; arrived < wanted && now() < end; ) await sleep(20);
    for (let i = 1; i < PIECES; i++) {
      if (wanted > 0) await sleep(PIECE_MS);
      yield PIECE;
    }
  }
  const fetch = ({ url }: Request) => new Response(pieces(Number(/together\/(\d+)/.exec(url)?.[1] ?? 0)));
  for (const port of ports) Bun.serve({ hostname: "::", port, idleTimeout: 60, fetch });
  console.log("ready");
}

async function download(url: string, timeoutMs: number): Promise<void> {
  const began = now();
  const done = (result: Pick<Download, "bytes" | "error">) =>
    console.log(JSON.stringify({ began, ended: now(), ...result } satisfies Download));
  try {
    const response = await fetch(url, { keepalive: false, signal: AbortSignal.timeout(timeoutMs) });
    done({ bytes: (await response.arrayBuffer()).byteLength });
  } catch (error) {
    done({ bytes: -1, error: String(error) });
  }
}

async function get(url: string, count: number): Promise<void> {
  const all: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    all.push(download(url, 2 * GIVE_UP_MS));
    if (i % BATCH === BATCH - 1) await sleep(BATCH_MS);
  }
  await Promise.all(all);
}

async function repeat(url: string): Promise<void> {
  for (;;) {
    await download(url, 2000);
    await sleep(10);
  }
}

if (import.meta.main) {
  const [what, ...rest] = process.argv.slice(2);
  if (what === "serve") serve(rest.map(Number));
  else if (what === "get") await get(rest[0] ?? "", Number(rest[1]));
  else await repeat(rest[0] ?? "");
}
