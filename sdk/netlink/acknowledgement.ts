// SPDX-License-Identifier: Apache-2.0
/** What the kernel answers to a request: success, or an error number with an explanation (extended acknowledgement). */

import type { WeirError } from "../errors.ts";
import { EPERM, errnoError } from "../runtime/errno.ts";
import { AttributeTable, align } from "./attribute.ts";
import { LITTLE_ENDIAN, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE } from "./constants.ts";
import { MESSAGE_HEADER_SIZE, type NetlinkMessage } from "./message.ts";

/** Attributes of an extended acknowledgement (`enum nlmsgerr_attrs`, `linux/netlink.h`). */
const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_MISS_TYPE = 5;
const NLMSGERR_ATTR_MAX = 6;

const attributes = new AttributeTable(NLMSGERR_ATTR_MAX);

/**
 * The error that an `NLMSG_ERROR` or `NLMSG_DONE` message carries; `undefined` if it tells of success.
 * The kernel's own words, where it has any, are the reason.
 * @param operation what was tried on what, for the message
 */
export function acknowledgedError(message: NetlinkMessage, operation: string): WeirError | undefined {
  if (message.end - message.start < 4) return undefined;
  const errno = -message.view.getInt32(message.start, LITTLE_ENDIAN);
  if (errno <= 0) return undefined;
  return errnoError(errno, operation, { ...explanation(message), ...advice(errno) });
}

function advice(errno: number): { hint?: string } {
  return errno === EPERM ? { hint: "run as root or with CAP_NET_ADMIN" } : {};
}

function explanation(message: NetlinkMessage): { reason?: string } {
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return {};
  attributes.read(message, message.start + attributesOffset(message), message.end);
  const text = attributes.string(NLMSGERR_ATTR_MSG);
  if (text !== undefined && text !== "") return { reason: text.replace(/[.\s]+$/, "") };
  const missing = attributes.u32(NLMSGERR_ATTR_MISS_TYPE);
  return missing === undefined ? {} : { reason: `attribute ${missing} is missing` };
}

/** Behind the error number come the request's header (alone if capped, else with its payload), then attributes. */
function attributesOffset(message: NetlinkMessage): number {
  if (message.type === NLMSG_DONE) return 4;
  if ((message.flags & NLM_F_CAPPED) !== 0) return 4 + MESSAGE_HEADER_SIZE;
  return 4 + align(message.view.getUint32(message.start + 4, LITTLE_ENDIAN));
}
