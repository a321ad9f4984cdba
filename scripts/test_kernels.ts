// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run test:kernels [-- PATTERN...]`: the packet and link tests, and those of XDP chains, on Debian's own 6.1 (where
 * the clsact fallback runs) and 6.12 kernels, each in a virtual machine over this machine's files.
 * `-- tests/vm/nic`: NIC drivers, on emulated hardware of several queues.
 */

import { root } from "./root.ts";
import { add, type Counts, closingLine, NONE, readClosingLine } from "./test/counts.ts";

const SERIES = ["6.1", "6.12"];
const TESTS = ["tests/kernel/libbpf", "tests/kernel/link", "tests/kernel/pipeline", "tests/kernel/xdp_chain"];
const NIC_TESTS = "tests/vm/nic";
/** Two for each other, and a third of another driver. */
const NICS = ["virtio-net-pci:q=4", "virtio-net-pci:q=4", "vmxnet3"];
/** An emulated CPU is some ten times slower than a real one. */
const TIMEOUT_SECONDS = 1800;

interface Result {
  readonly kernel: string;
  readonly counts: Counts;
  readonly seconds: number;
  readonly complaint?: string;
}

if (process.arch !== "x64") fail(`the virtual machines need an x86-64 host, this is ${process.arch}`);
const patterns = process.argv.length > 2 ? process.argv.slice(2) : TESTS;
/** Tests of drivers ask for them by name: they are no part of the others, as they take much longer. */
const nics = patterns.some((pattern) => pattern.includes(NIC_TESTS)) ? NICS : [];
const kernels = SERIES.map((series) => ({ series, kernel: findPackage(series) }));
const folders = kernels.map(({ kernel }) => prepare(kernel));
// Side by side: most of a test is one emulated CPU's work.
const results = await Promise.all(
  kernels.map(({ series, kernel }, index) => testOn(series, kernel, folders[index] ?? "")),
);

console.log("\nseconds  passed  failed  skipped");
for (const { kernel, counts, seconds, complaint } of results) {
  const numbers = [counts.passed, counts.failed, counts.skipped].map((count) => String(count).padStart(8)).join("");
  console.log(
    `${seconds.toFixed(1).padStart(7)}${numbers}  ${kernel}${complaint === undefined ? "" : `: ${complaint}`}`,
  );
}
const total = results.reduce((sum, { counts }) => add(sum, counts), NONE);
console.log(`\n${closingLine(total)}`);
process.exitCode = total.failed > 0 ? 1 : 0;

async function testOn(series: string, kernel: string, folder: string): Promise<Result> {
  const started = performance.now();
  console.error(`==> ${kernel}`);
  const tests = ["env", "WEIR_TEST_LANES=1", process.execPath, "run", "scripts/test.ts", ...patterns];
  const options = ["--timeout", String(TIMEOUT_SECONDS), ...nics.flatMap((nic) => ["--nic", nic])];
  const command = [root("tests/vm/run.sh"), ...options, folder, "--", ...tests];
  const machine = Bun.spawn(command, { cwd: root(), stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const output = await passOn(machine.stdout, `[${series}] `);
  const status = await machine.exited;
  const seconds = (performance.now() - started) / 1000;
  const counts = readClosingLine(output);
  if (counts !== undefined && (status === 0) === (counts.failed === 0)) return { kernel, counts, seconds };
  const complaint =
    status === 124 ? `ended after ${TIMEOUT_SECONDS} s` : `the virtual machine ended with status ${status}`;
  return { kernel, seconds, complaint, counts: add(counts ?? NONE, { passed: 0, failed: 1, skipped: 0 }) };
}

/** Shows the guest's lines while they come, marked, so that its counts are not taken for the run's own. */
async function passOn(stream: ReadableStream<Uint8Array>, mark: string): Promise<string> {
  const decoder = new TextDecoder();
  let output = "";
  let rest = "";
  for await (const bytes of stream) {
    const chunk = decoder.decode(bytes, { stream: true });
    output += chunk;
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) console.error(`${mark}${line}`);
  }
  return output;
}

/** The newest of Debian's cloud kernels of a series: they have the fewest modules. */
function findPackage(series: string): string {
  const pattern = `^linux-image-${series.replaceAll(".", "\\.")}\\.[0-9].*-cloud-amd64$`;
  const search = (): string[] => {
    const found = Bun.spawnSync(["apt-cache", "search", "--names-only", pattern]).stdout.toString();
    const names = found.split("\n").map((line) => line.split(" ")[0] ?? "");
    return names.filter((name) => name !== "" && !name.includes("-rt-")).sort(byVersion);
  };
  let names = search();
  if (names.length === 0) {
    // A machine whose package lists were never read.
    Bun.spawnSync(["apt-get", "-qq", "update"], { stdin: "ignore" });
    names = search();
  }
  return names.at(-1) ?? fail(`this distribution has no Linux ${series} cloud kernel package; Debian 12 has`);
}

function byVersion(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** @returns the folder with the unpacked kernel */
function prepare(kernel: string): string {
  const result = Bun.spawnSync([root("tests/vm/prepare.sh"), kernel], { stdin: "ignore", stderr: "inherit" });
  return result.success ? result.stdout.toString().trim() : fail(`${kernel} cannot be unpacked; see above`);
}

function fail(reason: string): never {
  console.error(`Cannot test other kernels: ${reason}`);
  process.exit(1);
}
