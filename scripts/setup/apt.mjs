// SPDX-License-Identifier: Apache-2.0
/** Installs Debian and Ubuntu packages. */

import { spawnSync } from "node:child_process";

const ENVIRONMENT = { ...process.env, DEBIAN_FRONTEND: "noninteractive", NEEDRESTART_MODE: "a" };
// A fresh machine often updates itself when it starts: wait for its lock.
const OPTIONS = ["-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"];

let updated = false;

/**
 * Installs what is missing and says so, one line a step.
 * @param {readonly import("./packages.mjs").Requirement[]} missing
 * @param {(line: string) => void} say
 * @throws Error with one line that says what to do
 */
export function installPackages(missing, say) {
  const wanted = missing.map(({ packages }) => packages[0]).join(" ");
  if (spawnSync("apt-get", ["--version"]).status !== 0) {
    throw new Error(`system packages are missing and there is no apt-get; install what gives: ${wanted}`);
  }
  if (process.getuid?.() !== 0) {
    throw new Error(`system packages are missing; run as root: apt-get install ${wanted}`);
  }
  update(say);
  const required = missing.filter(({ optional }) => !optional).map(firstAvailable);
  if (required.length > 0) {
    say(`installing ${required.join(" ")}`);
    const failure = install(required);
    if (failure !== undefined) throw new Error(`apt-get install ${required.join(" ")} failed: ${failure}`);
  }
  for (const requirement of missing.filter(({ optional }) => optional)) {
    const name = firstAvailable(requirement);
    say(`installing ${name} (optional)`);
    const failure = install([name]);
    if (failure !== undefined) say(`${name} cannot be had here: ${failure}`);
  }
}

/** @param {(line: string) => void} say */
function update(say) {
  if (updated) return;
  updated = true;
  say("reading the package lists");
  const result = apt(["update"]);
  // One unreachable source among several is no reason to stop: the install tells whether it mattered.
  if (result.status !== 0) say(`apt-get update: ${lastLine(result)}`);
}

/** @param {import("./packages.mjs").Requirement} requirement */
function firstAvailable({ packages }) {
  const known = packages.find((name) => {
    const policy = spawnSync("apt-cache", ["policy", name], { encoding: "utf8", env: { ...ENVIRONMENT, LC_ALL: "C" } });
    return /Candidate: (?!\(none\))/.test(policy.stdout ?? "");
  });
  return known ?? packages[0];
}

/** @param {readonly string[]} names */
function install(names) {
  const result = apt(["install", "--no-install-recommends", ...names]);
  return result.status === 0 ? undefined : lastLine(result);
}

/** @param {readonly string[]} args */
function apt(args) {
  return spawnSync("apt-get", [...OPTIONS, ...args], {
    encoding: "utf8",
    env: ENVIRONMENT,
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** @param {import("node:child_process").SpawnSyncReturns<string>} result */
function lastLine(result) {
  const lines = `${result.stdout ?? ""}\n${result.stderr ?? ""}`.split("\n").filter((line) => line.trim() !== "");
  return lines.findLast((line) => line.startsWith("E:")) ?? lines.at(-1) ?? `status ${result.status}`;
}
