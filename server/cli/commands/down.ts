// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, rmSync } from "node:fs";
import { WeirError } from "../../../sdk/errors.ts";
import type { Endpoint } from "../../endpoint.ts";
import { NOT_RUNNING } from "../../transport.ts";
import { Client } from "../client.ts";
import { defineCommand } from "../command.ts";
import { Failure } from "../failure.ts";
import { storeOf } from "../store.ts";

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
  run: async ({ flags }, { endpoint, instance }) => {
    const store = storeOf(flags.store);
    await endServing(endpoint);
    const { DataPlane, destroyInstance } = await import("../../../sdk/index.ts");
    if (typeof store === "string" && existsSync(store)) await (await DataPlane.open({ instance, store })).destroy();
    // Also what a process left that was killed, or that was another version.
    destroyInstance(instance);
    return 0;
  },
});

/** Lets a running `serve` take everything away and end, and removes the socket file that a killed one left. */
export async function endServing(endpoint: Endpoint): Promise<void> {
  try {
    const query = { destroy: "true" };
    const { pid } = await new Client(endpoint).json<{ pid: number }>("POST", "/v1/shutdown", { query });
    await ended(pid);
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== NOT_RUNNING) throw error;
  }
  if (endpoint.type === "unix") rmSync(endpoint.path, { force: true });
}

/** Waits until the process is gone: until then it holds the instance. */
async function ended(pid: number): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  while (runs(pid)) {
    if (Date.now() > deadline) {
      throw new Failure(
        `Cannot end process ${pid}: it still runs after ${PATIENCE / 1000} s; end it with: kill -9 ${pid}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}

/** False also for a zombie, which holds nothing any more. */
function runs(pid: number): boolean {
  try {
    // The state follows the name, which may have spaces and parentheses (proc_pid_stat(5)).
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
