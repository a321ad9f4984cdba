// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from "node:fs";
import { WeirError } from "../../../sdk/errors.ts";
import type { Endpoint } from "../../endpoint.ts";
import { NOT_RUNNING } from "../../transport.ts";
import { Client } from "../client.ts";
import { defineCommand } from "../command.ts";
import { Failure } from "../failure.ts";

/** How long a running `serve` may take to end, in milliseconds. */
const PATIENCE = 15_000;

/** Between two looks at the process, in milliseconds. */
const INTERVAL = 20;

export const down = defineCommand({
  name: "down",
  summary: "detach, unpin, remove everything, restore what was changed",
  usage: "[--store URL]",
  help: `
      --store URL    where the state is kept, if serve was told`,
  flags: { store: { type: "string" } },
  run: async ({ flags }, context) => {
    await endServing(context.endpoint);
    const { DataPlane } = await import("../../../sdk/index.ts");
    await DataPlane.destroy(context.instance, flags.store === undefined ? {} : { store: flags.store });
    return 0;
  },
});

/** Ends a running `serve`, and removes the socket file that a killed one left. */
export async function endServing(endpoint: Endpoint): Promise<void> {
  try {
    const { pid } = await new Client(endpoint).json<{ pid: number }>("POST", "/v1/shutdown");
    await ended(pid);
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== NOT_RUNNING) throw error;
  }
  if (endpoint.type === "unix") rmSync(endpoint.path, { force: true });
}

/** Waits until the process is gone: until then it holds the instance. */
async function ended(pid: number): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  while (existsSync(`/proc/${pid}`)) {
    if (Date.now() > deadline) {
      throw new Failure(
        `Cannot end process ${pid}: it still runs after ${PATIENCE / 1000} s; end it with: kill -9 ${pid}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}
