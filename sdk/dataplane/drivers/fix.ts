// SPDX-License-Identifier: Apache-2.0
/** Mends devices once, for the instance that will use them. */
import { WeirError } from "../../errors.ts";
import { namespacePath } from "../../netlink/index.ts";
import { withNetns } from "../../runtime/netns.ts";
import { SqliteStore } from "../../store/index.ts";
import { instancePaths } from "../instance/instance.ts";
import { InstanceLock } from "../instance/lock.ts";
import { readFacts } from "./facts.ts";
import { type InspectOptions, reportOf } from "./report.ts";
import { currentOf, type DeviceSettings, isEmpty, merge, openAccess } from "./settings.ts";
import { Tuning } from "./tuning.ts";

/** What was done to one device. */
export interface Fixed {
  readonly device: string;
  /** Settings as they were before. */
  readonly before: DeviceSettings;
  /** Settings that were to be made. */
  readonly made: DeviceSettings;
  /** One line for each that the driver refused. */
  readonly failures: readonly string[];
}

/** Options of {@link fixDevices}. */
export interface FixOptions extends InspectOptions {
  /** Instance whose `destroy`, or `weir down`, restores the settings. Default `default`. */
  readonly instance?: string | undefined;
  /** Path of its SQLite file. Default: its own. */
  readonly store?: string | undefined;
}

/**
 * Makes the settings that devices need for their hooks. An instance that no controller runs remembers how they were.
 * @returns the devices that something was to be done for.
 * @throws WeirError `EBUSY` while a controller runs the instance: it does the same for interfaces with `tune: true`.
 */
export function fixDevices(names: readonly string[], o: FixOptions = {}): Fixed[] {
  const paths = instancePaths(o.instance ?? "default", o.store);
  using _lock = takeLock(paths.lock, paths.name);
  return withNetns(namespacePath(o.netns), () => {
    using access = openAccess();
    const wanted = names.flatMap((device) => {
      const facts = readFacts(access, device);
      if (facts === undefined) return [];
      const { needs } = reportOf(facts, o.hook);
      const settings = needs.reduce<DeviceSettings>((all, need) => merge(all, need.settings), {});
      return isEmpty(settings) ? [] : [{ device, ifindex: facts.link.index, settings }];
    });
    // Nothing to be done leaves no trace.
    if (wanted.length === 0) return [];
    using store = SqliteStore.open(paths.store);
    const tuning = new Tuning(store, "fixed");
    return wanted.map(({ device, ifindex, settings }) => {
      const before = currentOf(access, device, settings);
      const { failures } = tuning.set(device, access, { ifindex }, settings);
      return { device, before, made: settings, failures };
    });
  });
}

function takeLock(path: string, instance: string): InstanceLock {
  try {
    return InstanceLock.take(path, instance);
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== "EBUSY") throw error;
    throw new WeirError({
      code: "EBUSY",
      operation: "fix devices",
      reason: `a controller runs instance "${instance}"`,
      hint: "say tune: true at the interfaces of its state, or fix them while it does not run",
      cause: error,
    });
  }
}
