// SPDX-License-Identifier: Apache-2.0
/** Reverse-path filters of the host's stack, which may keep it from hearing of Weir. */
import { existsSync, readFileSync } from "node:fs";

const read = (device: string): number => {
  const file = `/proc/sys/net/ipv4/conf/${device}/rp_filter`;
  return existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
};

/**
 * What the filters cost on the host's device: the highest of both settings counts (Documentation/networking/ip-sysctl.rst).
 * Must be called in the node's namespace.
 */
export function reversePathWarnings(device: string): string[] {
  if (Math.max(read("all"), read(device)) !== 1) return [];
  const cost = "packets whose source has no route of the VRF, and Weir's ICMP errors, do not reach the host";
  return [
    `net.ipv4.conf.${read(device) === 1 ? device : "all"}.rp_filter is 1: ${cost}; run: sysctl -w net.ipv4.conf.${device}.rp_filter=2`,
  ];
}
