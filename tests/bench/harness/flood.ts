// SPDX-License-Identifier: Apache-2.0
/** Small UDP packets from pod a to pod b, where XDP counts and drops them. */

import { object, program } from "./build.ts";
import { measure, Tool } from "./process.ts";
import { CLIENT, GATEWAY, POD_DEVICE, type SameNode, SERVER } from "./topology.ts";

/** What build() must make for a flood. */
export const FLOOD_PROGRAMS = ["packet_generator", "packet_sink"] as const;
export const FLOOD_OBJECTS = ["generator", "sink"] as const;

export interface FloodOptions {
  readonly seconds: number;
  /** CPU of the generator. */
  readonly cpu: number;
  /** Packets a second; default: as fast as it goes. */
  readonly rate?: number;
}

/** Sends for a while; returns packets and seconds of the generator. */
export function generate(lab: SameNode, o: FloodOptions): Promise<{ sent: number; seconds: number }> {
  const rate = o.rate === undefined ? [] : ["-r", String(o.rate)];
  const addresses = ["-d", SERVER.address, "-S", CLIENT.address, "-m", GATEWAY.mac, "-M", CLIENT.mac];
  const what = ["-o", object("generator"), "-i", POD_DEVICE, "-t", String(o.seconds)];
  return measure([program("packet_generator"), ...what, ...rate, ...addresses], { netns: lab.client, cpu: o.cpu });
}

/** The sink in pod b; it also gives the device the NAPI that XDP redirect to it needs. */
export class FloodSink implements AsyncDisposable {
  readonly #lab: SameNode;
  readonly #tool: Tool;

  private constructor(lab: SameNode, tool: Tool) {
    this.#lab = lab;
    this.#tool = tool;
  }

  static async attach(lab: SameNode): Promise<FloodSink> {
    const argv = [program("packet_sink"), "-o", object("sink"), "-i", POD_DEVICE, "-m", "drop"];
    return new FloodSink(lab, await Tool.start(argv, { netns: lab.server }));
  }

  /** Packets a second that reached the sink while the generator ran. */
  async flood(options: FloodOptions): Promise<number> {
    await this.#tool.ask();
    const { seconds } = await generate(this.#lab, options);
    const { packets } = await this.#tool.ask<{ packets: number }>();
    return packets / seconds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tool[Symbol.asyncDispose]();
  }
}
