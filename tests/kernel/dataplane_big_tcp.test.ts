// SPDX-License-Identifier: Apache-2.0
/** BIG TCP: limits that are raised and restored, and packets of more than 64 KiB that arrive intact wherever they go. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { kernelAtLeast } from "../../sdk/dataplane/device/preflight.ts";
import { NODE, pods } from "../../sdk/lab/index.ts";
import { DataPlaneNode, type PodName } from "./dataplane_node.ts";

const LONGEST = 196_608;
const DEFAULT = 65_536;
/** Before Linux 6.3 there are no limits of more than 64 KiB for IPv4. */
const IPV4 = kernelAtLeast(6, 3) ? LONGEST : DEFAULT;
const RAISED = { ipv4: IPV4, ipv6: LONGEST };

const open = { name: "open", default: "allow" };
const policed = { a: { policies: ["open"] }, b: { policies: ["open"] }, c: { policies: ["open"] } };

// Emulated CPUs take their time.
setDefaultTimeout(300_000);

/** `PORT`: takes one connection of either family; prints the SHA-256 of what came. */
const RECEIVER = `
import hashlib, socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
c, _ = s.accept()
digest = hashlib.sha256()
while block := c.recv(1 << 20): digest.update(block)
print(digest.hexdigest())
`;

/** `ADDRESS PORT MIB`: sends random bytes; prints their SHA-256. */
const SENDER = `
import hashlib, os, socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
digest = hashlib.sha256()
for _ in range(int(sys.argv[3])):
    block = os.urandom(1 << 20)
    digest.update(block)
    s.sendall(block)
s.close()
print(digest.hexdigest())
`;

const MIB = 32;

/** Sends from one namespace to another; `during` runs meanwhile. True if all arrived as it was sent. */
async function transfer(
  node: DataPlaneNode,
  from: PodName,
  to: string,
  address: string,
  during: () => void = () => {},
): Promise<{ sent: string; received: string }> {
  await using receiver = node.lab.spawn(to, ["python3", "-c", RECEIVER, "7001"]);
  await receiver.waitForOutput(/ready/, { timeoutMs: 30_000 });
  const sending = node.lab.exec(from, ["timeout", "60", "python3", "-c", SENDER, address, "7001", `${MIB}`], {
    timeoutMs: 70_000,
  });
  const timer = setInterval(during, 50);
  try {
    const { stdout: sent, stderr } = await sending;
    expect(stderr).toBe("");
    const { stdout } = await receiver.exited;
    return { sent: sent.trim(), received: stdout.replace("ready", "").trim() };
  } finally {
    clearInterval(timer);
  }
}

async function expectIntact(...args: Parameters<typeof transfer>): Promise<void> {
  const { sent, received } = await transfer(...args);
  expect(sent).toMatch(/^[0-9a-f]{64}$/);
  expect(received).toBe(sent);
}

/** Packets above 64 KiB that a device sends or gets while `act` runs. */
async function longPackets(node: DataPlaneNode, namespace: string, device: string, act: () => Promise<void>) {
  const capture = node.lab.spawn(namespace, ["tcpdump", "-nli", device, "-s", "100", "greater", "66000"]);
  await capture.waitForOutput(/listening/);
  await act();
  const { stderr } = await capture.kill("SIGINT");
  return Number(/(\d+) packets? captured/.exec(stderr)?.[1]);
}

/** What ip(8) tells of both ends of a pod's veth. */
function limits(node: DataPlaneNode, name: PodName) {
  const link = (namespace: string, device: string) => {
    const { stdout } = node.lab.execSync(namespace, ["ip", "-d", "-j", "link", "show", "dev", device]);
    const [shown] = JSON.parse(stdout) as { gso_max_size: number; gro_max_size: number }[];
    using netlink = node.lab.netlink(namespace);
    const { gsoIpv4, groIpv4 } = netlink.link(device)?.packetLimits ?? {};
    return [shown?.gso_max_size, shown?.gro_max_size, gsoIpv4, groIpv4];
  };
  return [link(NODE, pods[name].device), link(name, "eth0")];
}

