// SPDX-License-Identifier: Apache-2.0
/** What drivers say of their XDP abilities: generic netlink family `netdev` (`linux/netdev.h`, Linux 6.3). */

import { WeirError } from "../errors.ts";
import { AttributeTable } from "./attribute.ts";
import { GENERIC_HEADER_SIZE, GenericFamily } from "./generic.ts";
import type { NetlinkMessage } from "./message.ts";

const FAMILY_NAME = "netdev";
const FAMILY_VERSION = 1;
const NETDEV_CMD_DEV_GET = 1;

const NETDEV_A_DEV_IFINDEX = 1;
const NETDEV_A_DEV_XDP_FEATURES = 3;
const NETDEV_A_DEV_XDP_ZC_MAX_SEGS = 4;

/** Bits of `enum netdev_xdp_act`. */
const NETDEV_XDP_ACT_BASIC = 1;
const NETDEV_XDP_ACT_REDIRECT = 2;
const NETDEV_XDP_ACT_NDO_XMIT = 4;
const NETDEV_XDP_ACT_XSK_ZEROCOPY = 8;
const NETDEV_XDP_ACT_HW_OFFLOAD = 16;
const NETDEV_XDP_ACT_RX_SG = 32;
const NETDEV_XDP_ACT_NDO_XMIT_SG = 64;

/**
 * What a device can do with XDP as it is set now: drivers take abilities back while queues, MTU or offloads are in
 * their way, and some are redirect targets only while they have a program themselves.
 */
export interface XdpFeatures {
  /** Runs programs, with all verdicts but redirect. */
  readonly basic: boolean;
  /** Redirects from it. */
  readonly redirect: boolean;
  /** Takes packets that are redirected to it. */
  readonly target: boolean;
  /** AF_XDP without copies. */
  readonly zeroCopy: boolean;
  /** Runs programs on the device itself. */
  readonly offload: boolean;
  /** Receives packets in several buffers (frags). */
  readonly frags: boolean;
  /** Takes packets in several buffers that are redirected to it. */
  readonly fragsTarget: boolean;
  /** Buffers of a packet at most in zero-copy AF_XDP; 1: no more than one, or not told (before Linux 6.6). */
  readonly zeroCopySegments: number;
}

const attributes = new AttributeTable(NETDEV_A_DEV_XDP_ZC_MAX_SEGS);

/**
 * XDP abilities of the devices of one network namespace.
 *
 * ```ts
 * using netdev = Netdev.open();
 * netdev?.xdpFeatures(link.index)?.zeroCopy;
 * ```
 */
export class Netdev implements Disposable {
  readonly #family: GenericFamily;

  private constructor(family: GenericFamily) {
    this.#family = family;
  }

  /**
   * @param o.netns namespace by name or path; default the calling thread's
   * @returns `undefined` before Linux 6.3, which does not tell
   */
  static open(o: { readonly netns?: string | undefined } = {}): Netdev | undefined {
    try {
      return new Netdev(GenericFamily.open(FAMILY_NAME, FAMILY_VERSION, o.netns));
    } catch (error) {
      if (error instanceof WeirError && error.code === "EOPNOTSUPP") return undefined;
      throw error;
    }
  }

  /** What a device can do now; `undefined` if there is none of that index. */
  xdpFeatures(ifindex: number): XdpFeatures | undefined {
    let features: XdpFeatures | undefined;
    try {
      this.#family.request(
        `read the XDP features of device ${ifindex}`,
        NETDEV_CMD_DEV_GET,
        (writer) => writer.u32(NETDEV_A_DEV_IFINDEX, ifindex),
        (message) => {
          features = decodeXdpFeatures(message);
        },
      );
    } catch (error) {
      if (!(error instanceof WeirError) || error.code !== "ENODEV") throw error;
    }
    return features;
  }

  close(): void {
    this.#family[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function decodeXdpFeatures(message: NetlinkMessage): XdpFeatures {
  const a = attributes.read(message, message.start + GENERIC_HEADER_SIZE, message.end);
  // Of 64 bits; all that there are lie in the low half.
  const bits = a.u32(NETDEV_A_DEV_XDP_FEATURES) ?? 0;
  const has = (bit: number) => (bits & bit) !== 0;
  return {
    basic: has(NETDEV_XDP_ACT_BASIC),
    redirect: has(NETDEV_XDP_ACT_REDIRECT),
    target: has(NETDEV_XDP_ACT_NDO_XMIT),
    zeroCopy: has(NETDEV_XDP_ACT_XSK_ZEROCOPY),
    offload: has(NETDEV_XDP_ACT_HW_OFFLOAD),
    frags: has(NETDEV_XDP_ACT_RX_SG),
    fragsTarget: has(NETDEV_XDP_ACT_NDO_XMIT_SG),
    zeroCopySegments: a.u32(NETDEV_A_DEV_XDP_ZC_MAX_SEGS) ?? 1,
  };
}
