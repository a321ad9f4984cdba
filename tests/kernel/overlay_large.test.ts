// SPDX-License-Identifier: Apache-2.0
/** Jumbo frames through tunnels; on the XDP hook they are packets of several buffers. */
import { describe, expect, test } from "bun:test";
import { nodes, twoNodesTopology } from "../../sdk/lab/index.ts";
import {
  applyBoth,
  type Encapsulation,
  type HookName,
  OverlayNodes,
  routedDocument,
  tunnelsResolved,
} from "./overlay_nodes.ts";
import { tcpEcho } from "./tcp_echo.ts";

const [a1] = nodes.n1.pods;
const [a2] = nodes.n2.pods;

describe("packets of 9000 bytes go through a tunnel whole", () => {
  const cases: readonly (readonly [Encapsulation, HookName, 4 | 6])[] = [
    ["vxlan", "tc", 4],
    ["mpls-udp", "xdp", 6],
  ];
  for (const [encap, hook, underlay] of cases) {
    test(`by ${encap} on the ${hook} hook over IPv${underlay}`, async () => {
      const topology = twoNodesTopology({ mtu: 9000, fabricMtu: 9100 });
      await using overlay = await OverlayNodes.start({ name: `jumbo${encap.replace("mpls-", "")}`, topology });
      await applyBoth(overlay, (_, node) => routedDocument(overlay, node, { encap, hook, underlay }));
      await tunnelsResolved(overlay);
      for (const [address, size] of [
        [a2.ipv4, "8972"],
        [a2.ipv6, "8952"],
      ] as const) {
        const pinged = await overlay.run(
          a1.name,
          "ping",
          "-n",
          "-c",
          "2",
          "-i",
          "0.1",
          "-W",
          "1",
          "-M",
          "do",
          "-s",
          size,
          address,
        );
        expect([address, pinged]).toEqual([address, expect.stringContaining(" 2 received")]);
        expect(await tcpEcho(overlay.lab, { client: a1.name, server: a2.name, address })).toBe("same");
      }
      expect(overlay.losses()).toEqual({});
    }, 60_000);
  }
});
