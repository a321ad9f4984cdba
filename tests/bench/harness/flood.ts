// SPDX-License-Identifier: Apache-2.0
/** Small UDP packets from pod a to pod b, where XDP counts and drops them. */

import { object, program } from "./build.ts";
import { measure, Tool } from "./process.ts";
import { type Path, POD_DEVICE } from "./topology.ts";

/** What build() must make for a flood. */
export const FLOOD_PROGRAMS = ["packet_generator", "packet_sink"] as const;
export const FLOOD_OBJECTS = ["generator", "sink"] as const;

export interface FloodOptions {
  readonly seconds: number;
  /** CPU of the generator. */
  readonly cpu: number;
  /** Packets a second; default: as fast as it goes. */
  readonly rate?: number;
  /** Bytes of a frame. Default: 60. */
  readonly size?: number;
}

/** `drop`: on XDP. `drop_tc`: on TC, which also sees what `bpf_redirect_peer` brings. */
export type SinkMode = "drop" | "drop_tc";

/** Sends for a while; returns packets and seconds of the generator. */
export function generate(path: Path, o: FloodOptions): Promise<{ sent: number; seconds: number }> {
  const rate = o.rate === undefined ? [] : ["-r", String(o.rate)];
  const addresses = ["-d", path.to.address, "-S", path.from.address, "-m", path.via, "-M", path.from.mac];
  const what = ["-o", object("generator"), "-i", POD_DEVICE, "-t", String(o.seconds), "-s", String(o.size ?? 60)];
  return measure([program("packet_generator"), ...what, ...rate, ...addresses], { netns: path.client, cpu: o.cpu });
}

/** The sink in pod b; it also gives the device the NAPI that XDP redirect to it needs. */
export class FloodSink implements AsyncDisposable {
  readonly #path: Path;
  readonly #tool: Tool;

  private constructor(path: Path, tool: Tool) {
    this.#path = path;
    this.#tool = tool;
  }

  static async attach(path: Path, mode: SinkMode = "drop"): Promise<FloodSink> {
    const argv = [program("packet_sink"), "-o", object("sink"), "-i", POD_DEVICE, "-m", mode];
    return new FloodSink(path, await Tool.start(argv, { netns: path.server }));
  }

  /** Packets a second that reached the sink while the generator ran. */
  async flood(options: FloodOptions): Promise<number> {
    await this.#tool.ask();
    const { seconds } = await generate(this.#path, options);
    const { packets } = await this.#tool.ask<{ packets: number }>();
    return packets / seconds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tool[Symbol.asyncDispose]();
  }
}
