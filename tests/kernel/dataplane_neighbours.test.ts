// SPDX-License-Identifier: Apache-2.0
/** Programs, filters and qdiscs of others on Weir's devices, and other instances beside it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { DataPlane } from "../../sdk/index.ts";
import { NODE, pods } from "../../sdk/lab/index.ts";
import {
  type Anchor,
  attachClsact,
  attachTc,
  attachTcx,
  attachXdp,
  type Collection,
  CollectionSpec,
  head,
  putXdp,
  tail,
  tcxSupported,
} from "../../sdk/libbpf/index.ts";
import { compileObject } from "./compile.ts";
import { DataPlaneNode } from "./dataplane_node.ts";
import { patience } from "./patience.ts";
import { programsOn } from "./programs_on.ts";

setDefaultTimeout(patience(60_000));

let others: Collection;

beforeAll(() => {
  others = CollectionSpec.fromBytes(compileObject("neighbours")).load();
});

afterAll(() => others?.[Symbol.dispose]());

/** Packets that each of the programs has seen since the last call. */
function seen(): Record<"xdp" | "first" | "last" | "filter", number> {
  const map = others.map("seen");
  const take = (index: number) => {
    const [key, value] = [new Uint8Array(4), new Uint8Array(8)];
    key[0] = index;
    map.lookup(key, value);
    map.update(key, new Uint8Array(8));
    return Number(new DataView(value.buffer).getBigUint64(0, true));
  };
  return { xdp: take(0), first: take(1), last: take(2), filter: take(3) };
}

const ifindexOf = (node: DataPlaneNode, device: string) => {
  using netlink = node.lab.netlink(NODE);
  return netlink.link(device)?.index ?? 0;
};

const macOf = (node: DataPlaneNode, device: string) => {
  using netlink = node.lab.netlink(NODE);
  return netlink.link(device)?.mac ?? "";
};

const inNode = <T>(node: DataPlaneNode, use: () => T): T => node.lab.run(NODE, use);

/** What others see of three pings from a to b, and of three from a to the host. */
async function traffic(node: DataPlaneNode) {
  seen();
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
  const workload = seen();
  await node.received("a", "10.97.0.254");
  return { workload, host: seen() };
}

const hostRoute = { vrf: "red", prefix: "10.97.0.254/32", via: "local" };

test("another XDP program refuses the XDP hook, and the TC hook takes what it passes", async () => {
  await using node = await DataPlaneNode.start({ name: "other-xdp" });
  const ifindex = ifindexOf(node, "va");
  using _ = inNode(node, () => attachXdp({ program: others.program("other_xdp"), ifindex, mode: "native" }));
  expect(node.dp.apply(node.document({ a: { hook: "xdp" } }))).rejects.toThrow(
    /^Cannot attach XDP program "weir_xdp" to "va": EBUSY \(program \d+ "other_xdp" is attached in native mode\); detach it, set replaceXdp: true, or use hook: tc, which takes what it passes$/,
  );
  // A link is its owner's.
  expect(node.dp.apply(node.document({ a: { hook: "xdp", replaceXdp: true } }))).rejects.toThrow(
    /^Cannot take XDP program \d+ "other_xdp" off .*: a link holds it, which only its owner may detach; end the program that attached it$/,
  );
  await node.dp.apply(node.document());
  const { workload } = await traffic(node);
  expect(workload.xdp).toBeGreaterThanOrEqual(3);
  expect(node.dp.tables.interfaces.get("va")?.status["programs"]).toMatchObject([
    { hook: "xdp", name: "other_xdp", own: false },
    { hook: tcxSupported() ? "tcx" : "clsact", name: "weir_tc", own: true },
  ]);
  expect(node.dp.tables.interfaces.get("vb")?.status).not.toHaveProperty("programs");
});

