// SPDX-License-Identifier: Apache-2.0
/** Network namespaces as netlink's users name them, and the ids under which the kernel's tables refer to them. */

import { close, O_RDONLY, open } from "../runtime/libc.ts";
import { AttributeTable } from "./attribute.ts";
import { AF_UNSPEC, RTM_GETNSID } from "./constants.ts";
import type { NetlinkSocket } from "./socket.ts";

/** Where `ip netns` keeps named namespaces. */
export const NAMED_NAMESPACES = "/run/netns";

/** Attributes of `struct rtgenmsg` messages (`linux/net_namespace.h`). */
const NETNSA_NSID = 1;
const NETNSA_FD = 3;
/** The kernel's "has no id here". */
const NOT_ASSIGNED = -1;

const attributes = new AttributeTable(NETNSA_FD);

/**
 * The path of a namespace that is given by name (`blue`, as in `ip netns`) or by path
 * (`/run/netns/blue`, `/proc/1234/ns/net`). `undefined`, the calling thread's own, stays so.
 */
export function namespacePath(netns: string): string;
export function namespacePath(netns: string | undefined): string | undefined;
export function namespacePath(netns: string | undefined): string | undefined {
  return netns === undefined || netns.includes("/") ? netns : `${NAMED_NAMESPACES}/${netns}`;
}

/** Runs `use` with a descriptor of the namespace, which is closed afterwards. */
export function withNamespaceDescriptor<T>(netns: string, use: (fd: number) => T): T {
  const fd = open(namespacePath(netns), O_RDONLY);
  try {
    return use(fd);
  } finally {
    close(fd);
  }
}

/**
 * The id by which the socket's namespace knows another one (`LinkInfo.linkNetnsId` of a veth whose peer is
 * there); `undefined` if it has none yet.
 */
export function namespaceId(socket: NetlinkSocket, netns: string): number | undefined {
  return withNamespaceDescriptor(netns, (fd) => {
    const id = socket.get(
      `look up the id of network namespace "${netns}"`,
      RTM_GETNSID,
      (writer) => {
        writer.view.setUint8(writer.reserve(4), AF_UNSPEC);
        writer.u32(NETNSA_FD, fd);
      },
      (message) => attributes.read(message, message.start + 4, message.end).i32(NETNSA_NSID),
    );
    return id === NOT_ASSIGNED ? undefined : id;
  });
}
