// SPDX-License-Identifier: Apache-2.0
/** The host's own processes and pods of another node: through tunnels, and back. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type LabNode, type LabProcess, nodes, twoNodesTopology } from "../../sdk/lab/index.ts";
import { curl, serveHttp } from "./host_node.ts";
import { type NodeName, OverlayNodes, otherNode, routedDocument, tunnelsResolved, VNI } from "./overlay_nodes.ts";
import { Capture, complaints, fieldsOf } from "./overlay_support.ts";
import { type Hook, hooks } from "./pods_node.ts";
import { tcpEcho } from "./tcp_echo.ts";

const [a2] = nodes.n2.pods;

setDefaultTimeout(60_000);

/** Address of a node's own stack in VRF `red`, IPv6; of IPv4 it is the underlay's. */
const host6 = (node: LabNode): string => node.underlay6;

/** The hosts are in the VRF by their underlay addresses; the other one's is behind its tunnel. */
function document(overlay: OverlayNodes, node: LabNode, hook: Hook): object {
  const base = routedDocument(overlay, node, { encap: "vxlan", hook, underlay: 4 }) as {
    interfaces: object[];
    routes: object[];
  };
  const far = otherNode(node);
  const to = { vrf: "red", via: `to-${far.name}`, vni: VNI };
  return {
    ...base,
    policies: [{ name: "open", default: "allow" }],
    interfaces: [
      ...base.interfaces,
      { name: "lo", role: "host", vrf: "red", addresses: [node.underlay4, host6(node)], policies: ["open"] },
    ],
    routes: [...base.routes, { ...to, prefix: `${far.underlay4}/32` }, { ...to, prefix: `${host6(far)}/128` }],
  };
}

describe.each(hooks)("the host's own stack over VXLAN, on the %s hook", (hook) => {
  let overlay: OverlayNodes;
  const servers: LabProcess[] = [];

  beforeAll(async () => {
    overlay = await OverlayNodes.start({ name: `host${hook}`, topology: twoNodesTopology() });
    for (const node of [nodes.n1, nodes.n2]) {
      await overlay.plane(node.name as NodeName).apply(document(overlay, node, hook));
    }
    await tunnelsResolved(overlay);
    servers.push(await serveHttp(overlay.lab, "a2", 8080), await serveHttp(overlay.lab, "n1", 8000));
  });
  afterAll(async () => {
    for (const server of servers) server.signal("SIGKILL");
    await overlay?.[Symbol.asyncDispose]();
  });

  test.each([
    ["IPv4", a2.ipv4, nodes.n1.underlay4],
    ["IPv6", a2.ipv6, host6(nodes.n1)],
  ])(
    "a process of the host reaches a pod of the other node, and that a service of the host, over %s",
    async (_, pod, host) => {
      using capture = await Capture.start(overlay.lab, "n1", "f0", "udp port 4789");
      expect(await curl(overlay.lab, "n1", pod, 8080)).toBe("200");
      expect(await curl(overlay.lab, "a2", host, 8000)).toBe("200");
      expect((await overlay.lab.ping("n1", pod)).received).toBe(1);
      await capture.stop();
      const outer = fieldsOf(capture.frames(), "vxlan.vni", "ip.src");
      expect(outer.every((fields) => fields["vxlan.vni"][0] === String(VNI))).toBe(true);
      expect(outer.some((fields) => fields["ip.src"][0] === nodes.n1.underlay4)).toBe(true);
      expect(overlay.losses()).toEqual({});
    },
  );

  test("streams of large segments arrive whole", async () => {
    expect(await tcpEcho(overlay.lab, { client: "n1", server: "a2", address: a2.ipv4 })).toBe("same");
  });

  test("what the nodes say to each other on the fabric is not led into the tunnel", async () => {
    using capture = await Capture.start(overlay.lab, "n2", "f0", "icmp or icmp6");
    for (const address of [nodes.n2.underlay4, nodes.n2.underlay6]) {
      expect((await overlay.lab.ping("n1", address)).received).toBe(1);
    }
    await capture.stop();
    expect(
      fieldsOf(capture.frames(), "icmp.type", "icmpv6.type").map((f) => [...f["icmp.type"], ...f["icmpv6.type"]][0]),
    ).toEqual(expect.arrayContaining(["8", "0", "128", "129"]));
    expect(complaints(capture.frames())).toEqual([]);
    const routes = (await overlay.lab.exec("n1", ["ip", "route"])).stdout;
    expect(routes).toContain(`${a2.ipv4} nhid`);
    expect(routes).not.toContain(`${nodes.n2.underlay4} nhid`);
  });
});
