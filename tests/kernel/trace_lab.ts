// SPDX-License-Identifier: Apache-2.0
/** A node with a data plane, traced: what a trace says beside what the wire shows. */
import { expect } from "bun:test";
import type { PacketFields, Trace } from "../../sdk/index.ts";
import { nodes, twoNodesTopology, waitFor } from "../../sdk/lab/index.ts";
import { BpfMap } from "../../sdk/libbpf/index.ts";
import { dumpDifferences, dumpMaps } from "./map_dump.ts";
import { type HookName, OverlayNodes } from "./overlay_nodes.ts";
import { Capture, sendFrames } from "./overlay_support.ts";

const { n1, n2 } = nodes;
const [a1, b1] = n1.pods;
const [a2] = n2.pods;

/** Where frames that leave by an interface arrive. */
const FAR: Readonly<Record<string, readonly [namespace: string, device: string]>> = {
  va1: ["a1", "eth0"],
  "va1.10": ["a1", "eth0"],
  vb1: ["b1", "eth0"],
  f0: ["n2", "f0"],
};

const VNI = 77;
const LABEL = 100;

/** All that the cases need. */
const state = (overlay: OverlayNodes, hook: HookName): object => ({
  node: { name: "n1", underlay: n1.underlay4 },
  vrfs: [{ name: "red" }, { name: "blue" }],
  interfaces: [
    overlay.workload(a1, { hook }),
    overlay.workload(b1, { hook, policies: ["web"] }),
    { name: "va1.10", role: "workload", parent: "va1", vlan: 10, vrf: "blue", mac: a1.mac, addresses: ["10.99.0.1"] },
    { name: "f0", role: "fabric", hook, netns: overlay.lab.path("n2") },
  ],
  policies: [
    {
      name: "web",
      default: { ingress: "deny", egress: "allow" },
      rules: [
        { name: "web", action: "allow", direction: "ingress", proto: "tcp", ports: [80] },
        { name: "voice", action: "allow", direction: "ingress", proto: "udp", ports: ["7000-7999"] },
        { name: "refused", action: "reject", direction: "ingress", proto: "tcp", ports: [22] },
      ],
    },
  ],
  nexthops: [
    { name: "vxlan", type: "tunnel", encap: "vxlan", remote: n2.underlay4 },
    { name: "udp", type: "tunnel", encap: "mpls-udp", remote: n2.underlay4 },
    { name: "gre", type: "tunnel", encap: "mpls-gre", remote: n2.underlay4 },
    {
      name: "both",
      type: "ecmp",
      members: [
        { nexthop: "udp", label: 107 },
        { nexthop: "gre", label: 108 },
      ],
    },
    {
      name: "all",
      type: "flood",
      members: [{ nexthop: "va1" }, { nexthop: "vb1" }, { nexthop: "vxlan", vni: VNI }],
    },
  ],
  routes: [
    { vrf: "red", prefix: `${a2.ipv4}/32`, via: "vxlan", vni: VNI },
    { vrf: "red", prefix: `${a2.ipv6}/128`, via: "udp", label: LABEL },
    { vrf: "red", prefix: "10.50.0.0/16", via: "both" },
    { vrf: "red", prefix: "10.50.9.0/24", via: "discard" },
    { vrf: "blue", prefix: "10.97.1.0/24", via: "vb1" },
  ],
  fdb: [
    { vrf: "red", mac: "ff:ff:ff:ff:ff:ff", via: "all" },
    { vrf: "red", mac: "02:00:00:00:77:77", via: "vxlan", vni: VNI },
  ],
  vnis: [{ vni: VNI, vrf: "red" }],
});

/** The lab. */
export class TraceLab implements AsyncDisposable {
  readonly overlay: OverlayNodes;
  readonly #hook: HookName;

  private constructor(overlay: OverlayNodes, hook: HookName) {
    this.overlay = overlay;
    this.#hook = hook;
  }

