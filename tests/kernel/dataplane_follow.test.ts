// SPDX-License-Identifier: Apache-2.0
// Runs alone: how soon forwarding comes back is measured.
/** Devices that vanish, come again, are renamed, moved and changed while packets flow. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { DataPlaneEvent, EventKind } from "../../sdk/index.ts";
import { NODE, type Pod, pods, waitFor } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";
import { heldDescriptors } from "./descriptors.ts";
import { programsOn } from "./programs_on.ts";
import { SteadyStream } from "./steady_stream.ts";

/** What is asked of Weir: forwarding comes back by itself in this time. */
const BACK_MS = 100;

const commands = (node: DataPlaneNode, namespace: string, lines: readonly string[]) => {
  const { status, stderr } = node.lab.execSync(namespace, ["ip", "-batch", "-"], { input: lines.join("\n") });
  expect([status, stderr]).toEqual([0, ""]);
};

/** Makes a pod's link as it was when the lab came up; the node's end has `mac`, or a new one. */
function makeLink(node: DataPlaneNode, pod: Pod, mac?: string): void {
  const own = mac === undefined ? "" : ` address ${mac}`;
  commands(node, NODE, [
    `link add ${pod.device}${own} type veth peer name eth0 address ${pod.mac} netns ${node.lab.netns(pod.name)}`,
    `link set ${pod.device} addrgenmode none up`,
  ]);
  configurePod(node, pod);
}

function configurePod(node: DataPlaneNode, pod: Pod): void {
  commands(node, pod.name, [
    "link set eth0 up",
    `address add ${pod.ipv4}/32 dev eth0`,
    `address add ${pod.ipv6}/128 dev eth0`,
    "route add 169.254.1.1/32 dev eth0",
    "route add default via 169.254.1.1 dev eth0",
    "route add ::/0 via fe80::1 dev eth0",
  ]);
}

/**
 * A pod's stack sends again after the other end of its link came up: where both ends have the same index the kernel takes
 * up to a second (net/core/link_watch.c, `linkwatch_urgent_event`).
 */
async function canSend(node: DataPlaneNode, pod: Pod): Promise<void> {
  using netlink = node.lab.netlink(pod.name);
  await waitFor(() => netlink.link("eth0")?.operationalState === "up", { intervalMs: 1 });
}

/** A workload that had to ask for the gateway while its link was down would ask again a second later. */
const keepGateway = (node: DataPlaneNode, pod: Pod) =>
  commands(node, pod.name, ["neigh replace 169.254.1.1 lladdr 00:00:5e:00:01:00 dev eth0 nud permanent"]);

const macOf = (node: DataPlaneNode, device: string): string => {
  using netlink = node.lab.netlink(NODE);
  return netlink.link(device)?.mac ?? "";
};

const deleteLink = (node: DataPlaneNode, device: string) => commands(node, NODE, [`link delete ${device}`]);

const status = (node: DataPlaneNode, name: string) => node.dp.tables.interfaces.get(name)?.status;

/** What the process and the kernel keep for the instance. */
const held = (node: DataPlaneNode) => ({
  descriptors: heldDescriptors(),
  // With the index of its device at the end.
  links: readdirSync(`/sys/fs/bpf/weir/${node.instance}/links`)
    .map((name) => name.replace(/_\d+(\+.*)?$/, ""))
    .sort(),
});

class Reader {
  readonly events: DataPlaneEvent[] = [];
  readonly #abort = new AbortController();
  readonly #reading: Promise<void>;

  constructor(node: DataPlaneNode, kinds: readonly EventKind[]) {
    const events = node.dp.events(kinds, { signal: this.#abort.signal });
    this.#reading = (async () => {
      for await (const event of events) this.events.push(event);
    })();
  }

  async end(): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }
}

