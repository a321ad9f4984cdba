// SPDX-License-Identifier: Apache-2.0
/** What the far node says of packets that came to it through a tunnel: ICMP errors and resets find their way back. */
import { describe, expect, test } from "bun:test";
import { type LabNode, nodes, type Pod, twoNodesTopology, waitFor } from "../../sdk/lab/index.ts";
import {
  applyBoth,
  bridgedDocument,
  type Encapsulation,
  type HookName,
  OverlayNodes,
  routedDocument,
  tunnelsResolved,
} from "./overlay_nodes.ts";
import { PYTHON } from "./pods_node.ts";
import { HTTP_SERVER, TCP_ERROR, UDP_ERROR } from "./pods_programs.ts";

const [a2, b2] = nodes.n2.pods;
/** Routed into the tunnel by n1, and unknown on n2. */
const NOWHERE4 = "10.97.200.1";
const NOWHERE6 = "fd00:97::200:1";

type Document = Record<string, object[]>;

interface Options {
  readonly encap: Encapsulation;
  readonly hook: HookName;
  readonly fabricMtu?: number;
  /** Fields of all workloads. */
  readonly fields?: object;
  readonly policies?: readonly object[];
}

async function start(name: string, o: Options): Promise<OverlayNodes> {
  const topology = twoNodesTopology(o.fabricMtu === undefined ? {} : { fabricMtu: o.fabricMtu });
  const overlay = await OverlayNodes.start({ name, topology });
  try {
    await applyBoth(overlay, (_, node) => {
      const document = routedDocument(overlay, node, { ...o, underlay: 4 }) as Document;
      const [route] = document["routes"] ?? [];
      const nowhere = [`${NOWHERE4}/32`, `${NOWHERE6}/128`].map((prefix) => ({ ...route, prefix }));
      return {
        ...document,
        routes: [...(document["routes"] ?? []), ...(node === nodes.n1 ? nowhere : [])],
        ...(o.policies === undefined ? {} : { policies: o.policies }),
      };
    });
    await tunnelsResolved(overlay);
    return overlay;
  } catch (error) {
    await overlay[Symbol.asyncDispose]();
    throw error;
  }
}

/** What one ping of pod a1 prints. */
async function ping(overlay: OverlayNodes, address: string, ...options: string[]): Promise<string> {
  return (await overlay.lab.exec("a1", ["ping", "-n", "-c", "1", "-W", "1", ...options, address])).stdout;
}

const underlayOf = (node: LabNode, address: string): string =>
  address.includes(":") ? node.underlay6 : node.underlay4;
const addressesOf = ({ ipv4, ipv6 }: Pod): string[] => [ipv4, ipv6];
const inUrl = (address: string): string => (address.includes(":") ? `[${address}]` : address);

const cases: Options[] = [
  { encap: "vxlan", hook: "tc" },
  { encap: "vxlan", hook: "xdp" },
  { encap: "mpls-udp", hook: "tc" },
  { encap: "mpls-gre", hook: "xdp" },
];

/** Errors get through it as what they are about does. */
const guarded = { name: "out", default: { ingress: "deny", egress: "allow" } };

const reject = { action: "reject", direction: "ingress", proto: "any" };

async function expectRejected(overlay: OverlayNodes): Promise<void> {
  for (const address of addressesOf(a2)) {
    const error = async (program: string) => (await overlay.run("a1", PYTHON, "-c", program, address, "7777")).trim();
    expect([address, await error(TCP_ERROR)]).toEqual([address, "ECONNREFUSED"]);
    const prohibited = address.includes(":") ? "EACCES" : "EHOSTUNREACH";
    expect([address, await error(UDP_ERROR)]).toEqual([address, prohibited]);
  }
}

