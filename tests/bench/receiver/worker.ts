// SPDX-License-Identifier: Apache-2.0
/** The receiving thread: sleeps in poll(2) and lets the slow path's module take what came. Never returns. */

import { readFileSync } from "node:fs";
import { runtime } from "#runtime";
import { xskPortCodec, xskRingCodec } from "../../../sdk/layout/index.ts";
import { libc, POLLIN } from "../../../sdk/runtime/libc.ts";
import { BUCKET_NS, BUCKETS, HISTOGRAM, POLLS, THREAD, WAKEUPS } from "./counters.ts";
import type { Task } from "./main.ts";

/** Packets of one call. */
const BUDGET = 64;
const POLL_TIMEOUT_MS = 1000;
const CLOCK_MONOTONIC = 1;
/** Offset of the sending time in a stamped packet (bpf/sink_abi.h). */
const STAMP_TIME = 50;
const DESCRIPTOR_SIZE = 16;

const clock = runtime.open(["libc.so.6"], { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
const timespec = runtime.alloc(16);

function monotonicNs(): number {
  clock.clock_gettime(CLOCK_MONOTONIC, timespec.address);
  return timespec.view.getUint32(0, true) * 1e9 + timespec.view.getUint32(8, true);
}

interface SlowPathModule {
  start(control: number): void;
  poll(budget: number): number;
}

function receiveForever(task: Task): never {
  const { memory, control, counters, fd } = task;
  const view = new DataView(memory.buffer);
  const instance = new WebAssembly.Instance(task.module, { env: { memory } });
  const module = instance.exports as unknown as SlowPathModule;
  const waits = runtime.alloc(8);
  waits.view.setInt32(0, fd, true);
  waits.view.setInt16(4, POLLIN, true);
  const count = (field: number): void =>
    view.setUint32(counters + field, view.getUint32(counters + field, true) + 1, true);
  module.start(control);
  view.setUint32(counters + THREAD, Number(readFileSync("/proc/thread-self/stat", "utf8").split(" ")[0]), true);
  for (;;) {
    libc.poll(waits.address, 1, POLL_TIMEOUT_MS);
    count(POLLS);
    if (task.wakeups) noteWakeup(view, task, count);
    while (module.poll(BUDGET) > 0);
  }
}

/** How late the first packet that waits is seen. */
function noteWakeup(view: DataView, task: Task, count: (field: number) => void): void {
  const now = monotonicNs();
  const ring = xskPortCodec.rx.at(task.port);
  const consumer = view.getUint32(xskRingCodec.consumer.get(view, ring), true);
  if (consumer === view.getUint32(xskRingCodec.producer.get(view, ring), true)) return;
  const index = consumer & xskRingCodec.mask.get(view, ring);
  const descriptor = xskRingCodec.descriptors.get(view, ring) + index * DESCRIPTOR_SIZE;
  const packet = task.umem + view.getUint32(descriptor, true);
  const sent = view.getUint32(packet + STAMP_TIME, true) + view.getUint32(packet + STAMP_TIME + 4, true) * 2 ** 32;
  const bucket = Math.min(Math.floor((now - sent) / BUCKET_NS), BUCKETS - 1);
  count(HISTOGRAM + bucket * 4);
  count(WAKEUPS);
}

addEventListener("message", (event) => receiveForever((event as MessageEvent<Task>).data));
