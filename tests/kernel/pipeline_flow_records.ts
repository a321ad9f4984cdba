// SPDX-License-Identifier: Apache-2.0
/** Flows as the kernel programs have them: keys, entries and decisions, from what the tests say and to it. */
import {
  DecisionOperationValue,
  FlowActionValue,
  flow4KeyCodec,
  flow4KeyLayout,
  flow6KeyCodec,
  flow6KeyLayout,
  flowDecisionCodec,
  flowDecisionLayout,
  flowEntryCodec,
} from "../../sdk/layout/generated.ts";
import type { DecisionOptions, FlowState, FlowTuple } from "./pipeline_options.ts";
import { addressBytes, isV6, mappedBytes } from "./pipeline_packets.ts";
import { type Table, viewOf } from "./pipeline_table.ts";

/** Key of the table of the flow's family. */
export function flowKey(flow: FlowTuple): Uint8Array {
  if (isV6(flow.source)) {
    const key = new Uint8Array(flow6KeyLayout.size);
    const view = viewOf(key);
    flow6KeyCodec.vrf.set(view, 0, flow.vrf ?? 1);
    flow6KeyCodec.source.set(key, 0, addressBytes(flow.source));
    flow6KeyCodec.destination.set(key, 0, addressBytes(flow.destination));
    flow6KeyCodec.sourcePort.set(view, 0, flow.sourcePort ?? 1000);
    flow6KeyCodec.destinationPort.set(view, 0, flow.destinationPort ?? 2000);
    flow6KeyCodec.protocol.set(view, 0, flow.protocol ?? 17);
    return key;
  }
  const key = new Uint8Array(flow4KeyLayout.size);
  const view = viewOf(key);
  flow4KeyCodec.vrf.set(view, 0, flow.vrf ?? 1);
  flow4KeyCodec.source.set(view, 0, viewOf(addressBytes(flow.source)).getUint32(0));
  flow4KeyCodec.destination.set(view, 0, viewOf(addressBytes(flow.destination)).getUint32(0));
  flow4KeyCodec.sourcePort.set(view, 0, flow.sourcePort ?? 1000);
  flow4KeyCodec.destinationPort.set(view, 0, flow.destinationPort ?? 2000);
  flow4KeyCodec.protocol.set(view, 0, flow.protocol ?? 17);
  return key;
}

/** What an entry says. */
export function flowState(value: Uint8Array): FlowState {
  const view = viewOf(value);
  const { action, state, flags, generation, nexthop, ingress, trapped, worker, rule } = flowEntryCodec;
  return {
    action: action.get(view, 0),
    state: state.get(view, 0),
    flags: flags.get(view, 0),
    generation: generation.get(view, 0),
    nexthop: nexthop.get(view, 0),
    ingress: ingress.get(view, 0),
    packets: flowEntryCodec.packets.getNumber(view, 0),
    bytes: flowEntryCodec.bytes.getNumber(view, 0),
    trapped: trapped.get(view, 0),
    worker: worker.get(view, 0),
    rule: rule.get(view, 0),
    reroute: flowEntryCodec.reroute.get(view, 0),
  };
}

/** Writes a decision as the first element of `decisions`. */
export function writeDecision(decisions: Table, tuple: FlowTuple, o: DecisionOptions): void {
  const { bytes, view } = decisions;
  bytes.fill(0, 0, flowDecisionLayout.size);
  const d = flowDecisionCodec;
  d.operation.set(view, 0, DecisionOperationValue[o.operation ?? "set"]);
  d.family.set(view, 0, isV6(tuple.source) ? 6 : 4);
  d.action.set(view, 0, FlowActionValue[o.action ?? "forward"]);
  d.flags.set(view, 0, o.flags ?? 0);
  d.worker.set(view, 0, o.worker ?? 0);
  d.generation.set(view, 0, o.generation ?? 0);
  d.vrf.set(view, 0, tuple.vrf ?? 1);
  d.source.set(bytes, 0, mappedBytes(tuple.source));
  d.destination.set(bytes, 0, mappedBytes(tuple.destination));
  d.sourcePort.set(view, 0, tuple.sourcePort ?? 1000);
  d.destinationPort.set(view, 0, tuple.destinationPort ?? 2000);
  d.protocol.set(view, 0, tuple.protocol ?? 17);
  d.revision.set(view, 0, o.revision ?? 0);
  d.ingress.set(view, 0, o.ingress ?? (o.operation === "reroute" ? 0 : 1));
  d.reverseIngress.set(view, 0, o.reverseIngress ?? 2);
  d.nexthop.set(view, 0, o.nexthop ?? 2);
  d.reverseNexthop.set(view, 0, o.reverseNexthop ?? 1);
  d.rule.set(view, 0, o.rule ?? 0);
  d.label.set(view, 0, o.label ?? 0);
  d.idleSeconds.set(view, 0, o.idleSeconds ?? 0);
  d.mirror.set(view, 0, o.mirror ?? 0);
  d.reverseMirror.set(view, 0, o.reverseMirror ?? 0);
  d.reverseVrf.set(view, 0, o.reverseVrf ?? 0);
  if (o.action === "nat") {
    const becomes = { ...tuple, ...o.becomes };
    d.newSource.set(bytes, 0, mappedBytes(becomes.source));
    d.newDestination.set(bytes, 0, mappedBytes(becomes.destination));
    d.newSourcePort.set(view, 0, becomes.sourcePort ?? 1000);
    d.newDestinationPort.set(view, 0, becomes.destinationPort ?? 2000);
  }
}
