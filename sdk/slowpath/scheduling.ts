// SPDX-License-Identifier: Apache-2.0
/**
 * How the kernel schedules a worker's thread. First packets of flows wait for it, so it should wait for no ordinary
 * program, just as the kernel's own work on packets does not: whoever runs on the CPU when a packet comes would
 * otherwise keep it for milliseconds. It is therefore a real-time thread for as long as it mostly sleeps, and one of
 * the highest ordinary priority while it is busy all the time: it can take no CPU away altogether.
 */

import { runtime } from "#runtime";
import { libc } from "../runtime/libc.ts";
import { RealtimeBudget } from "./realtime_budget.ts";
import type { Scheduling } from "./worker_messages.ts";

const CLOCK_THREAD_CPUTIME_ID = 3;
/** The calling thread. */
const SELF = 0;
/** `__NR_sched_setattr`; the C library has no wrapper before glibc 2.41. */
const NR_SCHED_SETATTR = process.arch === "arm64" ? 274 : 314;
/** linux/sched.h. */
const SCHED_OTHER = 0;
const SCHED_RR = 2;
/** Threads that the runtime begins in this one are ordinary. */
const SCHED_FLAG_RESET_ON_FORK = 0x01;
/** The lowest real-time priority: the kernel's own threads, and those that somebody gave one, go before it. */
const PRIORITY = 1;
const NICENESS = -20;
/**
 * Time that it runs at once while it is ordinary, the shortest that there is (Linux 6.12; before, the field says
 * nothing). A thread with a shorter one need not wait until another has had its own.
 */
const SLICE_NS = 100_000;

/** struct sched_attr (linux/sched/types.h), its first version. */
const attr = { size: 48, policy: 4, flags: 8, nice: 16, priority: 20, runtime: 24 };
/** Bytes of a set of CPUs: the kernel has 8192 of them at most. */
const CPU_SET_BYTES = 1024;

const system = runtime.open(["libc.so.6"], {
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  sched_setaffinity: { args: ["i32", "u64", "ptr"], returns: "i32" },
});

export class ThreadScheduling {
  readonly #attr = runtime.alloc(attr.size);
  readonly #clock = runtime.alloc(16);
  readonly #budget: RealtimeBudget;
  /** It may be a real-time thread at all. */
  #allowed: boolean;
  #isRealtime = false;
  /** It runs on the CPU that it is to run on. */
  readonly isBound: boolean;

  /** Of the calling thread. What the process may not do (CAP_SYS_NICE) stays as it is. */
  constructor({ cpu, realtime }: Scheduling, now: number) {
    this.isBound = cpu === undefined || bind(cpu);
    this.#setOrdinary();
    this.#allowed = realtime;
    this.#budget = new RealtimeBudget(cpu !== undefined, now, this.#usedNs());
    if (realtime) this.#setRealtime();
  }

  /** To be called again and again. @param now nanoseconds of CLOCK_MONOTONIC */
  look(now: number): void {
    if (!this.#allowed || !this.#budget.isDue(now)) return;
    const first = this.#budget.renew(now, this.#usedNs());
    if (first === this.#isRealtime) return;
    if (first) this.#setRealtime();
    else this.#setOrdinary();
  }

  #setRealtime(): void {
    // EPERM also where the thread's control group has no share of real time (CONFIG_RT_GROUP_SCHED).
    this.#allowed = this.#set(SCHED_RR, 0, PRIORITY, 0);
    this.#isRealtime = this.#allowed;
  }

  #setOrdinary(): void {
    this.#set(SCHED_OTHER, NICENESS, 0, SLICE_NS);
    this.#isRealtime = false;
  }

  #set(policy: number, nice: number, priority: number, runtimeNs: number): boolean {
    const { view, address } = this.#attr;
    view.setUint32(0, attr.size, true);
    view.setUint32(attr.policy, policy, true);
    view.setUint32(attr.flags, SCHED_FLAG_RESET_ON_FORK, true);
    view.setInt32(attr.nice, nice, true);
    view.setUint32(attr.priority, priority, true);
    view.setUint32(attr.runtime, runtimeNs, true);
    return libc.syscall(NR_SCHED_SETATTR, SELF, address, 0) === 0;
  }

  /** CPU time of the thread, in nanoseconds. */
  #usedNs(): number {
    system.clock_gettime(CLOCK_THREAD_CPUTIME_ID, this.#clock.address);
    return this.#clock.view.getUint32(0, true) * 1_000_000_000 + this.#clock.view.getUint32(8, true);
  }
}

/** Whether it runs on that CPU from now on. */
function bind(cpu: number): boolean {
  const set = runtime.alloc(CPU_SET_BYTES);
  set.bytes[cpu >> 3] = 1 << (cpu & 7);
  return system.sched_setaffinity(SELF, CPU_SET_BYTES, set.address) === 0;
}
