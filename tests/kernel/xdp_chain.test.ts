// SPDX-License-Identifier: Apache-2.0
/** Other XDP programs before and after Weir's on one device, behind libxdp's dispatcher; xdp-loader(8) is the other side. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WeirError } from "../../sdk/errors.ts";
import { NODE, pods, waitFor } from "../../sdk/lab/index.ts";
import { BpfMap, CollectionSpec, loadExtension } from "../../sdk/libbpf/index.ts";
import { compileObject } from "./compile.ts";
import { DataPlaneNode } from "./dataplane_node.ts";
import { patience } from "./patience.ts";
import { programsOn } from "./programs_on.ts";

setDefaultTimeout(patience(60_000));

const OBJECT = join(tmpdir(), `weir-chain-${process.pid}.o`);
/** Those of dispatchers, as libxdp has them. */
const PINS = "/sys/fs/bpf/xdp";

beforeAll(() => Bun.write(OBJECT, compileObject("neighbours")));
afterAll(() => rmSync(OBJECT, { force: true }));

/** Some kernels have programs that replace a function of another one (BPF_PROG_TYPE_EXT) switched off. */
function canChain(): boolean {
  const spec = CollectionSpec.fromBytes(compileObject("neighbours"));
  for (const program of spec.programs.values()) program.autoload = program.name === "other_xdp";
  try {
    loadExtension(spec, "other_xdp")[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof WeirError && error.code === "EOPNOTSUPP") return false;
    throw error;
  }
}

const CHAINS = canChain();

const command = (node: DataPlaneNode, ...argv: string[]) => node.lab.execSync(NODE, argv);

/** Loads a program of somebody else's with libxdp. */
const load = (node: DataPlaneNode, program: string, priority: number) =>
  command(node, "xdp-loader", "load", "-m", "native", "-P", String(priority), "-n", program, "va", OBJECT);

interface Listed {
  readonly id: number;
  readonly name: string;
  readonly priority: number;
}

/** What libxdp says that the device runs, in this order. */
function listed(node: DataPlaneNode): Listed[] {
  const { stdout } = command(node, "xdp-loader", "status", "va");
  return [...stdout.matchAll(/^ => +(\d+) +(\S+) +(\d+) /gm)].map(([, priority, name = "", id]) => ({
    id: Number(id),
    name,
    priority: Number(priority),
  }));
}

const names = (node: DataPlaneNode) => listed(node).map(({ name }) => name);

/** Packets that a program of somebody else's has seen. */
function seenBy(node: DataPlaneNode, program: string): number {
  const id = listed(node).find(({ name }) => name === program)?.id;
  const shown = JSON.parse(command(node, "bpftool", "-j", "prog", "show", "id", String(id)).stdout);
  using map = BpfMap.fromId((shown as { map_ids: number[] }).map_ids[0] ?? 0);
  const [key, value] = [new Uint8Array(4), new Uint8Array(8)];
  key[0] = program === "other_xdp" ? 0 : 4;
  map.lookup(key, value);
  return Number(new DataView(value.buffer).getBigUint64(0, true));
}

const hostRoute = { vrf: "red", prefix: "10.97.0.254/32", via: "local" };
const chained = (node: DataPlaneNode, priority = 50) =>
  node.document({ a: { hook: "xdp", xdpChain: { priority } } }, { routes: [hostRoute] });

/** What the programs of others see of three pings to another workload, and of three to the host. */
async function traffic(node: DataPlaneNode) {
  const now = () => ({ front: seenBy(node, "other_xdp"), behind: seenBy(node, "other_behind") });
  const start = now();
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
  const middle = now();
  await node.received("a", "10.97.0.254");
  const end = now();
  return {
    workload: { front: middle.front - start.front >= 3, behind: middle.behind - start.behind >= 3 },
    host: { front: end.front - middle.front >= 3, behind: end.behind - middle.behind >= 3 },
  };
}

/** While something happens, which loses none of them. */
async function withoutLoss(node: DataPlaneNode, act: () => Promise<unknown>): Promise<void> {
  let ends = false;
  const pinging = (async () => {
    let lost = 0;
    while (!ends) {
      const { sent, received } = await node.lab.ping("a", pods.b.ipv4, { count: 25, intervalMs: 20, timeoutMs: 2000 });
      lost += sent - received;
    }
    return lost;
  })();
  await act();
  ends = true;
  expect(await pinging).toBe(0);
}

const dispatchers = (ifindex: number) =>
  existsSync(PINS) ? readdirSync(PINS).filter((name) => name.startsWith(`dispatch-${ifindex}-`)) : [];

const ifindexOf = (node: DataPlaneNode) => {
  using netlink = node.lab.netlink(NODE);
  return netlink.link("va")?.index ?? 0;
};

