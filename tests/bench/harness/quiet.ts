// SPDX-License-Identifier: Apache-2.0
/** Measurements begin when nobody else uses the CPUs, or when patience is at its end. */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Share of all CPUs that others may use. */
const BUSY_LIMIT = 0.15;
const SAMPLE_MS = 100;
/** Fields of a `cpu` line of /proc/stat that are not work: idle and iowait (proc(5)). */
const IDLE_FIELDS = [3, 4];

interface CpuTimes {
  readonly total: number;
  readonly idle: number;
}

/** The sums over all CPUs in `/proc/stat`, in clock ticks. */
export function parseCpuTimes(stat: string): CpuTimes {
  const line = stat.slice(0, stat.indexOf("\n"));
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return { total: sum(ticks), idle: sum(IDLE_FIELDS.map((field) => ticks[field] ?? 0)) };
}

/** Share of the CPUs that was in use between two readings, 0 to 1. */
export function busyShare(before: CpuTimes, after: CpuTimes): number {
  const total = after.total - before.total;
  return total <= 0 ? 0 : 1 - (after.idle - before.idle) / total;
}

/** Waits for quiet, within a limit over all its waits, and counts how often it was in vain. */
export class Patience {
  #leftMs: number;
  #noisy = 0;
  #asked = 0;

  constructor(seconds: number) {
    this.#leftMs = seconds * 1000;
  }

  async wait(): Promise<void> {
    this.#asked++;
    for (;;) {
      const before = parseCpuTimes(readFileSync("/proc/stat", "utf8"));
      await sleep(SAMPLE_MS);
      if (busyShare(before, parseCpuTimes(readFileSync("/proc/stat", "utf8"))) <= BUSY_LIMIT) return;
      this.#leftMs -= SAMPLE_MS;
      if (this.#leftMs <= 0) break;
    }
    this.#noisy++;
  }

  /** For the report; `undefined` if all measurements began in quiet. */
  get note(): string | undefined {
    if (this.#noisy === 0) return undefined;
    return `${this.#noisy} of ${this.#asked} measurements began while others used the CPUs: do not trust small differences`;
  }
}
