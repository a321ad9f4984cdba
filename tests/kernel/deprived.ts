// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/**
 * Time for which a thread was ready to run while other programs had the processors (proc(5), schedstat).
 * @param process whose main thread it is. Default: the calling thread.
 */
export function deprivedMs(process?: number): number {
  const thread = process === undefined ? "thread-self" : `${process}`;
  return Number(readFileSync(`/proc/${thread}/schedstat`, "utf8").split(" ")[1]) / 1e6;
}
