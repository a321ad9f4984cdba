// SPDX-License-Identifier: Apache-2.0
/** The state document of the demo: three pods in one VRF, and a policy that lets a, but not c, reach b. */

import { type Pod, pods } from "../../../sdk/lab/index.ts";

/** Port of the HTTP server in pod b. */
export const HTTP_PORT = 80;

/** The document that `weir serve -c` gets; `namespaceOf` names a pod's network namespace. */
export function demoState(namespaceOf: (pod: Pod) => string): object {
  const fromA = [`${pods.a.ipv4}/32`, `${pods.a.ipv6}/128`];
  return {
    node: { name: "demo" },
    vrfs: [{ name: "red" }],
    interfaces: Object.values(pods).map((pod) => ({
      name: pod.device,
      role: "workload",
      vrf: "red",
      mac: pod.mac,
      addresses: [pod.ipv4, pod.ipv6],
      netns: namespaceOf(pod),
      ...(pod === pods.b ? { policies: ["web"] } : {}),
    })),
    policies: [
      {
        name: "web",
        default: { ingress: "deny", egress: "allow" },
        rules: [
          { name: "http", action: "allow", direction: "ingress", proto: "tcp", ports: [HTTP_PORT], from: fromA },
          { name: "ping", action: "allow", direction: "ingress", proto: "icmp", types: [8], from: fromA },
          { name: "ping6", action: "allow", direction: "ingress", proto: "icmpv6", types: [128], from: fromA },
        ],
      },
    ],
  };
}
