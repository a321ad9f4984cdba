// SPDX-License-Identifier: Apache-2.0
/** The state document of the demo: three pods in one VRF, and a policy that lets a, but not c, reach b. */

/** What the demo needs to know of a pod. */
export interface Pod {
  readonly name: "a" | "b" | "c";
  readonly device: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

export const pods = {
  a: { name: "a", device: "va", ipv4: "10.97.0.1", ipv6: "fd00:97::1", mac: "02:00:00:00:01:01" },
  b: { name: "b", device: "vb", ipv4: "10.97.0.2", ipv6: "fd00:97::2", mac: "02:00:00:00:01:02" },
  c: { name: "c", device: "vc", ipv4: "10.97.0.3", ipv6: "fd00:97::3", mac: "02:00:00:00:01:03" },
} as const satisfies Record<string, Pod>;

/** Port of the HTTP server in pod b. */
export const httpPort = 80;

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
      ...(pod.name === "b" ? { policies: ["web"] } : {}),
    })),
    policies: [
      {
        name: "web",
        default: { ingress: "deny", egress: "allow" },
        rules: [
          { name: "http", action: "allow", direction: "ingress", proto: "tcp", ports: [httpPort], from: fromA },
          { name: "ping", action: "allow", direction: "ingress", proto: "icmp", types: [8], from: fromA },
          { name: "ping6", action: "allow", direction: "ingress", proto: "icmpv6", types: [128], from: fromA },
        ],
      },
    ],
  };
}