for (const hook of ["tc", "xdp"] as const) {
  describe(`on the ${hook} hook`, () => {
    const start = async (name: string, fields: object = {}) => {
      const node = await DataPlaneNode.start({ name: `${name}-${hook}`, hook });
      try {
        await node.dp.apply(node.document({ b: fields }));
        return node;
      } catch (error) {
        await node[Symbol.asyncDispose]();
        throw error;
      }
    };

    test("a device that is deleted and made again under traffic forwards at once, and nothing is left of the old one", async () => {
      await using node = await start("again");
      await using stream = await SteadyStream.start(node.lab, "a", pods.b.ipv4);
      const before = held(node);
      for (let round = 0; round < 5; round++) {
        deleteLink(node, "vb");
        await waitFor(() => status(node, "vb")?.["state"] === "waiting");
        makeLink(node, pods.b);
        expect(await stream.answered()).toBeLessThan(BACK_MS);
        expect(status(node, "vb")).toMatchObject({ state: "up", hook });
        expect(status(node, "vb")).not.toHaveProperty("warnings");
      }
      // Deleted and made again before anybody looked.
      deleteLink(node, "vb");
      makeLink(node, pods.b);
      expect(await stream.answered()).toBeLessThan(BACK_MS);
      expect(held(node)).toEqual(before);
      expect(await node.received("b", pods.a.ipv4)).toBe(3);
      expect(await node.received("c", pods.b.ipv6)).toBe(3);
    });

    test("policy holds on a device that was made again, and its flows go on", async () => {
      await using node = await DataPlaneNode.start({ name: `policed-${hook}`, hook });
      const web = {
        name: "web",
        rules: [{ action: "allow", direction: "ingress", proto: "icmp", from: [`${pods.a.ipv4}/32`] }],
      };
      await node.dp.apply(node.document({ b: { policies: ["web"] } }, { policies: [web] }));
      await using stream = await SteadyStream.start(node.lab, "a", pods.b.ipv4);
      deleteLink(node, "vb");
      await waitFor(() => status(node, "vb")?.["state"] === "waiting");
      expect(await stream.isSilent()).toBe(true);
      // Nobody is asked again and again where a flow goes that leads nowhere.
      expect(["hold-limit", "hold-timeout"].filter((reason) => reason in node.drops("va"))).toEqual([]);
      makeLink(node, pods.b);
      expect(await stream.answered()).toBeLessThan(BACK_MS);
      expect(await node.received("c", pods.b.ipv4, 1)).toBe(0);
      expect(await node.received("a", pods.b.ipv4)).toBe(3);
    });

    test("a pod whose namespace is deleted and made again under its name works again", async () => {
      await using node = await start("pod");
      await using stream = await SteadyStream.start(node.lab, "a", pods.b.ipv4);
      const ip = (...argv: string[]) => expect(Bun.spawnSync(["ip", ...argv]).exitCode).toBe(0);
      ip("netns", "delete", node.lab.netns("b"));
      using netlink = node.lab.netlink(NODE);
      await waitFor(() => netlink.link("vb") === undefined);
      ip("netns", "add", node.lab.netns("b"));
      makeLink(node, pods.b);
      expect(await stream.answered()).toBeLessThan(BACK_MS);
      expect(status(node, "vb")).not.toHaveProperty("warnings");
    });

    test("a device whose other end comes to its namespace later is taken when it has got there", async () => {
      await using node = await start("late");
      await using stream = await SteadyStream.start(node.lab, "a", pods.b.ipv4);
      deleteLink(node, "vb");
      commands(node, NODE, [
        `link add vb type veth peer name later address ${pods.b.mac}`,
        "link set vb addrgenmode none up",
      ]);
      await waitFor(() => status(node, "vb")?.["reason"] !== undefined);
      commands(node, NODE, [`link set later netns ${node.lab.netns("b")} name eth0`]);
      configurePod(node, pods.b);
      expect(await stream.answered()).toBeLessThan(BACK_MS);
    });

    test("another device under the name is not taken, which status says; the one with the old MAC is", async () => {
      await using node = await start("stranger", { netns: undefined });
      await node.lab.exec("b", ["ethtool", "-K", "eth0", "gro", "on", "tx", "off"]);
      const mac = macOf(node, "vb");
      deleteLink(node, "vb");
      makeLink(node, pods.b, "02:00:00:00:99:99");
      await waitFor(() => status(node, "vb")?.["reason"] !== undefined);
      expect(status(node, "vb")).toEqual({
        state: "waiting",
        device: "vb",
        reason: `"vb" is another device than before: its MAC is 02:00:00:00:99:99, not ${mac}, and no netns is given`,
      });
      expect(programsOn(node.lab, NODE, "vb")).toEqual([]);
      deleteLink(node, "vb");
      makeLink(node, pods.b, mac);
      await node.lab.exec("b", ["ethtool", "-K", "eth0", "gro", "on", "tx", "off"]);
      await waitFor(() => status(node, "vb")?.["state"] === "up");
      expect(await node.received("a", pods.b.ipv4)).toBe(3);
    });

    test("a renamed device loses no packet, and is found again after a restart", async () => {
      await using node = await start("renamed");
      await using stream = await SteadyStream.start(node.lab, "a", pods.b.ipv4);
      commands(node, NODE, ["link set vb name other"]);
      await waitFor(() => status(node, "vb")?.["device"] === "other");
      // A stranger under the old name changes nothing.
      commands(node, NODE, ["link add vb type bridge"]);
      await node.close();
      await node.open();
      expect(status(node, "vb")).toMatchObject({ state: "up", device: "other" });
      await node.close();
      commands(node, NODE, ["link set other name third"]);
      await node.open();
      expect(status(node, "vb")).toMatchObject({ state: "up", device: "third" });
      expect((await stream.stop()).lost).toBe(0);
    });

    test("a device that is moved to another namespace takes nothing along, and forwards when it is back", async () => {
      await using node = await start("moved");
      keepGateway(node, pods.b);
      await using stream = await SteadyStream.start(node.lab, "a", pods.b.ipv4);
      const { ifindex } = status(node, "vb") as { ifindex: number };
      commands(node, NODE, [`link set vb netns ${node.lab.netns("c")}`]);
      await waitFor(() => status(node, "vb")?.["state"] === "waiting");
      expect(await stream.isSilent()).toBe(true);
      expect(programsOn(node.lab, "c", "vb")).toEqual([]);
      commands(node, "c", ["link set vb up"]);
      commands(node, "c", [`link set vb netns ${node.lab.netns(NODE)}`]);
      commands(node, NODE, ["link set vb up"]);
      await canSend(node, pods.b);
      expect(await stream.answered()).toBeLessThan(BACK_MS);
      expect(status(node, "vb")).toMatchObject({ state: "up", hook, ifindex });
      // There and back before anybody looked: the kernel has taken the programs off.
      commands(node, NODE, [`link set vb netns ${node.lab.netns("c")}`]);
      commands(node, "c", [`link set vb netns ${node.lab.netns(NODE)}`]);
      commands(node, NODE, ["link set vb up"]);
      await canSend(node, pods.b);
      expect(await stream.answered()).toBeLessThan(BACK_MS);
      expect(programsOn(node.lab, NODE, "vb")).toEqual(hook === "xdp" ? ["weir_tc", "weir_xdp"] : ["weir_tc"]);
    });

    test("MTU and MAC of the device change under traffic without a lost packet", async () => {
      await using node = await start("changed");
      await using stream = await SteadyStream.start(node.lab, "a", pods.b.ipv4);
      for (const mtu of [1400, 1500, 1280]) {
        commands(node, NODE, [`link set vb mtu ${mtu}`]);
        await waitFor(() => status(node, "vb")?.["mtu"] === mtu);
      }
      commands(node, NODE, ["link set vb address 02:00:00:00:77:77"]);
      await Bun.sleep(BACK_MS);
      expect((await stream.stop()).lost).toBe(0);
      const { output } = await node.lab.ping("a", pods.b.ipv4, { sizeBytes: 1300, dontFragment: true });
      expect(output).toContain("mtu = 1280");
      // It is known by the MAC that it had last.
      deleteLink(node, "vb");
      makeLink(node, pods.b, "02:00:00:00:77:77");
      using netlink = node.lab.netlink(NODE);
      await waitFor(() => status(node, "vb")?.["ifindex"] === netlink.link("vb")?.index);
      expect(await node.received("a", pods.b.ipv4)).toBe(3);
    });

    test("a device that goes down and up forwards at once", async () => {
      await using node = await start("down");
      keepGateway(node, pods.b);
      await using stream = await SteadyStream.start(node.lab, "a", pods.b.ipv4);
      commands(node, NODE, ["link set vb down"]);
      await waitFor(() => status(node, "vb")?.["state"] === "down");
      expect(await stream.isSilent()).toBe(true);
      commands(node, NODE, ["link set vb up"]);
      await canSend(node, pods.b);
      expect(await stream.answered()).toBeLessThan(BACK_MS);
    });
  });
}

