// SPDX-License-Identifier: Apache-2.0
/** What cannot work gets one line that names the thing and the cure, the right exit status, and changes nothing. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Lab, NODE, pods } from "../../sdk/lab/index.ts";
import { attachXdp, type Link } from "../../sdk/libbpf/index.ts";
import { libraryDirectories } from "../../sdk/runtime/libraries.ts";
import { CommandLab, commands as forms, type Result } from "./cli_support.ts";
import { disposeObjects, objects } from "./link_objects.ts";
import { podsDocument } from "./pods_node.ts";
import { differences, type KernelSnapshot, takeKernelSnapshot } from "./pods_snapshot.ts";

type Document = Record<string, unknown>;
type Interface = Record<string, unknown>;

const NOBODY = "65534";

setDefaultTimeout(60_000);

let commands: CommandLab;
let lab: Lab;

beforeAll(() => {
  commands = new CommandLab("sources", `wj${process.pid}-wrong`);
  lab = commands.lab;
});

afterAll(async () => {
  disposeObjects();
  await commands?.[Symbol.asyncDispose]();
});

/** The weir command on the node, started by another program or with other variables. */
async function weirThrough(prefix: readonly string[], args: readonly string[], env = {}): Promise<Result> {
  const argv = [...prefix, ...forms.sources, "--name", commands.instance, ...args];
  const { status, stdout, stderr } = await lab.exec(NODE, argv, { env, cwd: commands.directory });
  return { status, stdout, stderr };
}

/** One line on stderr, which begins as all do and matches; nothing on stdout. */
function expectRefusal({ status, stdout, stderr }: Result, pattern: RegExp, expectedStatus = 1): void {
  expect(stderr).toMatch(pattern);
  expect({ status, stdout, lines: stderr.trimEnd().split("\n").length }).toEqual({
    status: expectedStatus,
    stdout: "",
    lines: 1,
  });
  expect(stderr).not.toContain("this is a bug");
}

const snapshot = (): KernelSnapshot => takeKernelSnapshot(lab, commands.instance);

/** The state that works, changed. */
function changed(change: (document: Document, interfaces: Interface[]) => void): string {
  const document = podsDocument(lab, "tc") as Document;
  change(document, document["interfaces"] as Interface[]);
  return JSON.stringify(document);
}

const withRoute = (prefix: string, via: string) =>
  changed((document) => {
    document["routes"] = [{ vrf: "red", prefix, via }];
  });

describe("a wrong document", () => {
  const wrong: readonly (readonly [what: string, document: () => string, expected: RegExp])[] = [
    [
      "an interface whose device is not there",
      () => changed((_, [va]) => Object.assign(va as Interface, { name: "nowhere0" })),
      /\/interfaces\/0\/name.*"nowhere0".*not there.*(optional|correct|make)/,
    ],
    [
      "an unknown field",
      () => changed((_, [, vb]) => void Object.assign(vb as Interface, { adresses: ["10.97.0.9"] })),
      /\/interfaces\/1\/adresses/,
    ],
    ["an unknown kind", () => changed((document) => Object.assign(document, { pods: [] })), /\/pods/],
    [
      "a duplicate name",
      () => changed((_, interfaces) => interfaces.push({ ...interfaces[0] })),
      /\/interfaces\/3.*"?va"?/,
    ],
    [
      "a name that an interface and a next hop share",
      () => changed((document) => Object.assign(document, { nexthops: [{ name: "va", type: "discard" }] })),
      /\/nexthops\/0.*va/,
    ],
    ["a route to a missing next hop", () => withRoute("10.9.0.0/16", "nowhere"), /\/routes\/0\/via.*nowhere/],
    [
      "an IPv4 prefix with host bits",
      () => withRoute("10.9.0.1/16", "discard"),
      /\/routes\/0\/prefix.*10\.9\.0\.0\/16/,
    ],
    ["an IPv6 prefix with host bits", () => withRoute("fd00:1::1/64", "discard"), /\/routes\/0\/prefix.*fd00:1::\/64/],
    [
      "a VRF that is not there",
      () => changed((_, [va]) => Object.assign(va as Interface, { vrf: "blue" })),
      /\/interfaces\/0\/vrf.*blue/,
    ],
    [
      "a policy that is not there",
      () => changed((_, [va]) => Object.assign(va as Interface, { policies: ["none"] })),
      /\/interfaces\/0\/policies\/0.*none/,
    ],
    [
      "an address on two interfaces",
      () => changed((_, [, vb]) => Object.assign(vb as Interface, { addresses: [pods.a.ipv4] })),
      /\/interfaces\/\d\/addresses\/0 is "10\.97\.0\.1"/,
    ],
    [
      "a kind that later work brings",
      () => changed((document) => Object.assign(document, { services: [{ name: "x" }] })),
      /\/services.*not supported yet/,
    ],
    [
      "a peer's namespace that is not there",
      () => changed((_, [va]) => Object.assign(va as Interface, { netns: "wJ-nowhere" })),
      /\/interfaces\/0\/netns.*wJ-nowhere/,
    ],
    [
      "a peer's namespace that another pod is in",
      () => changed((_, [va]) => Object.assign(va as Interface, { netns: lab.path("b") })),
      /\/interfaces\/0\/netns.*does not hold the other end of va; correct it/,
    ],
  ];

  let before: KernelSnapshot;

  beforeAll(async () => {
    await commands.serve("-c", commands.state(changed(() => {})));
    before = snapshot();
  });

  afterAll(async () => {
    expect((await commands.weir("down")).status).toBe(0);
  });

  test.each(wrong)("with %s is refused by apply and by its dry run", async (_what, document, expected) => {
    const file = commands.state(document());
    expectRefusal(await commands.weir("apply", "-f", file), expected);
    expectRefusal(await commands.weir("apply", "-f", file, "--dry-run"), expected);
    expect(differences(before, snapshot())).toEqual([]);
  });

  test("left everything as it was: the good one changes nothing", async () => {
    const file = commands.state(changed(() => {}));
    expect(await commands.weir("apply", "-f", file)).toEqual({ status: 0, stdout: "", stderr: "" });
    expect((await lab.ping("a", pods.b.ipv4)).received).toBe(1);
  });

  test("an XDP program that is on the interface already stays, and is named", async () => {
    const program = objects().program("xdp_one");
    const ifindex = linkIndex("va");
    using _: Link = lab.run(NODE, () => attachXdp({ program, ifindex, mode: "native" }));
    const withProgram = snapshot();
    const file = commands.state(changed((_, [va]) => Object.assign(va as Interface, { hook: "xdp" })));
    expectRefusal(await commands.weir("apply", "-f", file), new RegExp(`"va".*${program.id} "xdp_one".*detach`));
    expect(differences(withProgram, snapshot())).toEqual([]);
    expect((await lab.ping("a", pods.b.ipv4)).received).toBe(1);
  });

  test("a second controller of the same name is refused, by its socket or by its lock", async () => {
    const now = snapshot();
    expectRefusal(await commands.weir("serve"), /another process listens there/);
    const elsewhere = join(commands.directory, "other.sock");
    expectRefusal(
      await commands.weir("serve", "--listen", `unix:${elsewhere}`),
      /another controller runs it \(process \d+\)/,
    );
    expect(differences(now, snapshot())).toEqual([]);
    expect(await commands.ready()).toBe(200);
  });
});

