// SPDX-License-Identifier: Apache-2.0
/** What a device can do on the XDP hook: what its driver says where the kernel passes it on, else what is known of it. */
import type { XdpFeatures } from "../../netlink/index.ts";
import { kernelAtLeast, kernelVersion } from "../device/preflight.ts";
import { findDriver, type QueueRule } from "./table.ts";

/** Abilities of a device on the XDP hook. */
export interface XdpAbilities {
  /** Who says so: the driver itself (Linux 6.3), or Weir's table of drivers. */
  readonly source: "driver" | "table";
  /** Runs programs natively and redirects from it. */
  readonly native: boolean;
  /** Takes what other devices redirect to it, as it is now; `undefined`: not told. */
  readonly target: boolean | undefined;
  /** Takes packets in several buffers. */
  readonly frags: boolean;
  /** AF_XDP without copies. */
  readonly zeroCopy: boolean;
  /** Has room for metadata in front of packets; `undefined`: not known. */
  readonly metadata: boolean | undefined;
  /** Largest MTU with packets in one buffer, in bytes; `undefined`: not known. */
  readonly mtu: number | undefined;
}

const HIDING: ReadonlySet<QueueRule> = new Set(["half", "half-and-equal", "peer"]);

/**
 * @param driver name as `ethtool -i` prints it.
 * @param told what the driver says; `undefined`: the kernel does not pass it on.
 */
export function abilitiesOf(
  driver: string,
  told: XdpFeatures | undefined,
  kernel: readonly [number, number] = kernelVersion(),
): XdpAbilities {
  const known = findDriver(driver);
  const since = (version: readonly [number, number] | undefined) =>
    version !== undefined && kernelAtLeast(...version, kernel);
  const fixed = { metadata: known?.metadata, mtu: known?.mtu };
  if (told === undefined) {
    return {
      ...fixed,
      source: "table",
      native: since(known?.native),
      target: undefined,
      frags: since(known?.frags),
      zeroCopy: since(known?.zeroCopy),
    };
  }
  // Such drivers take the ability back while too many queues are in use, or too few for the other end.
  const hidden = !told.basic && known?.queues !== undefined && HIDING.has(known.queues) && since(known.native);
  return {
    ...fixed,
    source: "driver",
    native: hidden || (told.basic && told.redirect),
    target: told.target,
    frags: told.frags,
    zeroCopy: told.zeroCopy,
  };
}
