// SPDX-License-Identifier: Apache-2.0
/** Pods and node's ends with other MTUs than Ethernet's, and with different ones, over both hooks. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { GATEWAY4, GATEWAY6, NODE, pods } from "../../sdk/lab/index.ts";
import { type Hook, hooks, inUrl, PodsNode } from "./pods_node.ts";
import { HTTP_SERVER } from "./pods_programs.ts";

const { b } = pods;
const addresses = [b.ipv4, b.ipv6];
const policies = [{ name: "open", default: "allow" }];
const policed = { a: { policies: ["open"] }, b: { policies: ["open"] } };
const JUMBO = 9000;

setDefaultTimeout(60_000);

for (const hook of hooks) describeHook(hook);

function describeHook(hook: Hook): void {
  describe(`the MTU on the ${hook} hook`, () => {
    const setMtu = (node: PodsNode, namespace: string, device: string, mtu: number) => {
      const { status, stderr } = node.lab.execSync(namespace, ["ip", "link", "set", device, "mtu", String(mtu)]);
      if (status !== 0) throw new Error(stderr);
    };

    const ping = async (node: PodsNode, address: string, sizeBytes: number, identifier?: number) => {
      const o = { sizeBytes, dontFragment: true, timeoutMs: 300, ...(identifier === undefined ? {} : { identifier }) };
      return await node.lab.ping("a", address, o);
    };

    test("may be a jumbo one, with and without policy", async () => {
      await using node = await PodsNode.start({ name: "jumbo", hook, mtu: JUMBO });
      await node.dp.apply(node.document());
      for (const address of addresses) {
        for (const size of [1000, 2000, 4000, 8900]) {
          expect([address, size, (await ping(node, address, size)).received]).toEqual([address, size, 1]);
        }
      }
      await node.dp.apply(node.document(policed, { policies }));
      for (const [index, address] of addresses.entries()) {
        // The first packet of the flow is small; the slow path sees no other.
        for (const size of [56, 1000, 2000, 4000, 8900]) {
          const { received } = await ping(node, address, size, 500 + index);
          expect([address, size, received]).toEqual([address, size, 1]);
        }
      }
    });

    test("may make the first packet of a flow larger than a frame of the slow path", async () => {
      await using node = await PodsNode.start({ name: "first", hook, mtu: JUMBO });
      await node.dp.apply(node.document(policed, { policies }));
      for (const address of addresses) {
        for (const size of [1700, 2000, 8900]) {
          expect([address, size, (await ping(node, address, size)).received]).toEqual([address, size, 1]);
        }
      }
    });

    test("of the way out is told to the sender, and TCP adapts", async () => {
      await using node = await PodsNode.start({ name: "path", hook });
      setMtu(node, NODE, "vb", 1300);
      setMtu(node, "b", "eth0", 1300);
      await node.dp.apply(node.document(policed, { policies }));
      for (const [address, gateway] of [
        [b.ipv4, GATEWAY4],
        [b.ipv6, GATEWAY6],
      ] as const) {
        const before = node.dropped("va", "packet-too-big");
        const first = await ping(node, address, 1400);
        expect(first.output).toMatch(
          new RegExp(`From ${gateway}.*(Frag needed and DF set \\(mtu = 1300\\)|Packet too big: mtu=1300)`),
        );
        expect(node.dropped("va", "packet-too-big") - before).toBe(1);
        // The sender remembers.
        expect((await ping(node, address, 1400)).output).toMatch(/[Mm]essage too long.*1300|mtu=1300/);
        expect((await ping(node, address, 1200)).received).toBe(1);
      }
      node.lab.execSync("a", ["ip", "route", "flush", "cache"]);
      // What may be fragmented is, also what its sender has fragmented already; policy knows the ports of all pieces.
      for (const size of ["1400", "5000"]) {
        const argv = ["ping", "-n", "-c", "1", "-W", "1", "-M", "dont", "-s", size, b.ipv4];
        const { stdout } = await node.lab.exec("a", argv);
        expect([size, stdout]).toEqual([size, expect.stringContaining(" 1 received")]);
      }
      await using _ = await node.serve("b", HTTP_SERVER, "80", "/usr/bin");
      for (const address of addresses) {
        const upload = `head -c 3000000 /dev/urandom > /dev/shm/${node.instance}; sha256sum < /dev/shm/${node.instance}; curl -sf -m 10 -T /dev/shm/${node.instance} http://${inUrl(address)}/x; rm /dev/shm/${node.instance}`;
        const [sum, got] = (await node.lab.exec("a", ["sh", "-c", upload])).stdout.split(/\s+-?\s*/);
        expect([address, got]).toEqual([address, sum]);
      }
    });

    test("of a pod may be larger than that of the node's end", async () => {
      await using node = await PodsNode.start({ name: "peer", hook });
      setMtu(node, "a", "eth0", JUMBO);
      await node.dp.apply(node.document());
      expect(node.dp.tables.interfaces.get("va")?.status).toMatchObject({ hook, state: "up" });
      // Steady pings tell that applying again detaches nothing.
      await using steady = node.lab.spawn("a", ["ping", "-n", "-i", "0.01", "-s", "1000", b.ipv4]);
      await steady.waitForOutput(/icmp_seq=10 /);
      await node.dp.apply(node.document({ a: { gateways: [GATEWAY4, GATEWAY6, "169.254.1.9"] } }));
      await node.dp.apply(node.document());
      expect((await ping(node, b.ipv6, 1000)).received).toBe(1);
      const { stdout } = await steady.kill("SIGINT");
      expect(stdout).toContain(" 0% packet loss");
    });
  });
}
