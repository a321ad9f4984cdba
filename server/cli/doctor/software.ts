// SPDX-License-Identifier: Apache-2.0
/** The software that Weir stands on: the JavaScript runtime, libbpf, and the kernel's verifier. */

import { runtime } from "#runtime";
import { CollectionSpec, libbpfVersion } from "../../../sdk/libbpf/index.ts";
import { selfTests } from "../../../sdk/runtime/selftest.ts";
import { type Check, fail, failed, ok } from "./check.ts";

/** Entries that a map gets for the trial: the full tables would take memory for nothing. */
const TRIAL_ENTRIES = 1024;

/** Runs the self-tests of foreign calls and of AF_XDP memory. */
export function checkRuntime(): Check {
  const name = "runtime";
  const hint = "use Bun 1.4.5, and run as root";
  try {
    for (const test of selfTests) {
      const problem = test.run();
      if (problem !== undefined) return fail(name, `${test.name}: ${problem}`, hint);
    }
  } catch (error) {
    return failed(name, error, hint);
  }
  return ok(name, `${runtime.name} ${runtime.version}, ${selfTests.length} self-tests passed`);
}

/** The system's libbpf: it is opened by absolute path. */
export function checkLibbpf(): Check {
  try {
    const { major, minor, path } = libbpfVersion();
    return ok("libbpf", `${major}.${minor} (${path})`);
  } catch (error) {
    return failed("libbpf", error);
  }
}

/** Lets the verifier of this kernel look at Weir's programs; nothing is attached. */
export function checkPipeline(): Check {
  const name = "pipeline";
  try {
    const start = performance.now();
    const spec = CollectionSpec.fromBytes(runtime.readAsset("assets/weir.bpf.o"));
    for (const map of spec.maps.values()) map.maxEntries = Math.min(map.maxEntries, TRIAL_ENTRIES);
    using collection = spec.load();
    const duration = Math.round(performance.now() - start);
    return ok(name, `${collection.programs.size} programs pass the kernel's verifier (${duration} ms)`);
  } catch (error) {
    return failed(name, error, "the checks above may say why");
  }
}
