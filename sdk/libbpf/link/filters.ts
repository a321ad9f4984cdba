// SPDX-License-Identifier: Apache-2.0
/** Counting the filters of a clsact qdisc over rtnetlink: libbpf can look up one filter, but cannot list them. */

import { runtime } from "#runtime";
import { errnoError } from "../../runtime/errno.ts";
import { close, recv, SOCK_RAW, sendto, socket } from "../../runtime/libc.ts";
import { Packed } from "../packed.ts";
import type { Direction } from "./link.ts";

const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const RTM_NEWTFILTER = 44;
const RTM_GETTFILTER = 46;
const NLM_F_REQUEST_DUMP = 0x301;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER_BYTES = 16;
const REQUEST_BYTES = 36;
const ANSWER_BYTES = 65536;

/** `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)` and `..._EGRESS` (linux/pkt_sched.h). */
const parents: Record<Direction, number> = { ingress: 0xfffffff2, egress: 0xfffffff3 };

/** Number of filters in one direction of a device's clsact qdisc; 0 without the qdisc. */
export function countFilters(ifindex: number, direction: Direction): number {
  // struct nlmsghdr, struct tcmsg
  const request = new Packed(REQUEST_BYTES).u32(0, REQUEST_BYTES).u32(20, ifindex).u32(28, parents[direction]);
  request.view.setUint16(4, RTM_GETTFILTER, true);
  request.view.setUint16(6, NLM_F_REQUEST_DUMP, true);
  const fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  try {
    sendto(fd, request, REQUEST_BYTES, 0);
    return readAnswers(fd, ifindex);
  } finally {
    close(fd);
  }
}

function readAnswers(fd: number, ifindex: number): number {
  const answer = runtime.alloc(ANSWER_BYTES);
  let filters = 0;
  for (;;) {
    const length = recv(fd, answer, 0) ?? 0;
    for (let at = 0; at + HEADER_BYTES <= length; ) {
      const type = answer.view.getUint16(at + 4, true);
      if (type === NLMSG_DONE) return filters;
      if (type === NLMSG_ERROR) {
        throw errnoError(-answer.view.getInt32(at + HEADER_BYTES, true), `list the filters of interface ${ifindex}`);
      }
      if (type === RTM_NEWTFILTER) filters++;
      at += (answer.view.getUint32(at, true) + 3) & ~3;
    }
  }
}
