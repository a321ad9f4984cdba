// SPDX-License-Identifier: Apache-2.0
/** The HTTP server in pod b: `GET /BYTES?rate=MBIT` answers with that many bytes, always the same ones. */

import { createHash, randomFillSync } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import { HTTP_PORT } from "./state.ts";

const blockBytes = 1 << 20;
const block = randomFillSync(Buffer.alloc(blockBytes));

/** The blocks that make up `size` bytes, without copying. */
function* blocksOf(size: number): Generator<Buffer> {
  for (let left = size; left > 0; left -= blockBytes) yield left < blockBytes ? block.subarray(0, left) : block;
}

/** SHA-256, hex, of what `GET /size` answers. */
export function sha256Of(size: number): string {
  const hash = createHash("sha256");
  for (const part of blocksOf(size)) hash.update(part);
  return hash.digest("hex");
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function answer(response: ServerResponse, size: number, megabitsPerSecond: number): Promise<void> {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": size });
  const start = performance.now();
  let sent = 0;
  for (const part of blocksOf(size)) {
    if (!response.write(part)) await new Promise((resolve) => response.once("drain", resolve));
    if (response.destroyed) return;
    sent += part.length;
    if (megabitsPerSecond > 0) {
      const ahead = (sent * 8) / (megabitsPerSecond * 1000) - (performance.now() - start);
      if (ahead > 1) await delay(ahead);
    }
  }
  response.end();
}

/**
 * Starts the server in the namespace that the calling thread is in, so call it inside `lab.run`; it goes on
 * listening there. `rate` in the query paces an answer, in megabits a second.
 */
export function startDownloadServer(): Server {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://pod");
    const size = Number(url.pathname.slice(1));
    if (!Number.isSafeInteger(size) || size < 0) {
      response.writeHead(404).end();
      return;
    }
    answer(response, size, Number(url.searchParams.get("rate") ?? 0)).catch(() => response.destroy());
  });
  server.listen(HTTP_PORT);
  return server;
}
