// SPDX-License-Identifier: Apache-2.0
/**
 * A netlink socket for requests. Calls are synchronous: the kernel handles a request inside `sendto`, so
 * the answer is there when it returns, and no event loop is needed.
 */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { bind, check, close, libc, recv, SOCK_RAW, SOL_SOCKET, sendto, setsockopt, socket } from "../runtime/libc.ts";
import { withNetns } from "../runtime/netns.ts";
import { type NativeBuffer, NULL } from "../runtime/types.ts";
import { acknowledgedError } from "./acknowledgement.ts";
import {
  AF_NETLINK,
  LITTLE_ENDIAN,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
} from "./constants.ts";
import { forEachMessage, MessageWriter, type NetlinkMessage } from "./message.ts";
import { namespacePath } from "./namespace.ts";

/** Socket options (`linux/netlink.h`, `asm-generic/socket.h`). */
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const SO_RCVTIMEO = 20;
const SIOCGSKNS = 0x894c;
const MSG_TRUNC = 0x20;

/** Longest request. The longest that Weir sends, a veth pair or a multipath route, is far below. */
const REQUEST_BYTES = 16384;
/** The kernel builds dumps in buffers of at most 32 KiB, single answers (virtual functions) in larger ones. */
const ANSWER_BYTES = 65536;
/** The kernel answers at once; past this time an answer was lost, e.g. for want of memory. */
const ANSWER_TIMEOUT_SECONDS = 10;
/** A dump that a change interrupted is inconsistent and done again, this often at most. */
const DUMP_ATTEMPTS = 8;

const SOCKADDR_NL_SIZE = 12;

/** Opens and binds a raw netlink socket in a namespace. The kernel chooses the port. */
export function openNetlink(protocol: number, netns: string | undefined, flags = 0): number {
  return withNetns(namespacePath(netns), () => {
    const fd = socket(AF_NETLINK, SOCK_RAW | flags, protocol);
    try {
      const address = runtime.alloc(SOCKADDR_NL_SIZE);
      address.view.setUint16(0, AF_NETLINK, LITTLE_ENDIAN);
      bind(fd, address, "netlink");
    } catch (error) {
      close(fd);
      throw error;
    }
    return fd;
  });
}

/** Sets an integer option of the netlink level. */
export function setNetlinkOption(fd: number, option: number, value: number, name: string): void {
  const buffer = runtime.alloc(4);
  buffer.view.setInt32(0, value, LITTLE_ENDIAN);
  setsockopt(fd, SOL_NETLINK, option, buffer, name);
}

/** A request that is being answered. */
interface Exchange {
  readonly operation: string;
  readonly sequence: number;
  readonly onAnswer: ((message: NetlinkMessage) => void) | undefined;
  /** No change has interrupted the dump. */
  consistent: boolean;
}

const interrupted = (operation: string): WeirError =>
  new WeirError({
    code: "EINTR",
    operation,
    reason: `the table changed during each of ${DUMP_ATTEMPTS} attempts`,
    hint: "try again, or watch for changes instead",
  });

/** Fills in what follows the message's header: the family's own header and the attributes. */
export type BuildRequest = (writer: MessageWriter) => void;

