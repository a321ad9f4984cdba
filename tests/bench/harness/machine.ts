// SPDX-License-Identifier: Apache-2.0
/** What the figures were taken on. */

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { runtime } from "#runtime";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly virtual: boolean;
  readonly runtime: string;
  /** Of this repository. */
  readonly version: string;
  /** Over one minute, before the start: what others did on the machine. */
  readonly load: number;
}

export function describeMachine(): Machine {
  const cpuinfo = readFileSync("/proc/cpuinfo", "utf8");
  const version = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")).version;
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    virtual: /^flags.*\bhypervisor\b/m.test(cpuinfo),
    runtime: `${runtime.name} ${runtime.version}`,
    version,
    load: Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0]),
  };
}

export function formatMachine(machine: Machine): string {
  const kind = machine.virtual ? "virtual machine" : "machine";
  return (
    `${kind}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, ` +
    `${machine.runtime}, Weir ${machine.version}, load before the start ${machine.load}`
  );
}
