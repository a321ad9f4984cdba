// SPDX-License-Identifier: Apache-2.0
/** Congestion marks out of a tunnel: all combinations of RFC 6040, normal mode. */

import { outerHeaders, tunnelCases } from "../pipeline_tunnels.ts";
import { B, FABRIC } from "./node.ts";
import { dropped, out, type PacketCase, type Topic } from "./packet_case.ts";

const V4 = (ttl: number, tos: number) => `IP(src=FAR4,dst=B4,ttl=${ttl},tos=${tos})/U`;
const V6 = (ttl: number, tc: number) => `IPv6(src=FAR6,dst=B6,hlim=${ttl},tc=${tc})/U`;

/** RFC 6040, figure 4: rows by the inner field, columns by the outer one (not-ECT, ECT(1), ECT(0), CE); -1: drop. */
const RFC6040 = [
  [0, 0, 0, -1],
  [1, 1, 1, 3],
  [2, 1, 2, 3],
  [3, 3, 3, 3],
] as const;

const NAMES = ["not-ECT", "ECT(1)", "ECT(0)", "CE"];

const marks: readonly PacketCase[] = RFC6040.flatMap((row, inner) =>
  row.flatMap((result, outer) =>
    [
      { o: tunnelCases[0], packet: V4, family: "IPv4 in IPv4" },
      { o: tunnelCases[0], packet: V6, family: "IPv6 in IPv4" },
      { o: tunnelCases[4], packet: V4, family: "IPv4 in IPv6" },
      { o: tunnelCases[3], packet: V6, family: "IPv6 in IPv6" },
    ].map(({ o, packet, family }): PacketCase => {
      if (o === undefined) throw new Error("no such tunnel");
      const left = o.encap === "vxlan" ? 63 : 64;
      return {
        name: `inner ${NAMES[inner]}, outer ${NAMES[outer]}, ${family}: ${result < 0 ? "drop" : NAMES[result]}`,
        on: FABRIC,
        packet: `${outerHeaders(o, { reverse: true, labelTtl: 64, tos: outer })}${o.encap === "vxlan" ? "/GATEWAYS" : ""}/${packet(64, 0xb8 | inner)}`,
        becomes: result < 0 ? dropped("ecn") : out(B, `ROUTED/${packet(left, 0xb8 | result)}`),
      };
    }),
  ),
);

export const congestion: readonly Topic[] = [{ name: "tunnels: congestion", cases: marks }];