export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  readonly #request: NativeBuffer = runtime.alloc(REQUEST_BYTES);
  readonly #answer: NativeBuffer = runtime.alloc(ANSWER_BYTES);
  readonly #writer = new MessageWriter(this.#request);
  #sequence = 0;
  #closed = false;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * @param protocol `NETLINK_ROUTE` or `NETLINK_GENERIC`
   * @param netns name or path of the namespace whose tables are meant; default the calling thread's
   * @throws WeirError `ENOENT` if there is no such namespace
   */
  static open(protocol: number, netns?: string): NetlinkSocket {
    const fd = openNetlink(protocol, netns);
    try {
      setNetlinkOption(fd, NETLINK_EXT_ACK, 1, "NETLINK_EXT_ACK");
      setNetlinkOption(fd, NETLINK_CAP_ACK, 1, "NETLINK_CAP_ACK");
      // Without it the kernel ignores the filters of dumps.
      setNetlinkOption(fd, NETLINK_GET_STRICT_CHK, 1, "NETLINK_GET_STRICT_CHK");
      const timeout = runtime.alloc(16);
      timeout.view.setUint32(0, ANSWER_TIMEOUT_SECONDS, LITTLE_ENDIAN);
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, "SO_RCVTIMEO");
    } catch (error) {
      close(fd);
      throw error;
    }
    return new NetlinkSocket(fd);
  }

  /**
   * Sends one request and waits for its acknowledgement.
   * @param operation what is done to what, for error messages: `add route 10.0.0.0/8`
   * @param flags besides `NLM_F_REQUEST` and `NLM_F_ACK`, e.g. `NLM_F_CREATE | NLM_F_EXCL`
   * @param onAnswer called with each message that comes before the acknowledgement
   * @throws WeirError named after the errno, with the kernel's own explanation where it gives one
   */
  request(
    operation: string,
    type: number,
    flags: number,
    build: BuildRequest,
    onAnswer?: (message: NetlinkMessage) => void,
  ): void {
    this.#exchange(operation, type, flags | NLM_F_REQUEST | NLM_F_ACK, build, onAnswer);
  }

  /** Asks for one object. */
  get<T>(operation: string, type: number, build: BuildRequest, decode: (message: NetlinkMessage) => T): T | undefined {
    let result: T | undefined;
    this.request(operation, type, 0, build, (message) => {
      result = decode(message);
    });
    return result;
  }

  /**
   * Asks for all objects of a table. `decode` may skip one by returning `undefined`.
   * @throws WeirError `EINTR` if the table changed during each of several attempts
   */
  dump<T>(
    operation: string,
    type: number,
    build: BuildRequest,
    decode: (message: NetlinkMessage) => T | undefined,
  ): T[] {
    let results: T[] = [];
    this.visit(operation, type, build, () => {
      results = [];
      return (message) => {
        const result = decode(message);
        if (result !== undefined) results.push(result);
      };
    });
    return results;
  }

  /**
   * Asks for all objects of a table and keeps none of them.
   * @param begin called before each attempt: it forgets what earlier ones gave, and returns who takes the messages
   * @throws WeirError `EINTR` if the table changed during each of several attempts
   */
  visit(operation: string, type: number, build: BuildRequest, begin: () => (message: NetlinkMessage) => void): void {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      if (this.#exchange(operation, type, NLM_F_REQUEST | NLM_F_DUMP, build, begin())) return;
    }
    throw interrupted(operation);
  }

  /**
   * Like {@link visit}, a part of the table at each turn. The socket is good for nothing else until it is done, and the
   * table may change meanwhile: who watches it, too, knows how.
   */
  *walk(
    operation: string,
    type: number,
    build: BuildRequest,
    begin: () => (message: NetlinkMessage) => void,
  ): Generator<void> {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const exchange = this.#send(operation, type, NLM_F_REQUEST | NLM_F_DUMP, build, begin());
      while (!this.#receiveSome(exchange)) yield;
      if (exchange.consistent) return;
    }
    throw interrupted(operation);
  }

  /**
   * A new descriptor of the namespace that the socket is in, to be closed by the caller.
   * @throws WeirError `EPERM` without CAP_NET_ADMIN
   */
  openNamespace(): number {
    return check(libc.ioctl(this.#fd, SIOCGSKNS, NULL), "open a socket's network namespace");
  }

  /** Closes the socket. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    close(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Returns false if a change interrupted the dump. */
  #exchange(
    operation: string,
    type: number,
    flags: number,
    build: BuildRequest,
    onAnswer: ((message: NetlinkMessage) => void) | undefined,
  ): boolean {
    const exchange = this.#send(operation, type, flags, build, onAnswer);
    while (!this.#receiveSome(exchange));
    return exchange.consistent;
  }

  #send(
    operation: string,
    type: number,
    flags: number,
    build: BuildRequest,
    onAnswer: ((message: NetlinkMessage) => void) | undefined,
  ): Exchange {
    if (this.#closed) {
      throw new WeirError({ code: "EBADF", operation, reason: "the netlink socket is closed" });
    }
    const sequence = this.#nextSequence();
    this.#writer.begin(type, flags, sequence);
    build(this.#writer);
    sendto(this.#fd, this.#request, this.#writer.finish(), 0);
    return { operation, sequence, onAnswer, consistent: true };
  }

  /** Takes the next datagram. @returns whether it was the last one of the answer */
  #receiveSome(exchange: Exchange): boolean {
    const { operation, sequence, onAnswer } = exchange;
    let done = false;
    const length = this.#receive(operation);
    forEachMessage(this.#answer, length, (message) => {
      // Left over from a request whose decoder threw.
      if (message.sequence !== sequence) return true;
      if ((message.flags & NLM_F_DUMP_INTR) !== 0) exchange.consistent = false;
      if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
        done = true;
        const error = acknowledgedError(message, operation);
        if (error !== undefined) throw error;
        return false;
      }
      if (message.type !== NLMSG_NOOP) onAnswer?.(message);
      return true;
    });
    return done;
  }

  #receive(operation: string): number {
    // MSG_TRUNC: the result is the datagram's length even where the buffer is shorter.
    const length = recv(this.#fd, this.#answer, MSG_TRUNC);
    if (length === undefined) {
      throw new WeirError({
        code: "ETIMEDOUT",
        operation,
        reason: `the kernel did not answer within ${ANSWER_TIMEOUT_SECONDS} s`,
        hint: "try again",
      });
    }
    if (length > ANSWER_BYTES) {
      throw new WeirError({
        code: "EMSGSIZE",
        operation,
        reason: `the kernel's answer of ${length} bytes exceeds ${ANSWER_BYTES}`,
      });
    }
    return length;
  }

  #nextSequence(): number {
    // 0 is what notifications carry.
    this.#sequence = (this.#sequence % 0x7fffffff) + 1;
    return this.#sequence;
  }
}