describe("a machine that cannot run it", () => {
  let before: KernelSnapshot;
  let file: string;

  beforeAll(() => {
    before = snapshot();
    file = commands.state(changed(() => {}));
    for (const path of [commands.directory, file]) chmodSync(path, 0o755);
  });

  const expectUntouched = () => expect(differences(before, snapshot())).toEqual([]);

  test("for want of privileges says which, and how to get them", async () => {
    const nobody = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps", "-all"];
    const result = await weirThrough(nobody, ["serve", "-c", file], { HOME: "/nonexistent" });
    expectRefusal(result, /CAP_NET_ADMIN and CAP_BPF.*root|[Pp]ermission|EACCES|root/);
    expect(result.stderr).toMatch(/root/);
    expectRefusal(await weirThrough(nobody, ["down"]), /root/);
    expectUntouched();
  });

  test("as root without capabilities says which are missing", async () => {
    const bounded = ["setpriv", "--bounding-set", "-net_admin,-sys_admin,-bpf", "--inh-caps", "-all"];
    const result = await weirThrough(bounded, ["serve", "-c", file]);
    expectRefusal(result, /lacks CAP_NET_ADMIN and CAP_BPF/);
    expectUntouched();
  });

  test("for want of libbpf names the file, and says what to do about the variable that names it", async () => {
    const noLibrary = ["libbpf.so.1", "something-else"].map((name) => join(commands.directory, name));
    for (const path of noLibrary) writeFileSync(path, "this is no library\n");
    const system = libraryDirectories.map((directory) => join(directory, "libc.so.6")).find((path) => existsSync(path));
    for (const library of ["/nowhere/libbpf.so.1", ...noLibrary, system ?? ""]) {
      const result = await weirThrough([], ["serve", "-c", file], { WEIR_LIBBPF: library });
      expectRefusal(result, new RegExp(`"${library}".*; have WEIR_LIBBPF give .* libbpf 1\\.1 or newer, or unset it`));
      expectUntouched();
    }
    for (const path of noLibrary) rmSync(path);
  });

  test("for want of a BPF file system gives the command that mounts it", async () => {
    const hide = [
      "unshare",
      "--mount",
      "--propagation",
      "private",
      "sh",
      "-c",
      'umount -l /sys/fs/bpf; exec "$@"',
      "sh",
    ];
    expectRefusal(await weirThrough(hide, ["serve", "-c", file]), /\/sys\/fs\/bpf.*mount -t bpf bpf \/sys\/fs\/bpf/);
    expectUntouched();
  });

  test("for its kernel's age says which kernel will do", async () => {
    const old = ["setarch", "--uname-2.6"];
    expectRefusal(await weirThrough(old, ["serve", "-c", file]), /Linux 2\.6\.\d+.*6\.1.*kernel/);
    expectUntouched();
  });

  test("and a first state that is wrong leave nothing behind", async () => {
    const wrong = commands.state(withRoute("10.9.0.0/16", "nowhere"));
    expectRefusal(await commands.weir("serve", "-c", wrong), /\/routes\/0\/via/);
    expectUntouched();
  });

  test("a command that is called wrongly ends with status 2", async () => {
    for (const args of [
      ["nonsense"],
      ["apply"],
      ["serve", "--nonsense"],
      ["get", "nonsense"],
      ["flows", "--src", "x"],
    ]) {
      expectRefusal(await commands.weir(...args), /\S/, args[0] === "flows" ? 1 : 2);
    }
    expectUntouched();
  });

  test("an instance that does not run is named", async () => {
    for (const args of [["get", "vrfs"], ["flows"], ["drops"], ["apply", "-f", file]]) {
      expectRefusal(
        await commands.weir(...args),
        new RegExp(`no instance is running.*${commands.instance}|${commands.instance}.*no instance is running`),
      );
    }
    expectUntouched();
  });
});

function linkIndex(device: string): number {
  using netlink = lab.netlink(NODE);
  return netlink.link(device)?.index ?? 0;
}
