// SPDX-License-Identifier: Apache-2.0
/** Established flows under traffic while policy changes: when the last packet of a denied flow passed. */

import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../../../sdk/dataplane/instance/clock.ts";
import { object, program } from "./build.ts";
import { measure, Tool } from "./process.ts";
import { CLIENT, GATEWAY, POD_DEVICE, type SameNode, SERVER } from "./topology.ts";

/** As in flow_generator.c. */
const FLOW_SPACE = 2 ** 22;
const FIRST_SOURCE_PORT = 1024;
const FIRST_DESTINATION_PORT = 8000;
const SOURCE_PORTS = 2 ** 15;

/** Traffic before a change, and after it. */
const BEFORE_MS = 500;
const AFTER_MS = 1000;
/** For what is still queued when the generators end. */
const SETTLE_MS = 300;

/** First and last port. */
type Ports = readonly [first: number, last: number];

/** Flows by their ports. */
export interface Watched {
  readonly source: Ports;
  readonly destination: Ports;
}

/** Ports of the flow with a number. */
export function portsOf(sequence: number): { readonly source: number; readonly destination: number } {
  const flow = Math.imul(sequence, 0x9e37_79b1) & (FLOW_SPACE - 1);
  return {
    source: FIRST_SOURCE_PORT + (flow % SOURCE_PORTS),
    destination: FIRST_DESTINATION_PORT + Math.floor(flow / SOURCE_PORTS),
  };
}

const isBetween = (port: number, [first, last]: Ports): boolean => port >= first && port <= last;

/** The first `flows` flows that are watched. */
export function watchedAmong(flows: number, { source, destination }: Watched): number[] {
  return Array.from({ length: flows }, (_, sequence) => sequence).filter((sequence) => {
    const ports = portsOf(sequence);
    return isBetween(ports.source, source) && isBetween(ports.destination, destination);
  });
}

export interface ChangeOutcome {
  /** Milliseconds from the call of the change to the last packet of a watched flow that passed. */
  readonly lastMs: number;
  /** How long the change kept the main thread, and until it said that it was done. */
  readonly blockedMs: number;
  readonly doneMs: number;
  /** Packets of all other flows that were lost. */
  readonly lost: number;
}

/** What the traffic is. */
export interface Traffic {
  /** Flows from number 0 on, one after the other, over and over. */
  readonly flows: number;
  /** Packets a second of these, and besides of one flow, to tell when it ends. */
  readonly rate: number;
  readonly oneRate: number;
}

/** Sends the packets of established flows from pod a, and tells those of the watched ones apart in pod b. */
export class PolicyChange implements AsyncDisposable {
  readonly #lab: SameNode;
  readonly #sink: Tool;

  private constructor(lab: SameNode, sink: Tool) {
    this.#lab = lab;
    this.#sink = sink;
  }

  static async attach(lab: SameNode): Promise<PolicyChange> {
    const argv = [program("packet_sink"), "-o", object("sink"), "-i", POD_DEVICE, "-m", "watch_tc"];
    return new PolicyChange(lab, await Tool.start(argv, { netns: lab.server }));
  }

  /** Has all flows decided. */
  async establish(flows: number, perSecond: number): Promise<void> {
    await this.#watch({ source: [1, 0], destination: [1, 0] });
    for (let tries = 0; tries < 10; tries++) {
      await this.#send({ first: 0, flows, packets: flows, rate: perSecond });
      await sleep(SETTLE_MS);
      const { others } = await this.#sink.ask<{ others: number }>("1 0 1 0");
      if (others === flows) return;
    }
    throw new Error(`${flows} flows were not all established`);
  }

  /** Makes a change under traffic. `watched`: the flows that it denies. */
  async run(traffic: Traffic, watched: Watched, change: () => Promise<unknown>): Promise<ChangeOutcome> {
    const { flows, rate, oneRate } = traffic;
    const among = watchedAmong(flows, watched);
    const [one = 0] = among;
    await this.#watch(watched);
    // Whole rounds over the flows, so that it is known how many packets of which were sent.
    const rounds = Math.max(1, Math.ceil((rate * (BEFORE_MS + AFTER_MS)) / 1000 / flows));
    const single = Math.round((oneRate * (BEFORE_MS + AFTER_MS)) / 1000);
    const sending = [
      this.#send({ first: 0, flows, packets: rounds * flows, rate }),
      this.#send({ first: one, flows: 1, packets: single, rate: oneRate }),
    ];
    await sleep(BEFORE_MS);
    const start = monotonicMs();
    const done = change();
    const blockedMs = monotonicMs() - start;
    await done;
    const doneMs = monotonicMs() - start;
    const sent = (await Promise.all(sending)).reduce((sum, each) => sum + each, 0);
    await sleep(SETTLE_MS);
    const arrived = await this.#sink.ask<{ watched: number; others: number; last: number }>();
    if (arrived.watched === 0) throw new Error("no packet of the watched flows arrived");
    const lost = sent - single - rounds * among.length - arrived.others;
    return { lastMs: Math.max(0, arrived.last / 1e6 - start), blockedMs, doneMs, lost };
  }

  async #watch({ source, destination }: Watched): Promise<void> {
    await this.#sink.ask([...source, ...destination].join(" "));
  }

  async #send(o: { first: number; flows: number; packets: number; rate: number }): Promise<number> {
    const { first, flows, packets, rate } = o;
    const how = [
      "-i",
      POD_DEVICE,
      "-n",
      packets,
      "-r",
      rate,
      "-b",
      rate > 20_000 ? 32 : 1,
      "-w",
      "-a",
      first,
      "-c",
      flows,
    ];
    const addresses = ["-d", SERVER.address, "-S", CLIENT.address, "-m", GATEWAY.mac, "-M", CLIENT.mac];
    const { sent } = await measure<{ sent: number }>([program("flow_generator"), ...how.map(String), ...addresses], {
      netns: this.#lab.client,
      timeoutMs: (3000 * packets) / rate + 20_000,
    });
    return sent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink[Symbol.asyncDispose]();
  }
}
