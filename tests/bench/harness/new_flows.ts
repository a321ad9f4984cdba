// SPDX-License-Identifier: Apache-2.0
/** Packets that are each the first of a flow. */

import { setTimeout as sleep } from "node:timers/promises";
import { object, program } from "./build.ts";
import { measure, Tool } from "./process.ts";
import { CLIENT, GATEWAY, POD_DEVICE, type SameNode, SERVER } from "./topology.ts";

/** What build() must make. */
export const NEW_FLOW_PROGRAMS = ["flow_generator", "packet_sink"] as const;
export const NEW_FLOW_OBJECTS = ["sink"] as const;

/** Different 5-tuples that the generator has (FLOW_SPACE in flow_generator.c). */
const FLOW_SPACE = 2 ** 22;
/** For what is still queued when the generator ends. */
const SETTLE_MS = 300;
const GENERATOR_CPU = 0;
/** Beyond twice the time that a trial should take: others may have the CPU. */
const MARGIN_MS = 20_000;

export interface Trial {
  /** Packets, each of a new flow. */
  readonly flows: number;
  /** A second; what the generator really reached is in the outcome. */
  readonly rate: number;
  /** The packets are of these flows instead, over and over: as many from the number `first` on. */
  readonly cycle?: { readonly first: number; readonly flows: number };
}

export interface Outcome {
  readonly sent: number;
  readonly lost: number;
  /** Packets a second that the generator reached. */
  readonly rate: number;
  /** Microseconds from sending to the sink. */
  readonly p50: number;
  readonly p99: number;
}

/** Sends new flows from pod a and counts what reaches pod b, at TC ingress: all that is compared passes there. */
export class NewFlows implements AsyncDisposable {
  readonly #lab: SameNode;
  readonly #sink: Tool;
  #next = 0;

  private constructor(lab: SameNode, sink: Tool) {
    this.#lab = lab;
    this.#sink = sink;
  }

  static async attach(lab: SameNode): Promise<NewFlows> {
    const argv = [program("packet_sink"), "-o", object("sink"), "-i", POD_DEVICE, "-m", "latency_tc"];
    return new NewFlows(lab, await Tool.start(argv, { netns: lab.server }));
  }

  async run({ flows, rate, cycle }: Trial): Promise<Outcome> {
    await this.#sink.ask();
    const which = cycle === undefined ? [this.#next] : [cycle.first, "-c", cycle.flows];
    const how = ["-i", POD_DEVICE, "-n", String(flows), "-r", String(rate), "-a", ...which.map(String)];
    const addresses = ["-d", SERVER.address, "-S", CLIENT.address, "-m", GATEWAY.mac, "-M", CLIENT.mac];
    if (cycle === undefined) this.#next = (this.#next + flows) % FLOW_SPACE;
    const generated = await measure<{ sent: number; seconds: number }>(
      [program("flow_generator"), ...how, ...addresses],
      { netns: this.#lab.client, cpu: GENERATOR_CPU, timeoutMs: (2000 * flows) / rate + MARGIN_MS },
    );
    await sleep(SETTLE_MS);
    const arrived = await this.#sink.ask<{ packets: number; p50: number; p99: number }>();
    return {
      sent: generated.sent,
      lost: generated.sent - arrived.packets,
      rate: generated.sent / generated.seconds,
      p50: arrived.p50,
      p99: arrived.p99,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink[Symbol.asyncDispose]();
  }
}
