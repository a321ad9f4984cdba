// SPDX-License-Identifier: Apache-2.0
/** Verdicts on asked flows as the commands that carry them (struct command). */

import { CommandKindValue, commandCodec, commandLayout, type RuleAction, RuleActionValue } from "../layout/index.ts";
import type { AskVerdict } from "./types.ts";

/** What a verdict says besides its action. */
export type VerdictDetails = Omit<AskVerdict, "action">;

const NONE: VerdictDetails = {};

/** Writes a COMMAND_VERDICT at `at`. Action `none`: what becomes of flows past their time-out. */
export function writeVerdict(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  ticket: number,
  action: RuleAction,
  verdict: VerdictDetails = NONE,
): void {
  const { becomes, way } = verdict;
  bytes.fill(0, at, at + commandLayout.size);
  commandCodec.kind.set(view, at, CommandKindValue.verdict);
  commandCodec.ticket.set(view, at, ticket);
  commandCodec.ruleAction.set(view, at, RuleActionValue[action]);
  commandCodec.idleSeconds.set(view, at, verdict.idleSeconds ?? 0);
  commandCodec.mirror.set(view, at, verdict.mirror ?? 0);
  commandCodec.reverseMirror.set(view, at, verdict.reverseMirror ?? 0);
  commandCodec.nexthop.set(view, at, way?.nexthop ?? 0);
  commandCodec.label.set(view, at, way?.tag ?? 0);
  commandCodec.reverseVrf.set(view, at, way?.vrf ?? 0);
  commandCodec.chosen.set(view, at, way?.chosen === true ? 1 : 0);
  commandCodec.reverseNexthop.set(view, at, verdict.reverseNexthop ?? 0);
  commandCodec.single.set(view, at, verdict.single === true ? 1 : 0);
  commandCodec.log.set(view, at, verdict.log === true ? 1 : 0);
  if (becomes === undefined) return;
  commandCodec.translate.set(view, at, 1);
  commandCodec.newSource.set(bytes, at, becomes.source);
  commandCodec.newDestination.set(bytes, at, becomes.destination);
  commandCodec.newSourcePort.set(view, at, becomes.sourcePort);
  commandCodec.newDestinationPort.set(view, at, becomes.destinationPort);
}
