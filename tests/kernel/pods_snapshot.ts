// SPDX-License-Identifier: Apache-2.0
/** All that the kernel holds for a lab and an instance, as iproute2, ethtool, bpftool and the file system tell it. */
import { existsSync, readdirSync } from "node:fs";
import { type Lab, NODE, waitFor } from "../../sdk/lab/index.ts";
import { programsOn } from "./programs_on.ts";

/** One line a fact, by where it was found. Equal states give equal snapshots. */
export type KernelSnapshot = Readonly<Record<string, readonly string[]>>;

type Json = Readonly<Record<string, unknown>>;

/** What changes by itself, or with every packet. */
const VOLATILE = new Set(["stats", "stats64", "used", "updated", "confirmed", "refcnt", "probes", "cache", "bytes"]);
const VOLATILE_SYSCTL =
  /^net\.(netfilter|ipv[46]\.(route|neigh)|core\.(?!.*default)|ipv4\.tcp_|ipv6\.conf\.[^.]+\.stable)/;

/** Snapshots of namespaces, devices, sysctls, and of the instance's files and pins. */
export function takeKernelSnapshot(lab: Lab, instance: string): KernelSnapshot {
  const facts: Record<string, string[]> = {
    pins: files("/sys/fs/bpf/weir", instance),
    run: files("/run/weir", instance),
    state: files("/var/lib/weir", instance),
  };
  for (const namespace of lab.namespaces.filter((name) => existsSync(lab.path(name)))) {
    const run = (...argv: string[]) => lab.execSync(namespace, argv).stdout;
    const json = (...argv: string[]) => (JSON.parse(run(...argv) || "[]") as Json[]).map(stable);
    const links = JSON.parse(run("ip", "-j", "link")) as { ifname: string }[];
    const add = (what: string, lines: string[]) => {
      facts[`${namespace} ${what}`] = lines.sort();
    };
    add("links", json("ip", "-j", "-d", "link"));
    add("addresses", json("ip", "-j", "address"));
    add("routes", [
      ...json("ip", "-j", "route", "show", "table", "all"),
      ...json("ip", "-6", "-j", "route", "show", "table", "all"),
    ]);
    // What a pod knows of its neighbours is its own business.
    const states = namespace === NODE ? "all" : "permanent";
    add(
      "neighbours",
      json("ip", "-j", "neigh", "show", "nud", states).filter((line) => !line.includes("NOARP")),
    );
    add("rules", [...json("ip", "-j", "rule"), ...json("ip", "-6", "-j", "rule")]);
    add("qdiscs", json("tc", "-j", "qdisc"));
    add("bpf", lines(run("bpftool", "net", "show")));
    add(
      "sysctls",
      lines(run("sysctl", "-a", "-r", "^net\\.")).filter((line) => !VOLATILE_SYSCTL.test(line)),
    );
    for (const { ifname } of links) {
      for (const hook of ["ingress", "egress"])
        add(`${ifname} ${hook}`, json("tc", "-j", "filter", "show", "dev", ifname, hook));
      // With TCX, of which bpftool of Debian 12 knows nothing.
      add(`${ifname} programs`, programsOn(lab, namespace, ifname));
      add(`${ifname} features`, lines(run("ethtool", "-k", ifname)));
      for (const [what, option] of Object.entries({ channels: "-l", rings: "-g", coalescing: "-c", pauses: "-a" })) {
        add(`${ifname} ${what}`, lines(run("ethtool", option, ifname)));
      }
    }
  }
  return facts;
}

/** The facts that two snapshots do not share, for a failure that can be read. */
export function differences(before: KernelSnapshot, after: KernelSnapshot): string[] {
  const places = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...places].flatMap((place) => {
    const [old, now] = [before[place] ?? [], after[place] ?? []];
    return [
      ...old.filter((line) => !now.includes(line)).map((line) => `- ${place}: ${line}`),
      ...now.filter((line) => !old.includes(line)).map((line) => `+ ${place}: ${line}`),
    ];
  });
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

function stable(object: Json): string {
  return JSON.stringify(object, (key, value: unknown) => (VOLATILE.has(key) ? undefined : value));
}

/** Files of an instance below a directory that all instances share. */
function files(directory: string, instance: string): string[] {
  if (!existsSync(directory)) return [];
  const own = readdirSync(directory).filter((name) => name === instance || name.startsWith(`${instance}.`));
  return own.flatMap((name) => {
    const path = `${directory}/${name}`;
    try {
      return [path, ...readdirSync(path, { recursive: true }).map((inner) => `${path}/${String(inner)}`)];
    } catch {
      return [path];
    }
  });
}

/** Numbers of an instance's BPF objects, taken while it is up. */
export interface BpfObjects {
  readonly maps: readonly number[];
  readonly programs: readonly number[];
  readonly links: readonly number[];
}

/** The objects that are pinned for an instance, and the programs that use its maps. */
export function bpfObjectsOf(instance: string): BpfObjects {
  const root = `/sys/fs/bpf/weir/${instance}`;
  const pinned = (kind: "map" | "link", folder: string) =>
    readdirSync(`${root}/${folder}`).flatMap((name) => {
      const found = bpftool(kind, "show", "pinned", `${root}/${folder}/${name}`) as { id?: number };
      return found.id ?? [];
    });
  const maps = pinned("map", "maps");
  const programs = (bpftool("prog", "show") as { id: number; map_ids?: number[] }[])
    .filter(({ map_ids: used }) => used?.some((id) => maps.includes(id)))
    .map(({ id }) => id);
  return { maps, programs, links: pinned("link", "links") };
}

/** Waits until the kernel has freed the objects, which it does a little after the last reference goes. */
export async function expectFreed(objects: BpfObjects): Promise<void> {
  const left = () => {
    const ids = (kind: string) => new Set((bpftool(kind, "show") as { id: number }[]).map(({ id }) => id));
    const [maps, programs, links] = [ids("map"), ids("prog"), ids("link")];
    return [
      ...objects.maps.filter((id) => maps.has(id)).map((id) => `map ${id}`),
      ...objects.programs.filter((id) => programs.has(id)).map((id) => `program ${id}`),
      ...objects.links.filter((id) => links.has(id)).map((id) => `link ${id}`),
    ];
  };
  await waitFor(() => left().length === 0, { intervalMs: 100 }).catch(() => {
    throw new Error(`Still in the kernel: ${left().join(", ")}`);
  });
}

function bpftool(...args: readonly string[]): unknown {
  const { stdout, success } = Bun.spawnSync(["bpftool", "-j", ...args], { stderr: "ignore" });
  return success ? JSON.parse(stdout.toString()) : {};
}