describe("a sender behind a tunnel is told", () => {
  for (const o of cases) {
    const name = `er${o.encap.replace("mpls-", "")}${o.hook}`;
    test(`by ${o.encap} on the ${o.hook} hook that its TTL ran out, and that there is no route`, async () => {
      const allowed = ["icmp", "icmpv6"].map((proto) => ({ action: "allow", direction: "ingress", proto }));
      const policies = [{ ...guarded, rules: allowed }];
      await using overlay = await start(name, { ...o, fields: { policies: ["out"] }, policies });
      for (const address of addressesOf(a2)) {
        const local = address.includes(":") ? "fe80::1" : "169.254.1.1";
        expect(await ping(overlay, address, "-t", "1")).toMatch(
          new RegExp(`From ${local}.* (Time to live exceeded|Time exceeded: Hop limit)`),
        );
        expect(await ping(overlay, address, "-t", "2")).toMatch(
          new RegExp(`From ${underlayOf(nodes.n2, address)} .*(Time to live exceeded|Time exceeded: Hop limit)`),
        );
        expect(await ping(overlay, address, "-t", "3")).toContain(" 1 received");
      }
      for (const address of [NOWHERE4, NOWHERE6]) {
        expect(await ping(overlay, address)).toMatch(
          new RegExp(`From ${underlayOf(nodes.n2, address)} .*(Destination Net Unreachable|No route)`),
        );
      }
      expect(overlay.losses("ttl-expired", "no-route")).toEqual({});
    }, 60_000);

    test(`by ${o.encap} on the ${o.hook} hook what the tunnel and the far pod's link take, and TCP adapts`, async () => {
      const fields = { mssClamp: false };
      await using overlay = await start(`mtu${name}`, { ...o, fields, fabricMtu: 1400 });
      const overhead = { vxlan: 50, "mpls-udp": 32, "mpls-gre": 28 }[o.encap];
      for (const address of addressesOf(a2)) {
        expect(await ping(overlay, address, "-s", "1400", "-M", "do")).toMatch(
          new RegExp(`(Frag needed and DF set \\(mtu = ${1400 - overhead}\\)|Packet too big: mtu=${1400 - overhead})`),
        );
      }
      await overlay.run("a1", "ip", "route", "flush", "cache");
      for (const size of ["1400", "5000"]) {
        expect([size, await ping(overlay, a2.ipv4, "-s", size, "-M", "dont")]).toEqual([
          size,
          expect.stringContaining(" 1 received"),
        ]);
      }
      for (const [namespace, device] of [
        ["n2", "va2"],
        ["a2", "eth0"],
      ] as const) {
        await overlay.run(namespace, "ip", "link", "set", device, "mtu", "1300");
      }
      const narrow = () => overlay.plane("n2").tables.nexthops.get("va2")?.status["mtu"];
      await waitFor(
        async () => {
          await overlay.run("a1", "ip", "route", "flush", "cache");
          return /1300/.test(await ping(overlay, a2.ipv4, "-s", "1280", "-M", "do"));
        },
        { what: `the narrow link (${narrow()})`, timeoutMs: 5000 },
      );
      for (const address of addressesOf(a2)) {
        await overlay.run("a1", "ip", "route", "flush", "cache");
        await overlay.run("a1", "ip", "-6", "route", "flush", "cache");
        expect(await ping(overlay, address, "-s", "1280", "-M", "do")).toMatch(
          new RegExp(`From ${underlayOf(nodes.n2, address)}.*(\\(mtu = 1300\\)|mtu=1300)`),
        );
        expect(await ping(overlay, address, "-s", "1200", "-M", "do")).toContain(" 1 received");
      }
      const servers = (["a2", "b2"] as const).map((pod) =>
        overlay.lab.spawn(pod, [PYTHON, "-u", "-c", HTTP_SERVER, "80", "/usr/bin"]),
      );
      for (const server of servers) await server.waitForOutput(/ready/);
      const file = `/dev/shm/${name}-${process.pid}`;
      for (const address of [...addressesOf(a2), ...addressesOf(b2)]) {
        await overlay.run("a1", "ip", "route", "flush", "cache");
        await overlay.run("a1", "ip", "-6", "route", "flush", "cache");
        const upload = `head -c 1000000 /dev/urandom > ${file}; sha256sum < ${file}; curl -sf -m 10 -T ${file} http://${inUrl(address)}/x; rm ${file}`;
        const [sum, got] = (await overlay.run("a1", "sh", "-c", upload)).split(/\s+-?\s*/);
        expect([address, got]).toEqual([address, sum]);
      }
      for (const server of servers) await server.kill("SIGTERM");
    }, 60_000);

    test(`by ${o.encap} on the ${o.hook} hook that the far pod's policy rejects it`, async () => {
      const policies = [{ ...guarded, rules: [reject] }];
      await using overlay = await start(`rj${name}`, { ...o, fields: { policies: ["out"] }, policies });
      await expectRejected(overlay);
      expect(overlay.losses("policy-deny")).toEqual({});
    }, 60_000);
  }

  for (const o of cases) {
    test(`by ${o.encap} on the ${o.hook} hook that a pod on its own network rejects it`, async () => {
      const name = `rb${o.encap.replace("mpls-", "")}${o.hook}`;
      const pods = { encap: o.encap, hook: o.hook, macs: true, fields: { policies: ["out"] } };
      const [icmpv6, tcp] = ["icmpv6", "tcp"].map((proto) => ({ action: "allow", direction: "ingress", proto }));
      const policies = [{ ...guarded, rules: [icmpv6, { ...tcp, ports: [1] }, reject] }];
      await using overlay = await OverlayNodes.start({
        name: `l2${name}`,
        topology: twoNodesTopology({ bridged: true }),
      });
      await applyBoth(overlay, (_, node) => ({ ...bridgedDocument(overlay, node, pods), policies }));
      await tunnelsResolved(overlay);
      // Policy lets no ARP through, and there are no routes to answer for.
      for (const address of addressesOf(a2)) {
        await overlay.run("a1", "ip", "neighbour", "add", address, "lladdr", a2.mac, "dev", "eth0");
      }
      await expectRejected(overlay);
    }, 60_000);
  }
});