test("a program that somebody took off its device is put back when a device next changes", async () => {
  await using node = await DataPlaneNode.start({ name: "taken-off", hook: "xdp" });
  await node.dp.apply(node.document());
  const pins = `/sys/fs/bpf/weir/${node.instance}/links`;
  for (const pin of readdirSync(pins)) {
    if (pin.startsWith("xdp_")) Bun.spawnSync(["bpftool", "link", "detach", "pinned", `${pins}/${pin}`]);
  }
  expect(programsOn(node.lab, NODE, "va")).toEqual(["weir_tc"]);
  commands(
    node,
    NODE,
    ["va", "vb", "vc"].map((device) => `link set ${device} mtu 1499`),
  );
  await waitFor(() => ["va", "vb", "vc"].every((device) => programsOn(node.lab, NODE, device).length === 2));
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
});

test("an interface that waits for a device that it lost takes no other one after a restart either", async () => {
  await using node = await DataPlaneNode.start({ name: "remembered" });
  await node.dp.apply(node.document({ b: { netns: undefined } }));
  const mac = macOf(node, "vb");
  deleteLink(node, "vb");
  await waitFor(() => status(node, "vb")?.["state"] === "waiting");
  for (const restart of [1, 2]) {
    await node.close();
    if (restart === 1) makeLink(node, pods.b, "02:00:00:00:99:99");
    await node.open();
    expect(status(node, "vb")).toMatchObject({
      state: "waiting",
      reason: `"vb" is another device than before: its MAC is 02:00:00:00:99:99, not ${mac}, and no netns is given`,
    });
  }
  expect(programsOn(node.lab, NODE, "vb")).toEqual([]);
  commands(node, NODE, [`link set vb down address ${mac} up`]);
  await waitFor(() => status(node, "vb")?.["state"] === "up");
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
  // It has its device, so that nothing is remembered; taken out and put in, it takes any.
  await node.dp.apply(node.document({ b: { netns: undefined } }, { interfaces: [] }));
  deleteLink(node, "vb");
  makeLink(node, pods.b, "02:00:00:00:99:98");
  await node.dp.apply(node.document({ b: { netns: undefined } }));
  expect(status(node, "vb")).toMatchObject({ state: "up" });
});