test.skipIf(CHAINS)(
  "where the kernel has no programs that replace functions a chain is refused, and nothing changes",
  async () => {
    await using node = await DataPlaneNode.start({ name: "no-chain" });
    await expect(node.dp.apply(chained(node))).rejects.toThrow(
      /^Cannot load XDP program "weir_xdp" for a chain: the kernel refuses programs that replace a function of another one \(BPF_PROG_TYPE_EXT: EPERM\)/,
    );
    expect(programsOn(node.lab, NODE, "va")).toEqual([]);
    expect(dispatchers(ifindexOf(node))).toEqual([]);
    // Nor does what is there go for it.
    await node.dp.apply(node.document({ a: { hook: "xdp" } }));
    await expect(node.dp.apply(chained(node))).rejects.toThrow(
      "/interfaces/0/xdpChain cannot come, as its program has no chain; take the interface out of the state first",
    );
    expect(programsOn(node.lab, NODE, "va")).toEqual(["weir_tc", "weir_xdp"]);
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
  },
);

describe.skipIf(!CHAINS)("XDP programs of others on Weir's device", () => {
  test("run before and after Weir's by priority, and stay when it comes, moves, restarts, dies and goes", async () => {
    await using node = await DataPlaneNode.start({ name: "chain", hook: "xdp" });
    expect(load(node, "other_xdp", 20).status).toBe(0);
    expect(load(node, "other_behind", 70).status).toBe(0);
    const others = listed(node);
    expect(others.map(({ name }) => name)).toEqual(["other_xdp", "other_behind"]);
    await expect(node.dp.apply(node.document())).rejects.toThrow(
      /^Cannot attach XDP program "weir_xdp" to "va": EBUSY \(program \d+ "xdp_dispatcher" is attached in native mode\); set xdpChain to share its dispatcher, detach it, /,
    );
    expect(listed(node)).toEqual(others);

    await node.dp.apply(chained(node));
    expect(names(node)).toEqual(["other_xdp", "weir_xdp", "other_behind"]);
    expect(node.dp.tables.interfaces.get("va")?.status).toMatchObject({
      hook: "xdp",
      programs: [
        { hook: "xdp", name: "other_xdp", priority: 20, own: false },
        { hook: "xdp", name: "weir_xdp", priority: 50, own: true },
        { hook: "xdp", name: "other_behind", priority: 70, own: false },
        { name: "weir_tc", own: true },
      ],
    });
    expect(await traffic(node)).toEqual({
      workload: { front: true, behind: false },
      host: { front: true, behind: true },
    });

    // Its place changes, a process takes over from another one: nobody loses a packet.
    await withoutLoss(node, () => node.dp.apply(chained(node, 80)));
    expect(names(node)).toEqual(["other_xdp", "other_behind", "weir_xdp"]);
    await withoutLoss(node, () => node.dp.apply(chained(node)));
    await withoutLoss(node, async () => {
      await node.close();
      await node.open();
    });
    expect(names(node)).toEqual(["other_xdp", "weir_xdp", "other_behind"]);

    // A controller that dies.
    await node.close();
    const open = `const { DataPlane } = await import(${JSON.stringify(join(import.meta.dirname, "../../sdk/index.ts"))});
      globalThis.dp = await DataPlane.open(${JSON.stringify(node.options())}); console.log("open"); setInterval(() => {}, 1000);`;
    const controller = Bun.spawn([process.execPath, "-e", open], { stdout: "pipe", stderr: "inherit" });
    const output = controller.stdout.getReader();
    await output.read();
    controller.kill("SIGKILL");
    await controller.exited;
    expect(names(node)).toEqual(["other_xdp", "weir_xdp", "other_behind"]);
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
    await node.open();
    expect(names(node)).toEqual(["other_xdp", "weir_xdp", "other_behind"]);

    await node.dp.destroy();
    expect(listed(node)).toEqual(others);
    expect(dispatchers(ifindexOf(node))).toHaveLength(1);
    expect(command(node, "xdp-loader", "unload", "va", "--all").status).toBe(0);
    await node.open();
  });

  test("may come after it, where libxdp's own dispatcher is one that the kernel takes it into", async () => {
    await using node = await DataPlaneNode.start({ name: "join", hook: "xdp" });
    await node.dp.apply(chained(node));
    expect(names(node)).toEqual(["weir_xdp"]);
    const joined = load(node, "other_xdp", 20).status === 0;
    // libxdp before 1.5.5 has one that no program may change packets in (Linux 6.12 tells); then everything stays.
    expect(names(node)).toEqual(joined ? ["other_xdp", "weir_xdp"] : ["weir_xdp"]);
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
    expect(node.dp.tables.interfaces.get("va")?.status["state"]).toBe("up");

    // The device goes, and with it the dispatcher; pins of others are theirs (xdp-loader clean).
    const ifindex = ifindexOf(node);
    command(node, "ip", "link", "delete", "va");
    await waitFor(() => node.dp.tables.interfaces.get("va")?.status["state"] === "waiting");
    const pinned = () => dispatchers(ifindex).flatMap((path) => readdirSync(join(PINS, path)));
    await waitFor(() => pinned().length === (joined ? 2 : 0), { what: "the program's pins to go" });
    expect(dispatchers(ifindex).length).toBe(joined ? 1 : 0);
  });
});
