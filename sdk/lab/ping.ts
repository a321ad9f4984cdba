// SPDX-License-Identifier: Apache-2.0
/** Echo requests with ping(8). */

import { WeirError } from "../errors.ts";
import type { ExecOptions, ExecResult } from "./process.ts";

export interface PingOptions {
  /** Requests to send. Default 1. */
  readonly count?: number;
  /** Time between two requests. Default 20. */
  readonly intervalMs?: number;
  /** How long to wait for the last reply. Default 1000. */
  readonly timeoutMs?: number;
  /** Payload in bytes, without the ICMP header. Default 56. */
  readonly sizeBytes?: number;
  /** Time to live or hop limit. */
  readonly ttl?: number;
  /** Do not fragment. Default false. */
  readonly dontFragment?: boolean;
  /** Identifier of the requests, 1 to 65535: those of several calls then belong to one flow. Default: a new one. */
  readonly identifier?: number;
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Round trips in the order of their replies, in milliseconds. */
  readonly roundTripsMs: readonly number[];
  /** All that ping wrote, for messages and ICMP errors. */
  readonly output: string;
}

/**
 * Pings through `exec`, which runs a program where the pinging shall be done. Replies that do not come are
 * no error.
 * @throws WeirError if ping cannot run or does not understand the address
 */
export async function ping(
  exec: (argv: readonly string[], o: ExecOptions) => Promise<ExecResult>,
  address: string,
  o: PingOptions = {},
): Promise<PingResult> {
  const count = o.count ?? 1;
  const intervalMs = o.intervalMs ?? 20;
  const timeoutMs = o.timeoutMs ?? 1000;
  const argv = ["ping", "-n", "-c", `${count}`, "-i", `${intervalMs / 1000}`, "-W", `${timeoutMs / 1000}`];
  if (o.sizeBytes !== undefined) argv.push("-s", `${o.sizeBytes}`);
  if (o.ttl !== undefined) argv.push("-t", `${o.ttl}`);
  if (o.dontFragment === true) argv.push("-M", "do");
  if (o.identifier !== undefined) argv.push("-e", `${o.identifier}`);
  const result = await exec([...argv, address], { timeoutMs: count * intervalMs + timeoutMs + 10_000 });
  return parse(result, address);
}

function parse({ stdout, stderr }: ExecResult, address: string): PingResult {
  const output = stdout + stderr;
  const summary = output.match(/(\d+) packets transmitted, (\d+) received/);
  if (summary === null) {
    throw new WeirError({
      code: "EINVAL",
      operation: `ping ${address}`,
      reason: output.trim().split("\n")[0] ?? "ping wrote nothing",
      hint: "install iputils-ping",
    });
  }
  const roundTripsMs = Array.from(output.matchAll(/time=([\d.]+) ms/g), (match) => Number(match[1]));
  return { sent: Number(summary[1]), received: Number(summary[2]), roundTripsMs, output };
}
