// SPDX-License-Identifier: Apache-2.0
/**
 * Weir's receive path as a program: the slow path's module on an AF_XDP socket, in a worker. The
 * options and the answers are those of xsk_receiver.c.
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runtime } from "#runtime";
import { xskPortCodec } from "../../../sdk/layout/index.ts";
import { attachXdp, CollectionSpec } from "../../../sdk/libbpf/index.ts";
import { Netlink } from "../../../sdk/netlink/index.ts";
import { Lines } from "../harness/lines.ts";
import { BUCKET_NS, BUCKETS, HISTOGRAM, POLLS, THREAD, WAKEUPS } from "./counters.ts";
import { openReceiver, type ReceiverMemory } from "./memory.ts";

/** What the worker gets. All offsets are bytes in the memory. */
export interface Task {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly control: number;
  readonly port: number;
  readonly umem: number;
  readonly counters: number;
  readonly fd: number;
  /** Measure how late stamped packets are seen. */
  readonly wakeups: boolean;
}

const SLOW_PATH = "assets/slowpath.wasm";
const WORKER = "tests/bench/receiver/worker.ts";

function readOptions() {
  const { values } = parseArgs({
    options: {
      object: { type: "string", short: "o" },
      interface: { type: "string", short: "i" },
      wakeups: { type: "boolean", short: "w", default: false },
    },
  });
  const { object, interface: device, wakeups } = values;
  if (object !== undefined && device !== undefined) return { object, device, wakeups };
  console.error("usage: receiver -o OBJECT -i DEVICE [-w]");
  process.exit(2);
}

/** Time on a CPU so far, ns: the scheduler's own account (proc(5), /proc/pid/schedstat). */
function cpuNs(thread: number): number {
  return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, "utf8").split(" ")[0]);
}

/** Answers with what happened since it was called before. */
class Reporter {
  readonly #receiver: ReceiverMemory;
  readonly #view: DataView;
  #before = { packets: 0, cpuNs: 0, polls: 0, wakeups: 0 };
  #histogram = new Uint32Array(BUCKETS);

  constructor(receiver: ReceiverMemory) {
    this.#receiver = receiver;
    this.#view = new DataView(receiver.memory.buffer);
  }

  get thread(): number {
    return this.#counter(THREAD);
  }

  report(): string {
    const now = {
      packets: xskPortCodec.rxPackets.getNumber(this.#view, this.#receiver.port),
      cpuNs: cpuNs(this.thread),
      polls: this.#counter(POLLS),
      wakeups: this.#counter(WAKEUPS),
    };
    const before = this.#before;
    this.#before = now;
    const histogram = Uint32Array.from({ length: BUCKETS }, (_, i) => this.#counter(HISTOGRAM + i * 4));
    const fresh = histogram.map((count, i) => count - (this.#histogram[i] ?? 0));
    this.#histogram = histogram;
    return JSON.stringify({
      packets: now.packets - before.packets,
      cpuNs: now.cpuNs - before.cpuNs,
      polls: now.polls - before.polls,
      wakeups: now.wakeups - before.wakeups,
      wakeupP50Us: quantileUs(fresh, 0.5),
      wakeupP99Us: quantileUs(fresh, 0.99),
    });
  }

  #counter(field: number): number {
    return this.#view.getUint32(this.#receiver.counters + field, true);
  }
}

function quantileUs(histogram: Uint32Array, quantile: number): number {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (const [bucket, count] of histogram.entries()) {
    below += count;
    if (below > 0 && below >= quantile * total) return (bucket * BUCKET_NS) / 1000;
  }
  return 0;
}

async function waitForWorker(reporter: Reporter): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (reporter.thread !== 0) return;
    await Bun.sleep(10);
  }
  throw new Error("the worker did not start");
}

async function main(): Promise<void> {
  const { object, device, wakeups } = readOptions();
  using netlink = Netlink.open();
  const ifindex = netlink.link(device)?.index;
  if (ifindex === undefined) throw new Error(`no device "${device}"`);
  const collection = CollectionSpec.fromFile(object).load();
  const link = attachXdp({ program: collection.program("to_socket"), ifindex, device, mode: "native" });
  const receiver = openReceiver(device, ifindex, 0);
  collection.map("sockets").update(new Uint8Array(4), new Uint8Array(new Uint32Array([receiver.socket.fd]).buffer));
  const { memory, control, port, umem, counters, socket } = receiver;
  const module = await WebAssembly.compile(runtime.readAsset(SLOW_PATH));
  const worker = runtime.worker(WORKER);
  worker.onError((error) => {
    console.error(error.message);
    process.exit(1);
  });
  worker.postMessage({ memory, module, control, port, umem, counters, fd: socket.fd, wakeups } satisfies Task);
  const reporter = new Reporter(receiver);
  await waitForWorker(reporter);
  console.log('{"ready":true}');
  const questions = new Lines(process.stdin);
  while ((await questions.next()) !== undefined) console.log(reporter.report());
  link.detach();
  process.exit(0);
}

await main();
