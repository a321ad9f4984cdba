// SPDX-License-Identifier: Apache-2.0
/** What `weir doctor --fix` has done. */

import type { DeviceSettings, Fixed } from "../../../sdk/index.ts";
import { type Check, ok, warn } from "./check.ts";

/** A finding for each device that something was done for, and one for each setting that its driver refused. */
export function checkFixed({ device, before, made, failures }: Fixed, instance: string): Check[] {
  const name = `${device} fix`;
  const down = instance === "default" ? "weir down" : `weir --name ${instance} down`;
  return [
    ok(name, `${describeSettings(before, made).join(", ")}; restored by: ${down}`),
    ...failures.map((failure) => warn(name, failure, "the driver refused it; see what the kernel's log says")),
  ];
}

/** What became of each setting: `mtu 9001 to 3498`. */
export function describeSettings(before: DeviceSettings, made: DeviceSettings): string[] {
  return Object.entries(made).flatMap(([group, value]) => {
    const old = before[group as keyof DeviceSettings];
    if (typeof value !== "object") return [`${group} ${old} to ${value}`];
    return Object.entries(value).map(
      ([name, now]) => `${group} ${name} ${text((old as Record<string, unknown> | undefined)?.[name])} to ${text(now)}`,
    );
  });
}

function text(value: unknown): string {
  return typeof value === "boolean" ? (value ? "on" : "off") : String(value);
}
