// SPDX-License-Identifier: Apache-2.0
/** A node whose own stack is an interface beside its pods, for the tests of role host. */
import { type Lab, type LabProcess, NODE, pods } from "../../sdk/lab/index.ts";
import { inUrl, PodsNode, PYTHON } from "./pods_node.ts";
import { HTTP_SERVER } from "./pods_programs.ts";

/** The host's addresses in VRF `red`. */
export const HOST4 = "10.97.255.1";
export const HOST6 = "fd00:97::ff:1";

/** Pod A may ask for port 8000 of the host, and everybody may ping it. */
export const hostPolicy = {
  name: "services",
  default: { ingress: "deny", egress: "allow" },
  rules: [
    {
      name: "web",
      action: "allow",
      direction: "ingress",
      proto: "tcp",
      ports: [8000],
      from: [`${pods.a.ipv4}/32`, `${pods.a.ipv6}/128`],
    },
    { name: "ping", action: "allow", direction: "ingress", proto: "icmp", types: [8] },
    { name: "ping6", action: "allow", direction: "ingress", proto: "icmpv6", types: [128] },
  ],
};

/** The interface of the host, with `fields` besides or instead. */
export const hostInterface = (fields: object = {}): object => ({
  name: "lo",
  role: "host",
  vrf: "red",
  addresses: [HOST4, HOST6],
  policies: ["services"],
  ...fields,
});

/** All pods and the host in VRF `red`. */
export function hostDocument(node: PodsNode, fields: object = {}, rest: object = {}): object {
  const document = node.document({}, { policies: [hostPolicy], ...rest }) as { interfaces: object[] };
  return { ...document, interfaces: [...document.interfaces, hostInterface(fields)] };
}

/** Starts a web server; `namespace` is a pod's, or the node's. */
export async function serveHttp(lab: Lab, namespace: string, port: number): Promise<LabProcess> {
  const process = lab.spawn(namespace, [PYTHON, "-u", "-c", HTTP_SERVER, String(port), "/proc/self/net"]);
  await process.waitForOutput(/ready/, { timeoutMs: 10_000 });
  return process;
}

/** Status of the answer to a request; `000`: there was none. */
export async function curl(lab: Lab, from: string, address: string, port: number, seconds = 3): Promise<string> {
  const url = `http://${inUrl(address)}:${port}/dev`;
  const argv = ["curl", "-s", "-m", String(seconds), "-o", "/dev/null", "-w", "%{http_code}", url];
  return (await lab.exec(from, argv)).stdout;
}

export { NODE, PodsNode, pods };
