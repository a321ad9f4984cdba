// SPDX-License-Identifier: Apache-2.0
/** What tests must not leave behind on the machine. */

import { existsSync, readdirSync } from "node:fs";

/** One line for each thing that exists, such as `network namespace wa-pod`. */
export type Snapshot = ReadonlySet<string>;

/** The kernel frees what nobody holds any more a little later. */
const GRACE_MS = 3000;
const RETRY_MS = 100;

export function takeSnapshot(): Snapshot {
  return new Set([
    ...list("/run/netns").map((name) => `network namespace ${name}`),
    ...list("/sys/class/net").map((name) => `device ${name}`),
    ...list("/run/weir").map((name) => `/run/weir/${name}`),
    ...list("/var/lib/weir").map((name) => `/var/lib/weir/${name}`),
    ...listPins("/sys/fs/bpf/weir"),
    ...bpfObjects(),
  ]);
}

/** What is there now and was not before, after a short time of grace. */
export async function findLeaks(before: Snapshot, graceMs: number = GRACE_MS): Promise<string[]> {
  const deadline = performance.now() + graceMs;
  for (;;) {
    const leaks = [...takeSnapshot()].filter((item) => !before.has(item));
    if (leaks.length === 0 || performance.now() > deadline) return leaks;
    await Bun.sleep(RETRY_MS);
  }
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Instances are told by their folder; what is in it goes with it. */
function listPins(folder: string): string[] {
  return list(folder).map((name) => `pins ${folder}/${name}`);
}

interface BpfObject {
  readonly id: number;
  readonly name?: string;
  readonly prog_id?: number;
  readonly type?: string;
}

/** Weir's own programs and the links that hold them, as a tool that is not Weir's sees them. */
function bpfObjects(): string[] {
  const programs = bpftool("prog").filter(({ name }) => name?.startsWith("weir_"));
  const ids = new Set(programs.map(({ id }) => id));
  const links = bpftool("link").filter(({ prog_id: program }) => program !== undefined && ids.has(program));
  return [
    ...programs.map(({ id, name }) => `BPF program ${id} ${name}`),
    ...links.map(({ id, type }) => `BPF link ${id} (${type})`),
  ];
}

function bpftool(kind: "prog" | "link"): readonly BpfObject[] {
  if (Bun.which("bpftool") === null) return [];
  const result = Bun.spawnSync(["bpftool", "-j", kind, "list"], { stderr: "ignore" });
  if (!result.success) return [];
  try {
    return JSON.parse(result.stdout.toString()) as BpfObject[];
  } catch {
    return [];
  }
}
