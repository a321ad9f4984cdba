// SPDX-License-Identifier: Apache-2.0
/** The npm package as a project has it that has installed it, with nothing of the checkout beside. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "../..");
const bin = (name: string) => join(root, "node_modules/.bin", name);

let project: string;
const installed = (...parts: string[]) => join(project, "node_modules/weir", ...parts);

async function run(...argv: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = Bun.spawn(argv, { cwd: project, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: 30_000 });
  const [stdout, stderr, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { status, stdout, stderr };
}

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), "wk-package-"));
  mkdirSync(installed(), { recursive: true });
  const packed = Bun.spawnSync([process.execPath, "scripts/package.ts", project], { cwd: root });
  if (!packed.success) throw new Error(`${packed.stderr}`);
  await run("tar", "xzf", packed.stdout.toString().trim(), "--strip-components=1", "-C", installed());
  const { version, dependencies } = JSON.parse(readFileSync(installed("package.json"), "utf8"));
  // The registry's packages come from the checkout: the test works without a network.
  for (const name of [...Object.keys(dependencies), "@types"]) {
    const path = join(project, "node_modules", name);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(join(root, "node_modules", name), path);
  }
  const manifest = { name: "controller", type: "module", dependencies: { weir: version } };
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
  copyFileSync(join(root, "tests/deno/pods.ts"), join(project, "pods.ts"));
  copyFileSync(join(root, "tests/package/names.ts"), join(project, "names.ts"));
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe("the npm package", () => {
  test("holds JavaScript, declarations, assets, the kernel programs' sources and licenses, and nothing else", () => {
    const folders = ["LICENSE", "README.md", "assets", "bpf", "package.json", "sdk", "server"];
    expect(readdirSync(installed()).sort()).toEqual(folders);
    expect(readdirSync(installed("assets")).sort()).toEqual(["slowpath.wasm", "weir.bpf.o", "xdp_dispatcher.bpf.o"]);
    expect(readdirSync(installed("bpf"))).toContainValues(["LICENSE.BSD-2-Clause", "LICENSE.GPL-2.0", "abi.h"]);
    const files = ["sdk", "server"].flatMap(
      (folder) => readdirSync(installed(folder), { recursive: true }) as string[],
    );
    expect(files.filter((path) => /\.test\.|testing\/|(?<!\.d)\.tsx?$/.test(path))).toEqual([]);
  });

  const runtimes: [string, string[]][] = [
    ["Bun", [process.execPath]],
    ["Deno", [bin("deno"), "run", "--allow-all", "--node-modules-dir=manual"]],
  ];

  test.each(runtimes)("has its entries under their names in %s", async (_, runtime) => {
    const { stdout, stderr } = await run(...runtime, "names.ts");
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({ names: ["DataPlane", "CollectionSpec", "BpfMap", "Lab"] });
  });

  test.each(runtimes)(
    "runs a data plane and its slow path in %s",
    async (name, runtime) => {
      const id = `${process.pid}-${name.toLowerCase()}`;
      const { status, stdout, stderr } = await run(...runtime, "pods.ts", `wk-p${id}-`, `wkp${id}`, "tc");
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(JSON.parse(stdout)).toMatchObject({ allowed: [3, 3], decided: 3, denied: 0, adopted: { lost: 0 } });
    },
    30_000,
  );

  test("has the command", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const { stdout } = await run(process.execPath, installed("server/cli/main.js"), "version");
    expect(stdout).toBe(`weir ${version}\n`);
  });

  test("brings types, which hold under the strictest settings", async () => {
    const options = { module: "nodenext", target: "esnext", strict: true, noEmit: true, types: ["bun"] };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["typed.ts"] }));
    const lines = [
      'import { DataPlane, type FlowMiss } from "weir";',
      'import { CollectionSpec } from "weir/bpf";',
      'import { Lab } from "weir/lab";',
      'import { Netlink } from "weir/netlink";',
      'await using dp = await DataPlane.open({ instance: "typed" });',
      'dp.onFlowMiss((misses: readonly FlowMiss[]) => misses[0]?.decide({ action: "drop" }));',
      'export const all: [number, number, string] = [CollectionSpec.fromFile("o").maps.size, Netlink.open().links().length, Lab.create("pods").prefix];',
      "// @ts-expect-error There is no such option.",
      "await DataPlane.open({ nonsense: 1 });",
    ];
    writeFileSync(join(project, "typed.ts"), lines.join("\n"));
    expect(await run(bin("tsc"), "-p", ".")).toEqual({ status: 0, stdout: "", stderr: "" });
  }, 30_000);
});
