// SPDX-License-Identifier: Apache-2.0
/** Programs of a lab that outlived the process which started them. */

import { readdirSync, readFileSync, statSync } from "node:fs";

/** Environment variable that marks the programs of a lab, and what they start, with the lab's prefix. */
export const LAB_VARIABLE = "WEIR_LAB";

/**
 * Kills the programs that a lab with this prefix started and that are in one of its namespaces, whoever
 * started them. What others run in the namespaces is spared, and so is the calling process.
 * @param paths the lab's namespaces that are there
 */
export function killOrphans(prefix: string, paths: readonly string[]): void {
  const inodes = new Set(paths.map((path) => statSync(path).ino));
  const mark = `${LAB_VARIABLE}=${prefix}`;
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!inodes.has(statSync(`/proc/${name}/ns/net`).ino)) continue;
      if (!readFileSync(`/proc/${name}/environ`, "utf8").split("\0").includes(mark)) continue;
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended meanwhile, or is a kernel thread.
    }
  }
}