const ipv4 = (bytes: number) => (kernelAtLeast(6, 3) ? bytes : undefined);
const both = (bytes: number) => {
  const end = [bytes, bytes, ipv4(bytes), ipv4(bytes)];
  return [end, end];
};

describe("limits of packets", () => {
  test("are raised on both ends of veths on the TC hook, told, and restored", async () => {
    await using node = await DataPlaneNode.start({ name: "big-limits" });
    const status = (name: string) => node.dp.tables.interfaces.get(name)?.status["bigTcp"];
    await node.dp.apply(node.document({ b: { hook: "xdp" }, c: { netns: undefined } }));
    expect(["va", "vb", "vc"].map(status)).toEqual([RAISED, undefined, undefined]);
    expect(limits(node, "a")).toEqual(both(LONGEST));
    for (const name of ["b", "c"] as const) expect(limits(node, name)).toEqual(both(DEFAULT));

    await node.dp.apply(node.document());
    for (const name of ["a", "b", "c"] as const) expect(limits(node, name)).toEqual(both(LONGEST));
    await node.dp.transaction().delete("interfaces", "vc").commit();
    expect(limits(node, "c")).toEqual(both(DEFAULT));
    await node.dp.apply(node.document({ b: { hook: "xdp" } }));
    expect(limits(node, "b")).toEqual(both(DEFAULT));

    await node.dp.apply(node.document({}, { node: { bigTcp: false } }));
    expect(status("va")).toBeUndefined();
    for (const name of ["a", "b", "c"] as const) expect(limits(node, name)).toEqual(both(DEFAULT));
    await node.dp.apply(node.document());
    await node.close();
    expect(limits(node, "a")).toEqual(both(LONGEST));
    await node.open();
    expect(status("va")).toEqual(RAISED);
    await node.dp.destroy();
    for (const name of ["a", "b", "c"] as const) expect(limits(node, name)).toEqual(both(DEFAULT));
    await node.open();
  });

  test("that somebody has set are restored as they were, and higher ones stay", async () => {
    await using node = await DataPlaneNode.start({ name: "big-own" });
    using netlink = node.lab.netlink("a");
    netlink.setLink("eth0", { packetLimits: { gso: 32_768, gro: 300_000 } });
    const before = limits(node, "a");
    await node.dp.apply(node.document());
    expect(limits(node, "a")[1]).toEqual([LONGEST, 300_000, ipv4(LONGEST), ipv4(LONGEST)]);
    await node.dp.apply(node.document({}, { node: { bigTcp: false } }));
    expect(limits(node, "a")).toEqual(before);
  });

  test("go back before there is a tunnel or an underlay address, and follow what fabric devices take", async () => {
    await using node = await DataPlaneNode.start({ name: "big-fabric" });
    const { lab } = node;
    lab.execSync(NODE, ["ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1"]);
    lab.execSync(NODE, ["ip", "address", "add", "192.0.2.1/24", "dev", "up0"]);
    const limitsOf = async (rest: object, fabric = false) => {
      const document = node.document() as { interfaces: object[] };
      const interfaces = fabric ? [...document.interfaces, { name: "up0", role: "fabric" }] : document.interfaces;
      await node.dp.apply({ ...document, interfaces, ...rest });
      return limits(node, "a");
    };
    expect(await limitsOf({})).toEqual(both(LONGEST));
    expect(await limitsOf({ node: { underlay: "192.0.2.1" } })).toEqual(both(DEFAULT));
    expect(await limitsOf({})).toEqual(both(LONGEST));
    const tunnel = { name: "n2", type: "tunnel", encap: "vxlan", local: "192.0.2.1", remote: "192.0.2.2" };
    expect(await limitsOf({ nexthops: [tunnel] })).toEqual(both(DEFAULT));
    expect(await limitsOf({}, true)).toEqual(both(DEFAULT));
    expect(node.dp.tables.interfaces.get("va")?.status["bigTcp"]).toBeUndefined();

    using netlink = lab.netlink(NODE);
    netlink.setLink("up0", { packetLimits: { gso: 100_000, gsoIpv4: 90_000 } });
    await node.dp.apply(node.document());
    const end = [100_000, 100_000, ipv4(90_000), ipv4(90_000)];
    expect(await limitsOf({}, true)).toEqual([end, end]);
    expect(await limitsOf({})).toEqual(both(LONGEST));
  });
});

