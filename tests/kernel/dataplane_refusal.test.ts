// SPDX-License-Identifier: Apache-2.0
/** Wrong input and machines that will not do: one clear line, and nothing is changed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataPlane, WeirError } from "../../sdk/index.ts";
import { NODE, pods } from "../../sdk/lab/index.ts";
import { attachXdp, CollectionSpec } from "../../sdk/libbpf/index.ts";
import { withNetns } from "../../sdk/runtime/netns.ts";
import { compileObject } from "./compile.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

let node: DataPlaneNode;

beforeAll(async () => {
  node = await DataPlaneNode.start({ name: "refuse" });
  await node.dp.apply(node.document());
});

afterAll(() => node[Symbol.asyncDispose]());

/** The line that a state is refused with, after checking that nothing changed. */
async function refusal(state: object): Promise<string> {
  const before = { revision: node.dp.revision, state: node.dp.state(), kernel: kernelState() };
  const message = await messageOf(node.dp.apply(state));
  expect({ revision: node.dp.revision, state: node.dp.state(), kernel: kernelState() }).toEqual(before);
  expect(message).not.toContain("\n");
  return message;
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof WeirError) return error.message;
    throw error;
  }
  throw new Error("It was accepted");
}

function kernelState(): string {
  const show = (...argv: string[]) => node.lab.execSync(NODE, argv).stdout;
  return show("bpftool", "net", "show", "-j") + show("ip", "-br", "link");
}

describe("a state is refused", () => {
  const other = (fields: object) => ({ name: "other", role: "workload", vrf: "red", ...fields });
  const cases: [string, () => object, string][] = [
    [
      "with an unknown interface",
      () => node.document({}, { interfaces: [other({ device: "nosuch" })] }),
      'Cannot apply the state: /interfaces/0/device names device "nosuch", which is not there; make it, correct the name, or set optional: true',
    ],
    [
      "with an unknown field",
      () => node.document({ a: { polices: [] } }),
      'Cannot apply the state: /interfaces/0/polices is not a known field; did you mean "policies"?',
    ],
    [
      "with a route to a missing next hop",
      () => node.document({}, { routes: [{ vrf: "red", prefix: "198.51.100.0/24", via: "to-n9" }] }),
      'Cannot apply the state: /routes/0/via names "to-n9", which is neither a next hop nor an interface; put it into the state, or correct the name',
    ],
    [
      "with limits that the running tables do not have",
      () => node.document({}, { node: { limits: { flows: 4096 } } }),
      "Cannot apply the state: /node/limits/flows is 4096, but the instance runs with 8192; leave it as it is, or take the instance down and start it anew",
    ],
    [
      "with a namespace that does not hold the peer",
      () => node.document({ a: { hook: "xdp", netns: node.lab.path("b") } }),
      `Cannot apply the state: /interfaces/0/netns is "NETNS", which does not hold the other end of va; correct it, or leave it out`,
    ],
  ];
  for (const [what, state, message] of cases) {
    test(what, async () => expect(await refusal(state())).toBe(message.replace("NETNS", node.lab.path("b"))));
  }

  test("with an XDP program already on the interface, and what came before it in the document is taken back", async () => {
    using collection = CollectionSpec.fromBytes(compileObject("objects")).load();
    using _ = withNetns(node.lab.path(NODE), () => {
      const ifindex = node.dp.tables.interfaces.get("vb")?.status["ifindex"];
      return attachXdp({ program: collection.program("xdp_one"), ifindex: Number(ifindex), mode: "native" });
    });
    const document = node.document(
      { a: { hook: "xdp" }, b: { hook: "xdp" } },
      { routes: [{ vrf: "red", prefix: "198.51.100.0/24", via: "vb" }] },
    );
    expect(await refusal(document)).toMatch(
      /^Cannot attach XDP program "weir_xdp" to "vb": EBUSY \(program \d+ "xdp_one" is attached in native mode\); /,
    );
    expect(await node.received("a", pods.c.ipv4)).toBe(3);
  });

  test("when it cannot be kept, and the kernel has none of it", async () => {
    const directory = mkdtempSync(join(tmpdir(), "weir-full-"));
    Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", directory]);
    try {
      await using small = await DataPlaneNode.start({ name: "full", open: { store: join(directory, "state.db") } });
      await small.dp.apply(small.document());
      const transaction = small.dp.transaction();
      for (let i = 0; i < 50_000; i++) {
        transaction.put("routes", { vrf: "red", prefix: `20.0.${i >> 8}.${i & 255}/32`, via: "vb" });
      }
      expect(await messageOf(transaction.commit())).toMatch(
        /^Cannot write the store ".*state.db": .*full.*; free space /,
      );
      expect(small.dp.usage().tables.routes4.used).toBe(3);
      expect(small.dp.tables.routes.size).toBe(6);
      expect(await small.received("a", "20.0.0.1", 1)).toBe(0);
      await small.dp.transaction().put("routes", { vrf: "red", prefix: "20.0.0.0/8", via: "vb" }).commit();
      expect(await small.received("a", pods.b.ipv4)).toBe(3);
    } finally {
      Bun.spawnSync(["umount", directory]);
      rmdirSync(directory);
    }
  });

  test("when others still use what it deletes", async () => {
    const commit = node.dp.transaction().delete("vrfs", "red").commit();
    expect(await messageOf(commit)).toBe(
      'Cannot apply the state: VRF "red" is still used by interface "va", interface "vb", interface "vc"; delete those too, or first',
    );
  });

  test("when it was made for another revision", async () => {
    const commit = node.dp.transaction().put("vrfs", { name: "blue" }).commit({ ifRevision: 77 });
    expect(await messageOf(commit)).toBe(
      `Cannot commit the transaction: it was made for revision 77, and the state is at ${node.dp.revision}; read the state again`,
    );
  });
});

