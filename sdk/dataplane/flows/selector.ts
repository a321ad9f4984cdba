// SPDX-License-Identifier: Apache-2.0

import { contains, type Prefix, parsePrefix } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import type { RawFlowKey } from "../../layout/index.ts";
import type { Ids } from "../state/ids.ts";
import { protocolNumber } from "./codec.ts";
import type { FlowSelector } from "./types.ts";

/** Tells whether a key is selected. */
export type Match = (key: RawFlowKey) => boolean;

function wrong(field: string, value: unknown, expected: string): WeirError {
  return new WeirError({
    code: "EINVAL",
    operation: "select flows",
    reason: `${field} is ${JSON.stringify(value)}, which is no ${expected}`,
    field: `/${field}`,
  });
}

/** @throws WeirError `EINVAL` for a field that cannot be understood. */
export function matcher(selector: FlowSelector, ids: Ids): Match {
  const { vrf, proto, sport, dport } = selector;
  const vrfId = vrf === undefined ? undefined : ids.vrf.get(vrf);
  // A VRF without a number has no flows.
  if (vrf !== undefined && vrfId === undefined) return () => false;
  const protocol = proto === undefined ? undefined : protocolNumber(proto);
  if (proto !== undefined && protocol === undefined) throw wrong("proto", proto, "protocol");
  const source = prefixOf("src", selector.src);
  const destination = prefixOf("dst", selector.dst);
  return (key) =>
    (vrfId === undefined || key.vrf === vrfId) &&
    (protocol === undefined || key.protocol === protocol) &&
    (sport === undefined || key.sourcePort === sport) &&
    (dport === undefined || key.destinationPort === dport) &&
    (source === undefined || contains(source, { family: key.family, bytes: key.source })) &&
    (destination === undefined || contains(destination, { family: key.family, bytes: key.destination }));
}

function prefixOf(field: "src" | "dst", text: string | undefined): Prefix | undefined {
  if (text === undefined) return undefined;
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw wrong(field, text, "address or prefix");
  return prefix;
}
