// SPDX-License-Identifier: Apache-2.0
/** One TCP stream from pod to pod. */

import { program } from "./build.ts";
import { measure, type Placement, Tool } from "./process.ts";
import type { Path } from "./topology.ts";

const PORT = "5201";

/** Gbit/s that arrived in `seconds`. */
export async function stream(path: Path, where: Pick<Placement, "cpu">, seconds: number): Promise<number> {
  const argv = [program("tcp_stream"), "server", PORT];
  await using server = await Tool.start(argv, { netns: path.server, ...where });
  const client = ["client", path.to.address, PORT, String(seconds)];
  await measure([program("tcp_stream"), ...client], { netns: path.client, ...where });
  const received = await server.next<{ bytes: number; seconds: number }>();
  return (received.bytes * 8) / received.seconds / 1e9;
}
