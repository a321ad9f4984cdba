// SPDX-License-Identifier: Apache-2.0
/**
 * That no packet is lost without a word: each one is forwarded, passed to the host, trapped or
 * dropped, and counted as that once. A drop that is reported to the slow path is also a trap;
 * what XDP leaves to TC is counted there.
 */

import { TRAP_FLAG_DIVIDE, TrapReasonValue, trapMetaCodec, WEIR_TRAP_MAGIC } from "../../../sdk/layout/generated.ts";
import { type Entries, total, totalDrops } from "../packet_ledger.ts";
import type { Hook } from "../pipeline_harness.ts";
import type { PacketRunner } from "./runner.ts";

/** Traps that come with a drop of their own reason. */
const REPORTS: readonly number[] = [
  TrapReasonValue["no-route"],
  TrapReasonValue["ttl-expired"],
  TrapReasonValue["packet-too-big"],
  TrapReasonValue["source-mismatch"],
];
const XDP = { drop: 1, pass: 2, out: 4 } as const;
const TC = { drop: 2, pass: -1, out: 7 } as const;

export class Account {
  readonly #verdicts: typeof XDP | typeof TC;
  packets = 0;
  dropped = 0;
  passed = 0;
  sent = 0;
  traps = 0;
  /** Traps of packets that are counted as dropped too. */
  reports = 0;
  /** By XDP to TC, as they came. */
  left = 0;
  /** Verdicts that no program should give. */
  strange = 0;

  constructor(hook: Hook) {
    this.#verdicts = hook === "xdp" ? XDP : TC;
  }

  /** Enters the packet that `runner` has just run. */
  enter(verdict: number, runner: PacketRunner): void {
    this.packets++;
    if (verdict === this.#verdicts.drop) this.dropped++;
    else if (verdict === this.#verdicts.out) this.#enterOut(runner);
    else if (verdict !== this.#verdicts.pass) this.strange++;
    else if (this.#verdicts === XDP && runner.metadataBytes === 0) this.left++;
    else this.passed++;
  }

  #enterOut(runner: PacketRunner): void {
    if (trapMetaCodec.magic.get(runner.view, 0) !== WEIR_TRAP_MAGIC) {
      this.sent++;
      return;
    }
    this.traps++;
    const reason = trapMetaCodec.reason.get(runner.view, 0);
    const goesOn =
      reason === TrapReasonValue["packet-too-big"] && trapMetaCodec.flags.get(runner.view, 0) & TRAP_FLAG_DIVIDE;
    if (REPORTS.includes(reason) && !goesOn) this.reports++;
  }

  /** What does not add up with what the programs have counted; undefined if all does. */
  complaint(counted: Entries): string | undefined {
    const drops = totalDrops(counted);
    const sent = total(counted.txPackets);
    const local = total(counted.localPackets);
    const traps = total(counted.trapPackets);
    const found = drops + sent + local + traps + this.left - this.reports;
    if (this.strange > 0) return `${this.strange} packets had a verdict that is none`;
    if (traps !== this.traps) return `${this.traps} packets were trapped, ${traps} counted`;
    if (found !== this.packets)
      return `of ${this.packets} packets ${found} are accounted for: ${this.#summary(counted)}`;
    // A flooded frame is dropped itself; its copy is counted as sent.
    if (sent + local < this.sent + this.passed) return `more left than were counted: ${this.#summary(counted)}`;
    return undefined;
  }

  #summary(counted: Entries): string {
    const { packets, dropped, passed, sent, traps, reports, left } = this;
    return JSON.stringify({ seen: { packets, dropped, passed, sent, traps, reports, left }, counted });
  }
}
