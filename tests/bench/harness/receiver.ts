// SPDX-License-Identifier: Apache-2.0
/** AF_XDP receivers on the node's device: Weir's, and one in C on libxdp. Both answer the same questions. */

import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../../../scripts/root.ts";
import { object, program } from "./build.ts";
import { Tool } from "./process.ts";
import type { SameNode } from "./topology.ts";

/** What a receiver says about the time since it was asked before. */
export interface Reception {
  readonly packets: number;
  /** Time on a CPU of the receiving thread, and only of that one. */
  readonly cpuNs: number;
  /** Returns from poll(2). */
  readonly polls: number;
  /** CLOCK_MONOTONIC, ns. */
  readonly time: number;
  /** Stamped packets that woke it up, and how late it saw them. */
  readonly wakeups: number;
  readonly wakeupP50Us: number;
  readonly wakeupP99Us: number;
}

export interface ReceiverKind {
  readonly label: string;
  readonly argv: readonly string[];
}

/** The generator and the receiving softirq, which copies the packets, have CPU 0. */
const RECEIVER_CPU = 1;

export const WEIR_RECEIVER: ReceiverKind = {
  label: "Weir, WebAssembly in a Bun worker",
  argv: [process.execPath, "run", root("tests/bench/receiver/main.ts")],
};

export const C_RECEIVER: ReceiverKind = { label: "C on libxdp", argv: [program("xsk_receiver")] };

export class Receiver implements AsyncDisposable {
  readonly #tool: Tool;

  private constructor(tool: Tool) {
    this.#tool = tool;
  }

  /** @param wakeups also measure how late stamped packets are seen */
  static async start(kind: ReceiverKind, lab: SameNode, wakeups = false): Promise<Receiver> {
    const what = ["-o", object("xsk_redirect"), "-i", lab.clientDevice, ...(wakeups ? ["-w"] : [])];
    const receiver = new Receiver(await Tool.start([...kind.argv, ...what], { netns: lab.node, cpu: RECEIVER_CPU }));
    return receiver;
  }

  ask(): Promise<Reception> {
    return this.#tool.ask<Reception>();
  }

  /** Ends it. The queue is free a little later than the socket is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tool[Symbol.asyncDispose]();
    await sleep(50);
  }
}
