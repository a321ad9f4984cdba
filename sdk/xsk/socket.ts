// SPDX-License-Identifier: Apache-2.0
/** AF_XDP sockets: one device, one queue, rings in a WebAssembly memory. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { EBUSY, EINVAL, ENODEV, EOPNOTSUPP, EPERM, errnoError } from "../runtime/errno.ts";
import { check, close, getsockopt, libc, SOCK_RAW, SOL_SOCKET, socket } from "../runtime/libc.ts";
import { type Address, NULL } from "../runtime/types.ts";
import {
  AF_XDP,
  SOL_XDP,
  XDP_COPY,
  XDP_MAX_TX_SKB_BUDGET,
  XDP_OPTIONS,
  XDP_OPTIONS_ZEROCOPY,
  XDP_SHARED_UMEM,
  XDP_USE_NEED_WAKEUP,
  XDP_USE_SG,
  XDP_ZEROCOPY,
} from "./constants.ts";
import { mapRings, type Ring, type RingEntries, type RingKind, type RingOffsets, unmapRings } from "./rings.ts";
import { readStatistics, type XskStatistics } from "./statistics.ts";
import type { Umem } from "./umem.ts";

/** How packets travel between the driver and the frames. */
export type XskMode = "copy" | "zerocopy";

/** Busy polling of a queue (Documentation/networking/napi.rst, net/core/sock.c). */
export interface BusyPoll {
  /** `SO_BUSY_POLL`: how long to look for packets when there are none, in microseconds. */
  readonly microseconds: number;
  /** `SO_BUSY_POLL_BUDGET`: packets that the driver takes at a time. */
  readonly budget: number;
}

export interface XskOptions {
  readonly umem: Umem;
  /** Name of the device, for messages. */
  readonly device: string;
  readonly ifindex: number;
  readonly queue: number;
  readonly entries: RingEntries;
  readonly offsets: RingOffsets;
  /** `auto` (default) takes zero-copy where the driver has it. A socket that shares follows the one it shares with. */
  readonly mode?: "auto" | XskMode;
  /**
   * Packets longer than a frame are to come as chains of frames. A kernel before 6.6 has none; `socket.scatterGather`
   * tells. In mode `copy` chains come in any case where the kernel has them; a driver may have them or zero-copy, not
   * both, and then mode `auto` takes the one that is asked for. Default false.
   */
  readonly scatterGather?: boolean;
  /**
   * A socket of the same device whose registration of the frames this one uses. Required for the second and further
   * queues of a device: a second registration on one device is possible, but costs the pages' accounting again.
   */
  readonly shareWith?: XskSocket | undefined;
  /** Have who reads the socket run the driver, too, instead of interrupts alone. Default: no. */
  readonly busyPoll?: BusyPoll | undefined;
  /** How long to wait for a queue that a closed socket still holds, in milliseconds. Default 500. */
  readonly busyTimeoutMs?: number;
}

const SO_SNDBUFFORCE = 32;
/** asm-generic/socket.h; the last two since Linux 5.11. */
export const SO_BUSY_POLL = 46;
export const SO_PREFER_BUSY_POLL = 69;
export const SO_BUSY_POLL_BUDGET = 70;
/** Copy mode counts every packet under way against the send buffer. */
const SEND_BUFFER_BYTES = 16 * 1024 * 1024;
const RETRY_MS = 5;

/** A bound socket. It must be opened in the device's network namespace (`withNetns`), and works anywhere. */
export class XskSocket implements Disposable {
  readonly fd: number;
  readonly device: string;
  readonly queue: number;
  /** The mode in use. */
  readonly mode: XskMode;
  /** Packets longer than a frame come, and are sent, as chains of frames; without it the kernel drops them. */
  readonly scatterGather: boolean;
  /** By kind; rings with 0 entries are absent. */
  readonly rings: ReadonlyMap<RingKind, Ring>;
  readonly #base: Address;
  #open = true;

  private constructor(o: XskOptions, fd: number, rings: ReadonlyMap<RingKind, Ring>, scatterGather: boolean) {
    this.fd = fd;
    this.device = o.device;
    this.queue = o.queue;
    this.mode = modeOf(fd);
    this.scatterGather = scatterGather;
    this.rings = rings;
    this.#base = o.umem.base;
  }

  /**
   * Opens, maps and binds.
   * @throws WeirError `EBUSY` if the queue has a socket already, `EOPNOTSUPP` if the driver has no zero-copy,
   * `EINVAL` if there is no such queue, `EPERM` without CAP_NET_RAW
   */
  static open(o: XskOptions): XskSocket {
    const name = describe(o);
    const fd = openSocket(name);
    let rings: Map<RingKind, Ring> | undefined;
    try {
      if (o.shareWith === undefined) o.umem.register(fd, name);
      rings = mapRings({ fd, base: o.umem.base, entries: o.entries, offsets: o.offsets, name });
      if (o.entries.tx > 0) prepareTransmit(fd, o.entries.tx);
      const chains = bindQueue(fd, o, name);
      if (o.busyPoll !== undefined) preferBusyPoll(fd, o.busyPoll, name);
      return new XskSocket(o, fd, rings, chains);
    } catch (error) {
      if (rings !== undefined) unmapRings(o.umem.base, rings.values());
      close(fd);
      throw error;
    }
  }

  /** The ring of a kind that the socket was opened with. */
  ring(kind: RingKind): Ring {
    const ring = this.rings.get(kind);
    if (ring !== undefined) return ring;
    throw new WeirError({
      code: "EINVAL",
      operation: `use the ${kind} ring of ${this.device} queue ${this.queue}`,
      reason: "the socket was opened without it",
    });
  }

