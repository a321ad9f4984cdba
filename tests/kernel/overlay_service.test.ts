// SPDX-License-Identifier: Apache-2.0
/** A service interface: one device, a VRF for each tag; and what XDP takes out of tunnels for such a pod's stack. */
import { describe, expect, test } from "bun:test";
import { GATEWAY_MAC, nodes, twoNodesTopology } from "../../sdk/lab/index.ts";
import { applyBoth, OverlayNodes, routedDocument, tunnelsResolved } from "./overlay_nodes.ts";
import { Capture } from "./overlay_support.ts";
import { PYTHON } from "./pods_node.ts";
import { HTTP_SERVER } from "./pods_programs.ts";
import { taggedPing } from "./tagged_ping.ts";

const [a1, b1] = nodes.n1.pods;
const [a2] = nodes.n2.pods;
const RIGHT_HOST = "10.88.0.2";
const MANAGER = "10.88.0.3";
const OWN = "10.99.0.30";

/** Sends what comes by tag 10 on by tag 20, and the other way round, as a firewall in the path would. */
const SERVICE = `
import socket, struct
mac = lambda text: bytes.fromhex(text.replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0))
s.setsockopt(263, 8, 1)
print("ready", flush=True)
while True:
    frame, ancillary, _, address = s.recvmsg(2048, 256)
    status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", ancillary[0][2])
    if address[2] == 4 or not status & 0x10 or frame[:6] != mac("${a1.mac}") or frame[12:14] != b"\\x08\\x00": continue
    other = {10: 20, 20: 10}.get(tci & 0xfff)
    if other is None: continue
    s.send(mac("${GATEWAY_MAC}") + mac("${a1.mac}") + struct.pack("!HHH", 0x8100, other, 0x0800) + frame[14:])
    print("passed", flush=True)
`;

for (const hook of ["tc", "xdp"] as const) {
  describe(`on the ${hook} hook`, () => {
    test("three tags of a service's device are in three VRFs, and a service is passed in by one, out by another", async () => {
      await using overlay = await OverlayNodes.start({ name: `svc${hook}`, topology: twoNodesTopology() });
      await applyBoth(overlay, (_, node) => {
        const document = routedDocument(overlay, node, { encap: "vxlan", hook, underlay: 4 }) as Record<
          string,
          object[]
        >;
        const fabric = (document["interfaces"] ?? []).filter((one) => "role" in one && one.role === "fabric");
        const vrfs = ["red", "left", "right", "manage"].map((name) => ({ name }));
        const vnis = [
          { vni: 78, vrf: "right" },
          { vni: 79, vrf: "manage" },
        ];
        const common = { ...document, vrfs, vnis };
        if (node === nodes.n2) {
          const [far, manager] = node.pods.map((pod) => overlay.workload(pod, { hook }));
          return {
            ...common,
            interfaces: [
              ...fabric,
              { ...far, vrf: "right", addresses: [RIGHT_HOST] },
              { ...manager, vrf: "manage", addresses: [MANAGER] },
            ],
            routes: [
              { vrf: "right", prefix: `${b1.ipv4}/32`, via: "to-n1", vni: 78 },
              { vrf: "manage", prefix: `${OWN}/32`, via: "to-n1", vni: 79 },
            ],
          };
        }
        const [service, client] = node.pods.map((pod) => overlay.workload(pod, { hook }));
        const tag = { role: "workload", parent: "va1", mac: a1.mac };
        return {
          ...common,
          interfaces: [
            ...fabric,
            service,
            { ...client, vrf: "left" },
            // What goes through the service is not its own.
            { ...tag, name: "va1.10", vlan: 10, vrf: "left", sourceCheck: false },
            { ...tag, name: "va1.20", vlan: 20, vrf: "right", sourceCheck: false },
            { ...tag, name: "va1.30", vlan: 30, vrf: "manage", addresses: [OWN] },
          ],
          routes: [
            { vrf: "left", prefix: `${RIGHT_HOST}/32`, via: "va1.10" },
            { vrf: "right", prefix: `${b1.ipv4}/32`, via: "va1.20" },
            { vrf: "right", prefix: `${RIGHT_HOST}/32`, via: "to-n2", vni: 78 },
            { vrf: "manage", prefix: `${MANAGER}/32`, via: "to-n2", vni: 79 },
          ],
        };
      });
      await tunnelsResolved(overlay);
      await overlay.run("a2", "ip", "address", "add", `${RIGHT_HOST}/32`, "dev", "eth0");
      await overlay.run("b2", "ip", "address", "add", `${MANAGER}/32`, "dev", "eth0");

      expect(await overlay.received("b1", RIGHT_HOST)).toBe(0);
      const service = overlay.lab.spawn("a1", [PYTHON, "-c", SERVICE]);
      await service.waitForOutput(/ready/);
      expect([await overlay.received("b1", RIGHT_HOST), overlay.losses()]).toEqual([3, {}]);
      // Three requests and three answers.
      await service.waitForOutput(/(passed\s+){6}/);
      await service.kill("SIGTERM");

      const own = (vlan: number) =>
        taggedPing(overlay.lab, { namespace: "a1", vlan, mac: a1.mac, source: OWN, destination: MANAGER });
      expect(await own(30)).toBe(3);
      expect(await own(10)).toBe(0);
      expect(overlay.drops()["n1 va1.10 no-route"]).toBe(3);
    }, 60_000);
  });
}

test("what XDP takes out of a tunnel is merged before the pod's stack gets it", async () => {
  await using overlay = await OverlayNodes.start({ name: "merge", topology: twoNodesTopology() });
  await applyBoth(overlay, (_, node) => routedDocument(overlay, node, { encap: "vxlan", hook: "xdp", underlay: 4 }));
  await tunnelsResolved(overlay);
  // As a NIC has it; a veth is made without.
  await overlay.run("n2", "ethtool", "-K", "f0", "gro", "on");
  const server = overlay.lab.spawn("a2", [PYTHON, "-u", "-c", HTTP_SERVER, "80", "/usr/bin"]);
  await server.waitForOutput(/ready/);
  const file = `/dev/shm/merge-${process.pid}`;
  using capture = await Capture.start(overlay.lab, "a2", "eth0", "tcp dst port 80");
  const upload = `head -c 4000000 /dev/urandom > ${file}; sha256sum < ${file}; curl -sf -m 10 -T ${file} http://${a2.ipv4}/x; rm ${file}`;
  const [sum, got] = (await overlay.run("a1", "sh", "-c", upload)).split(/\s+-?\s*/);
  expect(got).toBe(sum ?? "");
  await capture.stop();
  const lengths = capture.frames().map((frame) => frame.byteLength);
  // The fabric carried none that is longer than the pods' MTU.
  expect(Math.max(...lengths)).toBeGreaterThan(2 * 1514);
  await server.kill("SIGTERM");
}, 60_000);
