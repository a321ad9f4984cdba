// SPDX-License-Identifier: Apache-2.0
/** Listing the filters of a clsact qdisc over rtnetlink: libbpf can look up one filter, but cannot list them. */

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
/** `struct nlmsghdr` and `struct tcmsg`: attributes come behind them. */
const REQUEST_BYTES = 36;
const ANSWER_BYTES = 65536;
/** Offsets of `tcm_handle` and `tcm_info`, which has the priority in its upper half. */
const HANDLE = 24;
const INFO = 32;
/** linux/rtnetlink.h, linux/pkt_cls.h */
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_ID = 11;
const NLA_TYPE_MASK = 0x3fff;

/** `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)` and `..._EGRESS` (linux/pkt_sched.h). */
const parents: Record<Direction, number> = { ingress: 0xfffffff2, egress: 0xfffffff3 };

/** A filter of a clsact qdisc. */
export interface Filter {
  /** Filters with lower ones run first. */
  readonly priority: number;
  /** 0: the entry of the classifier as a whole. */
  readonly handle: number;
  /** Kind of classifier: `bpf`, `flower`. */
  readonly kind: string;
  /** The kernel's id of a BPF filter's program; 0 for other kinds. */
  readonly programId: number;
}

/** The filters in one direction of a device's clsact qdisc, in the order in which they run; none without the qdisc. */
export function listFilters(ifindex: number, direction: Direction): Filter[] {
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

function readAnswers(fd: number, ifindex: number): Filter[] {
  const answer = runtime.alloc(ANSWER_BYTES);
  const filters: Filter[] = [];
  for (;;) {
    const length = recv(fd, answer, 0) ?? 0;
    for (let at = 0; at + HEADER_BYTES <= length; ) {
      const type = answer.view.getUint16(at + 4, true);
      if (type === NLMSG_DONE) return filters;
      if (type === NLMSG_ERROR) {
        throw errnoError(-answer.view.getInt32(at + HEADER_BYTES, true), `list the filters of interface ${ifindex}`);
      }
      const messageBytes = answer.view.getUint32(at, true);
      if (type === RTM_NEWTFILTER) filters.push(readFilter(answer.view, at, at + messageBytes));
      at += (messageBytes + 3) & ~3;
    }
  }
}

function readFilter(view: DataView, at: number, end: number): Filter {
  const attributes = readAttributes(view, at + REQUEST_BYTES, end);
  const kind = attributes.get(TCA_KIND);
  const options = attributes.get(TCA_OPTIONS);
  const program = options === undefined ? undefined : readAttributes(view, options.start, options.end).get(TCA_BPF_ID);
  return {
    priority: view.getUint32(at + INFO, true) >>> 16,
    handle: view.getUint32(at + HANDLE, true),
    kind: kind === undefined ? "" : text(view, kind),
    programId: program === undefined ? 0 : view.getUint32(program.start, true),
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the values of attributes lie (`struct nlattr`), by type. */
function readAttributes(view: DataView, start: number, end: number): Map<number, Span> {
  const found = new Map<number, Span>();
  for (let at = start; at + 4 <= end; ) {
    const length = view.getUint16(at, true);
    if (length < 4) break;
    found.set(view.getUint16(at + 2, true) & NLA_TYPE_MASK, { start: at + 4, end: at + length });
    at += (length + 3) & ~3;
  }
  return found;
}

/** A string without the NUL that ends it. */
function text(view: DataView, { start, end }: Span): string {
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + start, end - start - 1));
}
