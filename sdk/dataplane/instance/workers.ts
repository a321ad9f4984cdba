// SPDX-License-Identifier: Apache-2.0
/** The threads of the slow path: how many there are, where they run, and before whom. Fixed while a process runs. */
import { existsSync } from "node:fs";
import { WeirError } from "../../errors.ts";
import { DEFAULT_WORKER_PRIORITY, DEFAULT_WORKERS, MAX_WORKERS, type Node } from "../schema/index.ts";

export interface Workers {
  readonly workers: number;
  /** CPUs that they are bound to, in turns; none: they run on any. */
  readonly workerCpus: readonly number[];
  readonly workerPriority: NonNullable<Node["workerPriority"]>;
}

/**
 * What was asked for, else what the store's node says, else the defaults.
 * @throws WeirError `EINVAL`
 */
export function workersOf(
  asked: { readonly [Name in keyof Workers]?: Workers[Name] | undefined },
  node: Node,
): Workers {
  const workers = asked.workers ?? node.workers ?? DEFAULT_WORKERS;
  const workerCpus = asked.workerCpus ?? node.workerCpus ?? [];
  const isWorkers = Number.isInteger(workers) && workers >= 1 && workers <= MAX_WORKERS;
  if (!isWorkers) throw wrong(`workers is ${workers}`, `give a number from 1 to ${MAX_WORKERS}`);
  for (const cpu of workerCpus) {
    if (!hasCpu(cpu)) throw wrong(`workerCpus names CPU ${cpu}, which is not there`, "see lscpu");
  }
  return {
    workers,
    workerCpus,
    workerPriority: asked.workerPriority ?? node.workerPriority ?? DEFAULT_WORKER_PRIORITY,
  };
}

const hasCpu = (cpu: number): boolean =>
  Number.isInteger(cpu) && cpu >= 0 && existsSync(`/sys/devices/system/cpu/cpu${cpu}`);

const wrong = (reason: string, hint: string): WeirError =>
  new WeirError({ code: "EINVAL", operation: "start the slow path", reason, hint });
