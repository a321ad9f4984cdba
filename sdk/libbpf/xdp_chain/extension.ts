// SPDX-License-Identifier: Apache-2.0
/** Loading an XDP program so that it can be one of several on a device. */

import { WeirError } from "../../errors.ts";
import type { Collection } from "../collection.ts";
import type { CollectionSpec, LoadOptions } from "../spec.ts";
import { Dispatcher, slotName } from "./dispatcher.ts";

/**
 * Loads an object file with one of its XDP programs as an extension of dispatchers (`BPF_PROG_TYPE_EXT`); its other
 * programs as they are set. The kernel checks it against a dispatcher that is attached nowhere; later it can be put into
 * others (Linux 5.10).
 * @throws WeirError `EOPNOTSUPP` where the kernel has no such programs; what {@link CollectionSpec.load} throws.
 */
export function loadExtension(spec: CollectionSpec, name: string, options: LoadOptions = {}): Collection {
  const program = spec.programs.get(name);
  if (program === undefined) {
    const operation = `load extension "${name}" of "${spec.name}"`;
    throw new WeirError({ code: "ENOENT", operation, reason: "there is none" });
  }
  using target = Dispatcher.load([{ priority: 0, actions: 0, frags: false }]);
  const { type, attachType } = program;
  Object.assign(program, { type: "ext", attachType: 0 });
  program.attachTarget = { program: target.program, functionName: slotName(0) };
  try {
    return spec.load(options);
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== "EPERM") throw error;
    throw new WeirError({
      code: "EOPNOTSUPP",
      operation: `load XDP program "${name}" for a chain`,
      reason: "the kernel refuses programs that replace a function of another one (BPF_PROG_TYPE_EXT: EPERM)",
      hint: "have it alone on the device's XDP hook, or use the TC hook",
      cause: error,
    });
  } finally {
    Object.assign(program, { type, attachType, attachTarget: undefined });
  }
}
