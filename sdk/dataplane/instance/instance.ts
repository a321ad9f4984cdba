// SPDX-License-Identifier: Apache-2.0
/** Where an instance keeps what outlives its process. */
import { WeirError } from "../../errors.ts";

/** Root of all pins. */
export const BPFFS = "/sys/fs/bpf";

/** Paths of one instance. */
export interface InstancePaths {
  readonly name: string;
  /** Directory of all its pins. */
  readonly pins: string;
  readonly maps: string;
  readonly links: string;
  /** Desired state. */
  readonly store: string;
  /** Held while a controller runs. */
  readonly lock: string;
}

const NAME = /^[A-Za-z0-9_-]{1,32}$/;

/**
 * @param store path of the desired state in place of the usual one.
 * @throws WeirError `EINVAL` for a name that cannot be a directory in a BPF file system (no dots there).
 */
export function instancePaths(name: string, store = `/var/lib/weir/${name}/state.db`): InstancePaths {
  if (!NAME.test(name)) {
    throw new WeirError({
      code: "EINVAL",
      operation: `open instance ${JSON.stringify(name)}`,
      reason: "it is no name",
      hint: "use 1 to 32 letters, digits, _ and -",
    });
  }
  const pins = `${BPFFS}/weir/${name}`;
  return {
    name,
    pins,
    maps: `${pins}/maps`,
    links: `${pins}/links`,
    store,
    lock: `/run/weir/${name}.lock`,
  };
}
