// SPDX-License-Identifier: Apache-2.0
/** Which labs there are: one file each, so that another process can find a lab and remove exactly what was made. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { WeirError } from "../errors.ts";
import { checkTopology } from "./check.ts";
import type { Topology } from "./topology.ts";

const DIRECTORY = "/run/weir/labs";
const SUFFIX = ".json";

function pathOf(prefix: string): string {
  return `${DIRECTORY}/${prefix}${SUFFIX}`;
}

/** Claims a prefix for a topology. Of several processes that try, one succeeds. @throws WeirError `EEXIST` */
export function writeManifest(prefix: string, topology: Topology): void {
  const write = () => {
    mkdirSync(DIRECTORY, { recursive: true, mode: 0o755 });
    writeFileSync(pathOf(prefix), JSON.stringify(topology), { flag: "wx", mode: 0o644 });
  };
  try {
    try {
      write();
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      // The directory went between the two calls, with the last lab of another process.
      write();
    }
  } catch (error) {
    const code = codeOf(error);
    const operation = `make lab "${prefix}"`;
    if (code !== "EEXIST") throw new WeirError({ code, operation, reason: code, hint: "run as root", cause: error });
    throw new WeirError({
      code,
      operation,
      reason: "there is a lab with this prefix",
      hint: "remove it first, pass replace: true or choose another prefix",
    });
  }
}

/** The topology of the lab with a prefix; `undefined` if there is none. */
export function readManifest(prefix: string): Topology | undefined {
  const path = pathOf(prefix);
  if (!existsSync(path)) return undefined;
  try {
    const topology = JSON.parse(readFileSync(path, "utf8")) as Topology;
    checkTopology(topology);
    return topology;
  } catch (error) {
    throw new WeirError({
      code: "EINVALIDSTATE",
      operation: `read lab file "${path}"`,
      reason: error instanceof Error ? error.message : String(error),
      hint: "remove the file, and the namespaces with `ip netns delete`",
      cause: error,
    });
  }
}

/** Gives a prefix back; the directory goes with the last one. */
export function removeManifest(prefix: string): void {
  rmSync(pathOf(prefix), { force: true });
  try {
    rmdirSync(DIRECTORY);
  } catch {
    // Other labs are there.
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "EIO";
}

/** The prefixes of all labs. */
export function listManifests(): string[] {
  if (!existsSync(DIRECTORY)) return [];
  return readdirSync(DIRECTORY)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
    .sort();
}