  /** How long reading it looks for packets (`SO_BUSY_POLL`), in microseconds; 0: it does not. */
  get busyPollMicroseconds(): number {
    const value = runtime.alloc(4);
    getsockopt(this.fd, SOL_SOCKET, SO_BUSY_POLL, value, "SO_BUSY_POLL");
    return value.view.getUint32(0, true);
  }

  /** The kernel's counters of this socket. */
  statistics(): XskStatistics {
    return readStatistics(this.fd);
  }

  /** Gives the queue back. The kernel takes some milliseconds more until it can be bound again. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    unmapRings(this.#base, this.rings.values());
    close(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function describe(o: XskOptions): string {
  return `an AF_XDP socket on "${o.device}" queue ${o.queue}`;
}

function openSocket(name: string): number {
  try {
    return socket(AF_XDP, SOCK_RAW, 0);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    const hint = error.code === "EPERM" ? "run as root" : "use a kernel with CONFIG_XDP_SOCKETS";
    throw new WeirError({ code: error.code, operation: `open ${name}`, reason: error.reason, hint, cause: error });
  }
}

/** Both only make sending faster, and old kernels lack the second: failures do not matter. */
function prepareTransmit(fd: number, entries: number): void {
  const value = runtime.alloc(4);
  value.view.setUint32(0, SEND_BUFFER_BYTES, true);
  libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, value.address, 4);
  value.view.setUint32(0, Math.min(entries, 1024), true);
  libc.setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, value.address, 4);
}

function preferBusyPoll(fd: number, { microseconds, budget }: BusyPoll, name: string): void {
  const value = runtime.alloc(4);
  for (const [option, number] of [
    [SO_PREFER_BUSY_POLL, 1],
    [SO_BUSY_POLL, microseconds],
    [SO_BUSY_POLL_BUDGET, budget],
  ] as const) {
    value.view.setUint32(0, number, true);
    check(libc.setsockopt(fd, SOL_SOCKET, option, value.address, 4), `set busy polling of ${name}`);
  }
}

/** Flags to bind with, the best first; the next ones where the driver or the kernel does not take them. */
function bindFlags({ mode = "auto", scatterGather = false }: XskOptions): number[] {
  const chains = scatterGather ? XDP_USE_SG : 0;
  const copies = [XDP_COPY | XDP_USE_SG, XDP_COPY];
  const direct = XDP_ZEROCOPY | chains;
  const choices = { auto: [direct, ...copies], copy: copies, zerocopy: [direct] }[mode];
  return choices.map((flags) => flags | XDP_USE_NEED_WAKEUP);
}

/** Binds, waiting for a queue that a socket closed just now still holds. Returns whether chains of frames come. */
function bindQueue(fd: number, o: XskOptions, name: string): boolean {
  // A socket that shares takes all from the other one; the kernel refuses any flag of its own.
  if (o.shareWith !== undefined) {
    const errno = tryBind(fd, o, XDP_SHARED_UMEM);
    if (errno !== 0) throw bindError(errno, o, name);
    return o.shareWith.scatterGather;
  }
  let errno = EINVAL;
  for (const flags of bindFlags(o)) {
    errno = tryBind(fd, o, flags);
    if (errno === 0) return (flags & XDP_USE_SG) !== 0;
    if (FINAL.includes(errno)) break;
  }
  throw bindError(errno, o, name);
}

/** No other flags help against these. */
const FINAL: readonly number[] = [EBUSY, ENODEV, EPERM];

/** Binds. Returns the error, 0: none. */
function tryBind(fd: number, o: XskOptions, flags: number): number {
  const address = runtime.alloc(16); // struct sockaddr_xdp
  address.view.setUint16(0, AF_XDP, true);
  address.view.setUint16(2, flags, true);
  address.view.setUint32(4, o.ifindex, true);
  address.view.setUint32(8, o.queue, true);
  address.view.setUint32(12, o.shareWith?.fd ?? 0, true);
  const tries = Math.ceil((o.busyTimeoutMs ?? 500) / RETRY_MS);
  for (let i = 0; ; i++) {
    if (libc.bind(fd, address.address, 16) === 0) return 0;
    const errno = runtime.errno();
    if (errno !== EBUSY || i >= tries) return errno;
    libc.poll(NULL, 0, RETRY_MS);
  }
}

function bindError(errno: number, o: XskOptions, name: string): WeirError {
  const operation = `bind ${name}`;
  switch (errno) {
    case EBUSY:
      return errnoError(errno, operation, {
        reason: "another socket has this queue",
        hint: "end the program that holds it",
      });
    case EOPNOTSUPP:
      return errnoError(errno, operation, { reason: "the driver has no zero-copy", hint: "use mode copy or auto" });
    case EINVAL:
      return errnoError(errno, operation, {
        reason: "no such queue, or the frames do not suit the device",
        hint: `see \`ethtool -l ${o.device}\` for its queues`,
      });
    case ENODEV:
      return errnoError(errno, operation, { reason: "no such device, or it is down", hint: "set it up" });
    case EPERM:
      return errnoError(errno, operation, { hint: "run as root" });
    default:
      return errnoError(errno, operation);
  }
}

function modeOf(fd: number): XskMode {
  const options = runtime.alloc(4);
  getsockopt(fd, SOL_XDP, XDP_OPTIONS, options, "XDP_OPTIONS");
  return (options.view.getUint32(0, true) & XDP_OPTIONS_ZEROCOPY) === 0 ? "copy" : "zerocopy";
}