  static async start(hook: HookName): Promise<TraceLab> {
    const overlay = await OverlayNodes.start({ name: `tr${hook}`, topology: twoNodesTopology(), nodes: ["n1"] });
    const lab = new TraceLab(overlay, hook);
    try {
      await lab.apply({});
      const resolved = () => overlay.plane("n1").tables.nexthops.get("vxlan")?.status["resolved"] === true;
      await waitFor(resolved, { what: "the far node" });
      return lab;
    } catch (error) {
      await overlay[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Applies the state with `fields` besides, or in place of its own. */
  async apply(fields: object): Promise<void> {
    await this.overlay.plane("n1").apply({ ...state(this.overlay, this.#hook), ...fields });
  }

  trace(name: string, packet: Uint8Array | PacketFields): Trace {
    return this.overlay.plane("n1").trace(name, packet);
  }

  /** Sends the frame to the node, and expects at each far end of the trace's outputs its bytes, once. */
  async expectOnWire(name: string, frame: Uint8Array, { outputs }: Trace): Promise<void> {
    const { lab } = this.overlay;
    const captures = await Promise.all(
      outputs.map((output) => Capture.start(lab, ...(FAR[output.interface] ?? ["", ""]))),
    );
    try {
      const [namespace, device] = FAR[name] ?? ["", ""];
      sendFrames(lab, namespace, device, [frame]);
      const seen = (index: number) =>
        (captures[index]?.frames() ?? []).filter((bytes) => bytes.toHex() === outputs[index]?.bytes.toHex()).length;
      await waitFor(() => outputs.every((_, index) => seen(index) > 0), { timeoutMs: 2000 }).catch(() => {});
      for (const capture of captures) await capture.stop();
      const found = captures.map((capture) => capture.frames().map((bytes) => bytes.toHex()));
      for (const [index, output] of outputs.entries()) expect(found[index]).toContain(output.bytes.toHex());
      expect(outputs.map((_, index) => seen(index))).toEqual(outputs.map(() => 1));
    } finally {
      for (const capture of captures) capture[Symbol.dispose]();
    }
  }

  /** Sends the frame to the node, and expects it to be counted as dropped for the reason. */
  async expectDropped(name: string, frame: Uint8Array, reason: string): Promise<void> {
    const count = () =>
      this.overlay
        .plane("n1")
        .drops()
        .filter((drop) => drop.interface === name && drop.reason === reason)
        .reduce((sum, { packets }) => sum + packets, 0);
    const before = count();
    const [namespace, device] = FAR[name] ?? ["", ""];
    sendFrames(this.overlay.lab, namespace, device, [frame]);
    await waitFor(() => count() > before, { what: `a drop for ${reason}` });
    expect(count()).toBe(before + 1);
  }

  /** Runs `act`, and expects every table of the instance and every counter of every device to be as before. */
  async expectUnchanged(act: () => void): Promise<void> {
    using stack = new DisposableStack();
    const maps = this.#mapIds().map((id) => stack.use(BpfMap.fromId(id)));
    const take = () => ({ maps: dumpMaps(maps), links: this.#links() });
    let before = take();
    // What pods say by themselves when they come up has to be over.
    await waitFor(
      () => {
        const now = take();
        const quiet = dumpDifferences(before.maps, now.maps).length === 0 && before.links === now.links;
        before = now;
        return quiet;
      },
      { timeoutMs: 20_000, intervalMs: 500, what: "a quiet lab" },
    );
    act();
    const after = take();
    expect(dumpDifferences(before.maps, after.maps)).toEqual([]);
    expect(after.links).toBe(before.links);
  }

  /** The maps of the programs that forward, and not of those that trace. */
  #mapIds(): number[] {
    interface Shown {
      readonly id: number;
      readonly name?: string;
      readonly map_ids?: number[];
    }
    const show = (...args: string[]) =>
      JSON.parse(Bun.spawnSync(["bpftool", "-j", ...args]).stdout.toString()) as Shown[];
    const pin = `/sys/fs/bpf/weir/${this.overlay.instance("n1")}/maps/config`;
    const config = (show("map", "show", "pinned", pin) as unknown as Shown).id;
    const logs = new Set(show("map", "show").flatMap(({ id, name }) => (name === "trace_log" ? [id] : [])));
    const forwards = (ids: readonly number[]) => ids.includes(config) && !ids.some((id) => logs.has(id));
    return [...new Set(show("prog", "show").flatMap(({ map_ids: ids = [] }) => (forwards(ids) ? ids : [])))];
  }

  #links(): string {
    const { lab } = this.overlay;
    return lab.namespaces.map((name) => lab.execSync(name, ["ip", "-s", "link"]).stdout).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.overlay[Symbol.asyncDispose]();
  }
}
