// SPDX-License-Identifier: Apache-2.0
/** Echo requests at short intervals while something changes: how long was nothing answered? */

import { type Lab, type LabProcess, waitFor } from "../../sdk/lab/index.ts";
import { deprivedMs } from "./deprived.ts";

const INTERVAL_MS = 5;

/** A ping(8) that goes on until it is stopped. */
export class SteadyStream implements AsyncDisposable {
  readonly #process: LabProcess;

  private constructor(process: LabProcess) {
    this.#process = process;
  }

  /** Resolves when the first answers are there. */
  static async start(lab: Lab, from: string, to: string): Promise<SteadyStream> {
    const stream = new SteadyStream(lab.spawn(from, ["ping", "-n", "-D", "-i", `${INTERVAL_MS / 1000}`, to]));
    await waitFor(() => stream.#answers().length > 3);
    return stream;
  }

  /** Times of the answers so far, in milliseconds since 1970. */
  #answers(): number[] {
    return Array.from(this.#process.stdout.matchAll(/^\[([\d.]+)\].*time=/gm), (match) => Number(match[1]) * 1000);
  }

  /**
   * Waits for the first answer from now on.
   * @returns milliseconds until then, without those in which other programs had the processors that this one or ping wanted.
   */
  async answered(): Promise<number> {
    const [moment, deprivedBefore] = [Date.now(), this.#deprivedMs()];
    const first = () => this.#answers().find((time) => time >= moment);
    await waitFor(() => first() !== undefined, { intervalMs: 1 });
    const elapsedMs = (first() ?? Number.NaN) - moment;
    const othersMs = this.#deprivedMs() - deprivedBefore;
    console.log(`answered after ${elapsedMs.toFixed(1)} ms, of which others ran ${othersMs.toFixed(1)} ms`);
    return elapsedMs - othersMs;
  }

  #deprivedMs(): number {
    return deprivedMs() + deprivedMs(this.#process.pid);
  }

  /** True when no request is answered for a while. */
  async isSilent(): Promise<boolean> {
    const before = this.#answers().length;
    await Bun.sleep(20 * INTERVAL_MS);
    return this.#answers().length === before;
  }

  /** Requests that were not answered, of all. */
  async stop(): Promise<{ readonly sent: number; readonly lost: number }> {
    const { stdout } = await this.#process.kill("SIGINT");
    const [, sent, received] = stdout.match(/(\d+) packets transmitted, (\d+) received/) ?? [];
    return { sent: Number(sent), lost: Number(sent) - Number(received) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
