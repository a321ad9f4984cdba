// SPDX-License-Identifier: Apache-2.0
/** TC on any kernel, and links found again by their pins. */

import { existsSync } from "node:fs";
import { WeirError } from "../../errors.ts";
import { close } from "../../runtime/libc.ts";
import { BPF_TCX_INGRESS } from "../names.ts";
import { openPin } from "../pin.ts";
import { linkInfo } from "../structs.ts";
import { openChainPin } from "../xdp_chain/link.ts";
import { tail } from "./anchor.ts";
import { attachClsact, ClsactLink, queryClsact } from "./clsact.ts";
import { clsactHandle, clsactPriority } from "./clsact_order.ts";
import { findClsactPin } from "./clsact_pin.ts";
import { listFilters } from "./filters.ts";
import { BpfLink, describeDevice, type Link, readLinkInfo } from "./link.ts";
import { type AttachTcxOptions, attachTcx, tcxSupported } from "./tcx.ts";

/**
 * Attaches a TC program with TCX, or with clsact on kernels before 6.6, where `order` becomes a priority and
 * `expectedRevision` means nothing.
 * @throws WeirError those of {@link attachTcx}, or of {@link attachClsact} and {@link clsactPriority}.
 */
export function attachTc(options: AttachTcxOptions): Link {
  if (tcxSupported()) return attachTcx(options);
  const { program, ifindex, direction, device, order = tail() } = options;
  const filters = listFilters(ifindex, direction);
  const priority = clsactPriority(filters, order, describeDevice(ifindex, device));
  const handle = clsactHandle(filters, priority);
  return attachClsact({ program, ifindex, direction, priority, handle, ...(device === undefined ? {} : { device }) });
}

/** `BPF_LINK_TYPE_*`. */
const LINK_TYPE_XDP = 6;
const LINK_TYPE_TCX = 11;

/**
 * Opens a pinned link of any kind. The thread must be in the network namespace of its device for clsact and chains.
 * @throws WeirError `ENOENT` if there is no pin, `EINVAL` if it is something else, `ESTALE` if a clsact filter
 * is gone or not ours any more, or a program in no chain any more.
 */
export function linkFromPin(path: string): Link {
  if (!existsSync(path)) {
    const place = findClsactPin(path, queryClsact);
    if (place !== undefined) return new ClsactLink(place, path);
    const chained = openChainPin(path);
    if (chained !== undefined) return chained;
  }
  const { fd } = openPin(path, "link");
  const info = readLinkInfo(fd);
  const ifindex = info.getU32(linkInfo.ifindex);
  switch (info.getU32(linkInfo.type)) {
    case LINK_TYPE_XDP:
      return new BpfLink({ kind: "xdp", fd, ifindex, pinPath: path });
    case LINK_TYPE_TCX: {
      const direction = info.getU32(linkInfo.attachType) === BPF_TCX_INGRESS ? "ingress" : "egress";
      return new BpfLink({ kind: "tcx", fd, ifindex, direction, pinPath: path });
    }
    default: {
      close(fd);
      const reason = "it is a link of another kind than XDP or TCX";
      throw new WeirError({ code: "EINVAL", operation: `open the pinned link "${path}"`, reason });
    }
  }
}
