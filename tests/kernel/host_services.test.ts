// SPDX-License-Identifier: Apache-2.0
/** Services of the host under addresses of their own: metadata for pods, over both families, by policy. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { LabProcess } from "../../sdk/lab/index.ts";
import { curl, hostDocument, NODE, PodsNode, pods, serveHttp } from "./host_node.ts";
import { hooks, PYTHON } from "./pods_node.ts";

const { a } = pods;

/** Where instances look for their metadata; the IPv6 one is OpenStack's. */
const METADATA4 = "169.254.169.254";
const METADATA6 = "fe80::a9fe:a9fe";
const SERVICE6 = "fd00:ec2::254";

/** Tells each who asks from where it came, over TCP (one line) and UDP. */
const WHO = `
import socket, sys, threading
def tcp(address, port):
    s = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    while True:
        c, peer = s.accept()
        c.sendall(("%s\\n" % peer[0]).encode())
        c.close()
def udp(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, port))
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(peer[0].encode(), peer)
for address in ("127.0.0.1", "::1"): threading.Thread(target=tcp, args=(address, 8775)).start()
threading.Thread(target=udp, args=("127.0.0.1", 5353)).start()
print("ready")
`;
const ASK_TCP = `
import socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
print(c.getpeername()[0].split("%")[0], c.makefile().readline().strip())
`;
const ASK_UDP = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.connect((sys.argv[1], 53))
s.send(b"?")
print(s.recv(2048).decode())
`;

setDefaultTimeout(30_000);

describe.each(hooks)("services of the host for pods on the %s hook", (hook) => {
  let node: PodsNode;
  const servers: LabProcess[] = [];
  const rule = (proto: string, port: number) => ({ action: "allow", direction: "ingress", proto, ports: [port] });
  const policies = [
    {
      name: "services",
      default: { ingress: "deny", egress: "allow" },
      rules: [rule("tcp", 80), rule("udp", 53)],
    },
  ];
  const local4 = { address: "127.0.0.1", port: 8775 };
  const local6 = { address: "::1", port: 8775 };
  const services = [
    { name: "metadata", address: METADATA4, port: 80, backend: local4 },
    { name: "closed", address: METADATA4, port: 81, backend: local4 },
    { name: "dns", address: "169.254.20.10", port: 53, proto: "udp", backend: { address: "127.0.0.1", port: 5353 } },
    { address: SERVICE6, port: 80, backend: local6 },
    { address: METADATA6, port: 80, backend: local6 },
  ];

  beforeAll(async () => {
    node = await PodsNode.start({ name: "hostsvc", hook });
    await node.dp.apply(hostDocument(node, { services }, { policies }));
    const who = node.lab.spawn(NODE, [PYTHON, "-u", "-c", WHO]);
    await who.waitForOutput(/ready/, { timeoutMs: 10_000 });
    servers.push(who, await serveHttp(node.lab, NODE, 8000));
  });
  afterAll(async () => {
    for (const server of servers) server.signal("SIGKILL");
    await node?.[Symbol.asyncDispose]();
  });

  test.each([
    ["a link-local IPv4 address", METADATA4, a.ipv4],
    ["an IPv6 address", SERVICE6, a.ipv6],
  ])("%s is a port of the host's loopback, which sees the pod's own address", async (_, service, pod) => {
    expect(await node.python("a", ASK_TCP, service, "80")).toBe(`${service} ${pod}\n`);
    const [flow] = [...node.dp.flows.entries({ dst: service, proto: "tcp", dport: 80 })];
    expect(flow).toMatchObject({ action: "nat", nexthop: "lo", policy: "services" });
  });

  test("from a link-local address a pod comes as the first of its own", async () => {
    expect(await node.python("a", ASK_TCP, `${METADATA6}%eth0`, "80")).toBe(`${METADATA6} ${a.ipv6}\n`);
  });

  test("datagrams too", async () => {
    expect(await node.python("a", ASK_UDP, "169.254.20.10")).toBe(`${a.ipv4}\n`);
  });

  test("a trace tells what becomes of a new flow", () => {
    const trace = (dst: string, dport: number) => node.dp.trace("vc", { proto: "tcp", src: pods.c.ipv4, dst, dport });
    const { verdict, steps } = trace(METADATA4, 80);
    expect([verdict, steps.find(({ stage }) => stage === "nat")]).toMatchObject([
      "host",
      { key: { src: pods.c.ipv4, dst: "127.0.0.1", dport: 8775 } },
    ]);
    expect(trace(METADATA4, 81)).toMatchObject({ verdict: "drop", reason: "policy-deny" });
    expect(trace("169.254.20.10", 80)).toMatchObject({ verdict: "drop", reason: "no-service" });
  });

  test("policy judges what the pod asks for, and other ports of the address are no service", async () => {
    expect(await curl(node.lab, "b", METADATA4, 81, 0.3)).toBe("000");
    expect(node.dropped("vb", "policy-deny")).toBeGreaterThan(0);
    const open = [{ name: "services", default: "allow" }];
    await node.dp.apply(hostDocument(node, { services }, { policies: open }));
    expect(await node.python("b", ASK_TCP, METADATA4, "81")).toBe(`${METADATA4} ${pods.b.ipv4}\n`);
    expect(await curl(node.lab, "b", METADATA4, 8000, 0.3)).toBe("000");
    expect(node.dropped("vb", "no-service")).toBeGreaterThan(0);
    await node.dp.apply(hostDocument(node, { services }, { policies }));
  });

  test("a service that leaves the state ends, and the host's stack is as it was", async () => {
    const localnet = async () =>
      (await node.lab.exec(NODE, ["sysctl", "-n", "net.ipv4.conf.lo.route_localnet"])).stdout.trim();
    expect(await localnet()).toBe("1");
    await node.dp.apply(hostDocument(node, { services: services.slice(3) }, { policies }));
    expect([await localnet(), [...node.dp.flows.entries({ dst: METADATA4 })]]).toEqual(["0", []]);
    expect(await node.python("c", ASK_TCP, SERVICE6, "80")).toBe(`${SERVICE6} ${pods.c.ipv6}\n`);
  });
});