test("another XDP program is replaced where told, and put back when the interface or the instance goes", async () => {
  await using node = await DataPlaneNode.start({ name: "replace" });
  for (const mode of ["native", "generic"] as const) {
    inNode(node, () => putXdp(ifindexOf(node, "va"), others.program("other_xdp"), mode));
    await node.dp.apply(node.document({ a: { hook: "xdp", replaceXdp: true } }));
    expect(programsOn(node.lab, NODE, "va")).toEqual(["weir_tc", "weir_xdp"]);
    expect((await traffic(node)).workload.xdp).toBe(0);
    const xdp = () => node.lab.execSync(NODE, ["ip", "-d", "link", "show", "va"]).stdout.match(/ (xdp\w*) /)?.[1];
    if (mode === "native") await node.dp.apply(node.document({ a: { hook: "tc" } }));
    else {
      await node.close();
      await node.open();
      await node.dp.destroy();
    }
    expect(xdp()).toBe(mode === "native" ? "xdp" : "xdpgeneric");
    expect(programsOn(node.lab, NODE, "va")).toContain("other_xdp");
    node.lab.execSync(NODE, ["ip", "link", "set", "va", mode === "native" ? "xdpdrv" : "xdpgeneric", "off"]);
  }
  await node.open();
});

test("TCX programs before and after Weir's get what they should, whatever end Weir's is at", async () => {
  if (!tcxSupported()) return; // Before Linux 6.6 there is no such hook.
  for (const order of ["head", "tail"] as const) {
    await using node = await DataPlaneNode.start({ name: `tcx-${order}` });
    const ifindex = ifindexOf(node, "va");
    const put = (program: string, at: ReturnType<typeof head>) =>
      inNode(node, () => attachTcx({ program: others.program(program), ifindex, direction: "ingress", order: at }));
    using first = put("other_first", head());
    await node.dp.apply(node.document({ a: { order } }, { routes: [hostRoute] }));
    using last = put("other_last", tail());
    const names =
      order === "head" ? ["weir_tc", "other_first", "other_last"] : ["other_first", "weir_tc", "other_last"];
    const { programs } = node.dp.tables.interfaces.get("va")?.status ?? {};
    expect((programs as { name: string }[]).map(({ name }) => name)).toEqual(names);
    const { workload, host } = await traffic(node);
    // What is for a workload Weir takes; what is for the host goes on to who is behind it.
    expect([workload.first >= 3, workload.last]).toEqual([order === "tail", 0]);
    expect([host.first >= 3, host.last >= 3]).toEqual([true, true]);
    await node.dp.destroy();
    expect(programsOn(node.lab, NODE, "va")).toEqual(["other_first", "other_last"]);
    first.detach();
    last.detach();
    await node.open();
  }
});