test("a state that names a device which a renamed interface has is refused, and one that waits does not take it", async () => {
  await using node = await DataPlaneNode.start({ name: "names" });
  await node.dp.apply(node.document());
  commands(node, NODE, ["link set vb name other"]);
  await waitFor(() => status(node, "vb")?.["device"] === "other");
  const other = { name: "other", role: "workload", vrf: "red", addresses: ["10.97.0.9"] };
  const put = (fields: object) =>
    node.dp
      .transaction({ owner: "late" })
      .put("interfaces", { ...other, ...fields })
      .commit();
  expect(put({})).rejects.toThrow(
    '/name is "other", the device of interface "vb" since it was renamed; rename it back',
  );
  await put({ optional: true });
  expect(status(node, "other")).toMatchObject({ state: "waiting", reason: '"other" is the device of interface "vb"' });
  commands(node, NODE, ["link set other name vb"]);
  commands(node, NODE, ["link add other type veth peer name other-peer"]);
  await waitFor(() => status(node, "other")?.["state"] !== "waiting");
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
});

test("each reader gets each change of the kernel's tables once and in order, and what Weir made of it", async () => {
  await using node = await DataPlaneNode.start({ name: "order" });
  await node.dp.apply(node.document());
  const readers = [1, 2].map(() => new Reader(node, ["link", "address", "kernel-route", "interface"]));
  deleteLink(node, "vb");
  makeLink(node, pods.b);
  commands(node, NODE, ["address add 192.0.2.1/24 dev vb", "route add 198.51.100.0/24 via 192.0.2.2"]);
  commands(node, NODE, ["route delete 198.51.100.0/24", "address delete 192.0.2.1/24 dev vb"]);
  await waitFor(() => status(node, "vb")?.["state"] === "up");
  await Bun.sleep(BACK_MS);
  for (const reader of readers) await reader.end();
  for (const { events } of readers) {
    const text = events.flatMap((event) => {
      if (event.kind === "address" && event.address.address === "192.0.2.1") return [`${event.change} address`];
      if (event.kind === "kernel-route" && event.route.destination === "198.51.100.0/24")
        return [`${event.change} route`];
      if (event.kind === "link" && event.link.name === "vb" && event.change === "delete") return ["delete link"];
      return [];
    });
    expect(text).toEqual(["delete link", "new address", "new route", "delete route", "delete address"]);
    const states = events.flatMap((event) => (event.kind === "interface" ? [`${event.interface} ${event.state}`] : []));
    expect(states[0]).toBe("vb waiting");
    expect(states.at(-1)).toBe("vb up");
  }
});