describe("an instance is not opened", () => {
  test("a second time", async () => {
    const message = await messageOf(DataPlane.open(node.options()));
    expect(message).toBe(
      `Cannot open instance "${node.instance}": another controller runs it (process ${process.pid}); end that one, or choose another name`,
    );
  });

  test("with other limits than its tables have", async () => {
    await node.close();
    const message = await messageOf(DataPlane.open({ ...node.options(), limits: { flows: 4096 } }));
    await node.open();
    expect(message).toStartWith(
      `Cannot open instance "${node.instance}": its tables are there already, for 8192 flows instead of 4096; `,
    );
    expect(await node.received("a", pods.b.ipv4)).toBe(3);
  });

  /** What a program says that opens an instance where something is missing. */
  function openElsewhere(...prefix: string[]): string {
    const name = `${node.instance}-x`;
    const program = `
      import { DataPlane } from ${JSON.stringify(`${import.meta.dirname}/../../sdk/index.ts`)};
      await DataPlane.open({ instance: "${name}" }).then(() => console.log("opened"), (error) => console.log(error.message));
      process.exit(0);`;
    const result = Bun.spawnSync([...prefix, process.execPath, "-e", program], { stdout: "pipe", stderr: "pipe" });
    for (const path of [`/sys/fs/bpf/weir/${name}`, `/var/lib/weir/${name}`])
      expect([path, existsSync(path)]).toEqual([path, false]);
    return `${result.stdout}${result.stderr}`.trim().replace(name, "x");
  }

  test("without privileges", () => {
    expect(openElsewhere("setpriv", "--bounding-set=-all", "--inh-caps=-all")).toBe(
      'Cannot open instance "x": the process lacks CAP_NET_ADMIN and CAP_BPF and CAP_PERFMON; run it as root',
    );
  });

  test("without a BPF file system", () => {
    expect(openElsewhere("unshare", "--mount", "sh", "-c", 'umount /sys/fs/bpf && exec "$@"', "sh")).toBe(
      'Cannot open instance "x": /sys/fs/bpf is no BPF file system; run: mount -t bpf bpf /sys/fs/bpf',
    );
  });

  test("without libbpf", () => {
    const hide = 'for f in $(ls /usr/lib/*/libbpf.so.1*); do mount --bind /dev/null $f; done && exec "$@"';
    expect(openElsewhere("unshare", "--mount", "sh", "-c", hide, "sh")).toMatch(/^Cannot .*libbpf/);
  });
});