test("Weir's program goes directly before or after one that the state names, and moves when the state does", async () => {
  await using node = await DataPlaneNode.start({ name: "order" });
  const put = (program: string, order: Anchor) =>
    inNode(node, () =>
      attachTc({ program: others.program(program), ifindex: ifindexOf(node, "va"), direction: "ingress", order }),
    );
  const names = () => {
    const { programs } = node.dp.tables.interfaces.get("va")?.status ?? {};
    return (programs as { name: string }[] | undefined)?.map(({ name }) => name);
  };
  const absent = node.dp.apply(node.document({ a: { order: { after: "other_first" } } }));
  await expect(absent).rejects.toThrow(
    /^Cannot attach after "other_first" on "va": no such program is on its TC ingress; attach that program first, or use order: head or tail$/,
  );
  using _first = put("other_first", head());
  using _last = put("other_last", tail());
  const order = [
    [{ after: "other_first" }, ["other_first", "weir_tc", "other_last"]],
    [{ before: "other_first" }, ["weir_tc", "other_first", "other_last"]],
    [{ after: others.program("other_last").id }, ["other_first", "other_last", "weir_tc"]],
    [{ before: others.program("other_last").id }, ["other_first", "weir_tc", "other_last"]],
  ] as const;
  for (const [place, expected] of order) {
    await node.dp.apply(node.document({ a: { order: place } }));
    expect(names()).toEqual([...expected]);
  }
  // What is for the host gets to all three, what is for a workload only to the one in front.
  const document = node.document({ a: { order: order[3][0] } }, { routes: [hostRoute] });
  await node.dp.apply(document);
  const { workload, host } = await traffic(node);
  expect([workload.first >= 3, workload.last, host.first >= 3, host.last >= 3]).toEqual([true, 0, true, true]);
  const pings = node.lab.ping("a", pods.b.ipv4, { count: 60, intervalMs: 10, timeoutMs: 1000 });
  for (const place of ["head", "tail", { after: "other_first" }, "head"]) {
    await node.dp.apply(node.document({ a: { order: place } }, { routes: [hostRoute] }));
  }
  expect((await pings).received).toBe(60);
  expect(names()).toEqual(["weir_tc", "other_first", "other_last"]);
  for (const wrong of [{}, { before: "a", after: "b" }]) {
    await expect(node.dp.apply(node.document({ a: { order: wrong } }))).rejects.toThrow(
      "/interfaces/0/order has not one of before and after; name one program that it is before or after",
    );
  }
  // A reboot: the other programs may come later, and packets do not wait for them.
  await node.dp.apply(node.document({ a: { order: { before: "other_last" } } }));
  await node.close();
  const mac = macOf(node, "va");
  for (const command of [
    "link delete va",
    `link add va address ${mac} type veth peer name eth0 netns ${node.lab.netns("a")}`,
  ]) {
    expect(node.lab.execSync(NODE, ["ip", ...command.split(" ")]).status).toBe(0);
  }
  await node.open();
  expect(node.dp.tables.interfaces.get("va")?.status["warnings"]).toEqual([
    'Cannot attach before "other_last" on "va": no such program is on its TC ingress; attach that program first, or use order: head or tail; it is at the head meanwhile',
  ]);
  expect(programsOn(node.lab, NODE, "va")).toEqual(["weir_tc"]);
});

for (const hook of ["tc", "xdp"] as const) {
  test(`a foreign clsact filter gets what is for the host, and it and qdiscs stay (${hook})`, async () => {
    await using node = await DataPlaneNode.start({ name: `clsact-${hook}`, hook });
    const tc = (...argv: string[]) => node.lab.execSync(NODE, ["tc", ...argv]);
    expect(tc("qdisc", "add", "dev", "va", "root", "pfifo", "limit", "77").status).toBe(0);
    const place = {
      program: others.program("other_filter"),
      ifindex: ifindexOf(node, "va"),
      direction: "ingress" as const,
    };
    const filter = inNode(node, () => attachClsact({ ...place, priority: 200, handle: 1 }));
    const found = () => tc("qdisc", "show", "dev", "va").stdout + tc("filter", "show", "dev", "va", "ingress").stdout;
    const before = found();
    await node.dp.apply(node.document({}, { routes: [hostRoute] }));
    const { workload, host } = await traffic(node);
    expect([workload.filter, host.filter >= 3]).toEqual([0, true]);
    await node.dp.destroy();
    expect(found()).toBe(before);
    inNode(node, () => filter.detach());
    await node.open();
  });
}

test("two instances on one host each have their interfaces, and one goes without the other", async () => {
  await using node = await DataPlaneNode.start({ name: "two" });
  const mine = node.document();
  const interfaces = (mine as { interfaces: object[] }).interfaces;
  await node.dp.apply({ ...mine, interfaces: interfaces.slice(0, 2) });
  const second = await DataPlane.open({ ...node.options(), instance: `${node.instance}-2` });
  try {
    await second.apply({ ...mine, interfaces: interfaces.slice(2) });
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
    expect(await node.received("c", "169.254.1.1")).toBe(3);
    expect(await node.received("c", pods.b.ipv4, 1)).toBe(0);
    expect(programsOn(node.lab, NODE, "vc")).toEqual(["weir_tc"]);
  } finally {
    await second.destroy();
  }
  expect(programsOn(node.lab, NODE, "vc")).toEqual([]);
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
});