describe("packets of more than 64 KiB", () => {
  const families = [
    ["IPv4", "ipv4", IPV4 > DEFAULT],
    ["IPv6", "ipv6", true],
  ] as const;
  for (const [text, field, isRaised] of families) {
    test(`of ${text} arrive intact, with policy, and when their flow is decided anew meanwhile`, async () => {
      await using node = await DataPlaneNode.start({ name: `big-${field}` });
      await node.dp.apply(node.document(policed, { policies: [open] }));
      const long = await longPackets(node, "b", "eth0", () => expectIntact(node, "a", "b", pods.b[field]));
      expect(long > 0).toBe(isRaised);
      const counters = node.dp.tables.interfaces.get("va")?.status["counters"];
      const { rxBytes, rxPackets } = counters as { rxBytes: bigint; rxPackets: bigint };
      expect(Number(rxBytes)).toBeGreaterThan(MIB << 20);
      expect(Number(rxPackets)).toBeLessThan(MIB * 800);

      let deleted = 0;
      await expectIntact(node, "a", "b", pods.b[field], () => {
        deleted += node.dp.flows.delete({});
      });
      expect(deleted).toBeGreaterThan(2);
      const reasons = Object.keys(node.drops("va"));
      // While a flow waits no more than three of its packets may, and TCP sends the others again.
      expect(reasons.filter((reason) => reason !== "hold-limit")).toEqual([]);
    });

    test(`of ${text} arrive intact also while the limits go back and come again`, async () => {
      await using node = await DataPlaneNode.start({ name: `big-back-${field}` });
      await node.dp.apply(node.document());
      const toggles: Promise<unknown>[] = [];
      await expectIntact(node, "a", "b", pods.b[field], () => {
        toggles.push(node.dp.apply(node.document({}, { node: { bigTcp: toggles.length % 2 === 1 } })));
      });
      await Promise.all(toggles);
      expect(toggles.length).toBeGreaterThan(1);
      expect(node.drops("va")).toEqual({});
    });

    test(`of ${text} are segmented for a pod on the XDP hook, for one that Weir cannot reach, and for the node's stack`, async () => {
      await using node = await DataPlaneNode.start({ name: `big-other-${field}` });
      const [address, prefix] =
        field === "ipv4" ? ["192.0.2.99", "192.0.2.99/32"] : ["2001:db8::99", "2001:db8::99/128"];
      node.lab.execSync(NODE, ["ip", "address", "add", prefix, "dev", "lo"]);
      const { device, mac, [field]: sender } = pods.a;
      node.lab.execSync(NODE, ["ip", "route", "add", sender, "dev", device]);
      node.lab.execSync(NODE, ["ip", "neigh", "replace", sender, "lladdr", mac, "dev", device, "nud", "permanent"]);
      const document = node.document({ b: { hook: "xdp" }, c: { netns: undefined } });
      await node.dp.apply({ ...document, routes: [{ vrf: "red", prefix, via: "local" }] });
      const long = await longPackets(node, "a", "eth0", async () => {
        await expectIntact(node, "a", "b", pods.b[field]);
        await expectIntact(node, "a", "c", pods.c[field]);
        await expectIntact(node, "a", NODE, address);
      });
      expect(long > 0).toBe(isRaised);
      expect(node.drops("va")).toEqual({});
    });
  }
});
