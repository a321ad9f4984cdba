#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/**
 * Makes a fresh clone ready: `node scripts/setup.mjs PURPOSE`, which npm's scripts run first.
 * Plain Node without dependencies, since nothing is installed yet. What is in place already is
 * only looked at, which takes well under a second.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackages } from "./setup/apt.mjs";
import { REQUIREMENTS } from "./setup/packages.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
/** What these do needs network namespaces and BPF programs. */
const NEEDS_ROOT = new Set(["start", "test", "bench", "kernels"]);
/** What runs from the sources or the built assets. */
const NEEDS_ASSETS = new Set(["start", "test", "bench", "kernels"]);

const say = (line) => process.stderr.write(`setup: ${line}\n`);

function main(purpose) {
  const requirements = REQUIREMENTS[purpose];
  if (requirements === undefined) {
    throw new Error(`there is no purpose "${purpose}"; name one of ${Object.keys(REQUIREMENTS).join(", ")}`);
  }
  if (process.platform !== "linux") throw new Error("Weir runs on Linux only");
  if (NEEDS_ROOT.has(purpose) && process.getuid() !== 0) {
    throw new Error("network namespaces and BPF programs need root; run it as root, for example with sudo");
  }
  installMissingPackages(requirements);
  installModules();
  if (NEEDS_ASSETS.has(purpose)) run("node_modules/.bin/bun", ["run", "scripts/build.ts", "--assets"], "build");
}

function installMissingPackages(requirements) {
  const missing = requirements.filter(({ present }) => !present());
  // An optional package that the distribution does not have is asked for once, not at each run.
  const memory = join(ROOT, "node_modules", ".weir-optional");
  const refused = new Set(existsSync(memory) ? readFileSync(memory, "utf8").split("\n") : []);
  const wanted = missing.filter(({ optional, packages }) => !(optional && refused.has(packages[0])));
  if (wanted.length === 0) return;
  installPackages(wanted, say);
  for (const { optional, packages, present } of wanted) {
    if (present()) continue;
    if (!optional) throw new Error(`${packages[0]} was installed, but what it should bring is not there`);
    refused.add(packages[0]);
  }
  if (existsSync(dirname(memory))) writeFileSync(memory, [...refused].join("\n"));
}

/** Runs `npm ci` unless node_modules is what package-lock.json asks for. */
function installModules() {
  const lock = createHash("sha256").update(readFileSync(join(ROOT, "package-lock.json"))).digest("hex");
  const stamp = join(ROOT, "node_modules", ".weir-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  if (!installedByHand()) {
    say("installing npm packages");
    run("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"], "npm ci");
  }
  finishBun();
  writeFileSync(stamp, lock);
}

/** Somebody ran `npm ci` after the last change of package-lock.json. */
function installedByHand() {
  const inner = join(ROOT, "node_modules", ".package-lock.json");
  return existsSync(inner) && statSync(inner).mtimeMs > statSync(join(ROOT, "package-lock.json")).mtimeMs;
}

/** With `ignore-scripts` in npm's configuration the bun package is only half installed. */
function finishBun() {
  const works = () => spawnSync(join(ROOT, "node_modules/.bin/bun"), ["--version"]).status === 0;
  if (works()) return;
  spawnSync("node", ["install.js"], { cwd: join(ROOT, "node_modules/bun"), stdio: "ignore" });
  if (!works()) throw new Error("node_modules/.bin/bun does not run; remove node_modules and try again");
}

/** Runs a step that prints its own progress. */
function run(command, args, name) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: ["ignore", 2, 2] });
  if (result.error !== undefined) throw new Error(`${name} does not start: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${name} failed with status ${result.status}; see above`);
}

try {
  main(process.argv[2] ?? "start");
} catch (error) {
  process.stderr.write(`Cannot set up Weir: ${error.message}\n`);
  process.exitCode = 1;
}
