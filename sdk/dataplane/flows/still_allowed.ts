// SPDX-License-Identifier: Apache-2.0
/**
 * Flows whose policy has changed. What it still allows goes on untouched: were its entries taken away, the next packet
 * might be an answer, which begins nothing, and which policy would judge as if it did.
 */
import {
  configCodec,
  FLOW_FLAG_REVERSE,
  FlowActionValue,
  flowEntryCodec,
  INGRESS_TUNNEL,
  interfaceCodec,
  nexthopCodec,
  type RawFlowKey,
} from "../../layout/index.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import type { JudgedPacket, Judgement } from "../../slowpath/index.ts";
import type { KernelTables } from "../kernel/tables.ts";
import { encodeFlowKey, reverseKey } from "./codec.ts";
import { packetOf } from "./judged_packet.ts";

/** Asked what policy says, without anything coming of it. */
export interface PolicyJudge {
  judge(packet: JudgedPacket): Judgement;
}

/** The direction of a flow that began it. */
interface Begun {
  readonly key: RawFlowKey;
  readonly entry: DataView;
}

type Tables = Pick<KernelTables, "config" | "interfaces" | "nexthops">;

export class StillAllowed {
  readonly #tables: Tables;
  readonly #judge: PolicyJudge;

  constructor(tables: Tables, judge: PolicyJudge) {
    this.#tables = tables;
    this.#judge = judge;
  }

  /** Numbers of the interfaces that an entry's packets come from and go to; 0: none, a tunnel. */
  ends(entry: DataView): readonly [from: number, to: number] {
    const { nexthops } = this.#tables;
    const ingress = flowEntryCodec.ingress.get(entry, 0);
    const nexthop = flowEntryCodec.nexthop.get(entry, 0);
    const to = nexthop === 0 ? 0 : nexthopCodec.interface.get(nexthops.view, nexthops.at(nexthop));
    return [(ingress & INGRESS_TUNNEL) === 0 ? ingress : 0, to];
  }

  /** Whether policy allows an established pair as before, with the same copies. `map`: the table of its family. */
  keeps(map: BpfMap, key: RawFlowKey, value: Uint8Array): boolean {
    const begun = beginning(map, key, value);
    // Of a pair that is just being written, by the policy in force, this is the half that comes first.
    if (begun === undefined) return this.#isNew(value);
    const [from, to] = this.ends(begun.entry);
    const { action, mirror } = this.#judge.judge({
      ...packetOf(begun.key),
      egressSet: this.#policyOf(from),
      ingressSet: this.#policyOf(to),
    });
    return action === "allow" && mirror === flowEntryCodec.mirror.get(begun.entry, 0);
  }

  #isNew(value: Uint8Array): boolean {
    const entry = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const { config } = this.#tables;
    return (
      flowEntryCodec.action.get(entry, 0) === FlowActionValue.forward &&
      flowEntryCodec.revision.get(entry, 0) === configCodec.revision.get(config.view, 0)
    );
  }

  #policyOf(id: number): number {
    const { interfaces } = this.#tables;
    return id === 0 ? 0 : interfaceCodec.policy.get(interfaces.view, interfaces.at(id));
  }
}

/** `undefined`: what the pair is was no policy's decision, or is not known any more. */
function beginning(map: BpfMap, key: RawFlowKey, value: Uint8Array): Begun | undefined {
  const entry = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (flowEntryCodec.action.get(entry, 0) !== FlowActionValue.forward) return undefined;
  if ((flowEntryCodec.flags.get(entry, 0) & FLOW_FLAG_REVERSE) === 0) return { key, entry };
  const other = { ...reverseKey(key), vrf: flowEntryCodec.reverseVrf.get(entry, 0) || key.vrf };
  const found = new Uint8Array(map.valueBytes);
  if (!map.lookup(encodeFlowKey(other), found)) return undefined;
  const view = new DataView(found.buffer);
  const generation = flowEntryCodec.generation.get(entry, 0);
  return flowEntryCodec.generation.get(view, 0) === generation ? { key: other, entry: view } : undefined;
}
