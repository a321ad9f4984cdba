// SPDX-License-Identifier: Apache-2.0
/** Role host on another device than the loopback interface. */
import { expect, test } from "bun:test";
import { curl, HOST4, HOST6, hostDocument, NODE, PodsNode, pods, serveHttp } from "./host_node.ts";
import { hooks } from "./pods_node.ts";

test.each(hooks)(
  "the host's stack may be on a device that asks for no neighbours, pods on the %s hook",
  async (hook) => {
    await using node = await PodsNode.start({ name: `hdev${hook}`, hook });
    const ip = (...words: string[]) => node.lab.exec(NODE, ["ip", "link", ...words]);
    await ip("add", "hx", "type", "veth", "peer", "name", "hy");
    for (const device of ["hx", "hy"]) await ip("set", device, "up");
    const document = hostDocument(node, { name: "hx" });
    expect(node.dp.apply(document)).rejects.toThrow(
      '/interfaces/3/name names device "hx", on which the kernel asks for the MACs of workloads, and nobody answers; run: ip link set hx arp off, or use lo',
    );
    await ip("set", "hx", "arp", "off");
    await node.dp.apply(document);
    await using _host = await serveHttp(node.lab, NODE, 8000);
    await using _pod = await serveHttp(node.lab, "c", 8080);
    for (const address of [pods.c.ipv4, pods.c.ipv6]) expect(await curl(node.lab, NODE, address, 8080)).toBe("200");
    for (const address of [HOST4, HOST6]) expect(await curl(node.lab, "a", address, 8000)).toBe("200");
    expect(await curl(node.lab, "b", HOST4, 8000, 1)).toBe("000");
  },
);
