// SPDX-License-Identifier: Apache-2.0
/**
 * System calls through the C library. Each wrapper checks `errno` and throws a {@link WeirError} named
 * after it; calls that may be interrupted are repeated. Loops that cannot afford exceptions use `libc` itself.
 */

import { runtime } from "#runtime";
import { EAGAIN, EINTR, errnoError } from "./errno.ts";
import { type Address, type NativeBuffer, NULL } from "./types.ts";

/** The raw symbols. A result below zero means failure; `runtime.errno()` in the next statement says which. */
export const libc = runtime.open(["libc.so.6"], {
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  eventfd: { args: ["u32", "i32"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i64"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  getpagesize: { args: [], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  if_indextoname: { args: ["u32", "ptr"], returns: "ptr" },
  if_nametoindex: { args: ["ptr"], returns: "u32" },
  // fcntl, ioctl, open and syscall are variadic; integers travel in the same registers (System V AMD64, AAPCS64).
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "i64"], returns: "i64" },
  mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
  munmap: { args: ["ptr", "u64"], returns: "i32" },
  open: { args: ["ptr", "i32", "u32"], returns: "i32" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  read: { args: ["i32", "ptr", "u64"], returns: "i64" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
  setns: { args: ["i32", "i32"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  syscall: { args: ["i64", "i64", "i64", "i64"], returns: "i64" },
  umount2: { args: ["ptr", "i32"], returns: "i32" },
  unshare: { args: ["i32"], returns: "i32" },
  write: { args: ["i32", "ptr", "u64"], returns: "i64" },
});

/** Open flags (asm-generic/fcntl.h). */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CLOEXEC = 0o2000000;

/** Operations of flock(2) (asm-generic/fcntl.h). */
export const LOCK_EX = 2;
export const LOCK_NB = 4;

const F_DUPFD_CLOEXEC = 1030;
const IF_NAMESIZE = 16;

/** Protection and flags of mmap (asm-generic/mman-common.h). */
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_POPULATE = 0x8000;

/** Socket types and flags (linux/net.h). */
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x80000;
export const SOL_SOCKET = 1;
export const MSG_DONTWAIT = 0x40;

/** Namespaces (linux/sched.h). */
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWNET = 0x40000000;

/** eventfd flags. */
export const EFD_CLOEXEC = 0x80000;
export const EFD_NONBLOCK = 0x800;

/** poll events (asm-generic/poll.h). */
export const POLLIN = 1;
export const POLLERR = 8;

/** Bytes of a memory page. */
export const pageSize: number = libc.getpagesize();

const encoder = new TextEncoder();

/** `text` as NUL-terminated UTF-8. Keep it referenced during the call. */
export function cstring(text: string): NativeBuffer {
  const encoded = encoder.encode(text);
  const buffer = runtime.alloc(encoded.byteLength + 1);
  buffer.bytes.set(encoded);
  return buffer;
}

function failed(operation: string, errno: number): never {
  throw errnoError(errno, operation);
}

/** Throws what `errno` says if `result` is below zero. Call it with the foreign call as argument: nothing may come between. */
export function check(result: number, operation: string): number {
  if (result >= 0) return result;
  return failed(operation, runtime.errno());
}

/** Like `check`, but repeats an interrupted call, and gives `undefined` where the call would have to wait. */
function waitable(call: () => number, operation: string): number | undefined {
  for (;;) {
    const result = call();
    if (result >= 0) return result;
    const errno = runtime.errno();
    if (errno === EAGAIN) return undefined;
    if (errno !== EINTR) failed(operation, errno);
  }
}

/** open(2). `O_CLOEXEC` is always set. */
export function open(path: string, flags: number, mode = 0): number {
  const name = cstring(path);
  return check(libc.open(name.address, flags | O_CLOEXEC, mode), `open "${path}"`);
}

/** close(2). An invalid descriptor is an error: it means that somebody else's was closed before. */
export function close(fd: number): void {
  check(libc.close(fd), `close descriptor ${fd}`);
}

/** A second descriptor for what `fd` refers to. */
export function duplicate(fd: number): number {
  return check(libc.fcntl(fd, F_DUPFD_CLOEXEC, 0), `duplicate descriptor ${fd}`);
}

/** Name of the device `ifindex` in the thread's network namespace; `undefined` if there is none. */
export function deviceName(ifindex: number): string | undefined {
  const name = runtime.alloc(IF_NAMESIZE);
  return runtime.cstring(libc.if_indextoname(ifindex, name.address)) ?? undefined;
}

/** Index of the device `name` in the thread's network namespace; `undefined` if there is none. */
export function deviceIndex(name: string): number | undefined {
  const text = cstring(name);
  return libc.if_nametoindex(text.address) || undefined;
}

/** read(2) into `buffer`; `undefined` if there is nothing now, 0 at the end. */
export function read(fd: number, buffer: NativeBuffer): number | undefined {
  return waitable(() => libc.read(fd, buffer.address, buffer.bytes.byteLength), `read from descriptor ${fd}`);
}

/** write(2) of the first `byteLength` bytes; `undefined` if it would have to wait. */
export function write(fd: number, buffer: NativeBuffer, byteLength = buffer.bytes.byteLength): number | undefined {
  return waitable(() => libc.write(fd, buffer.address, byteLength), `write to descriptor ${fd}`);
}

/** socket(2). `SOCK_CLOEXEC` is always set. */
export function socket(family: number, type: number, protocol: number): number {
  return check(libc.socket(family, type | SOCK_CLOEXEC, protocol), `open a socket of family ${family}`);
}

/** setsockopt(2). `name` is used in messages. */
export function setsockopt(fd: number, level: number, option: number, value: NativeBuffer, name: string): void {
  check(libc.setsockopt(fd, level, option, value.address, value.bytes.byteLength), `set socket option ${name}`);
}

/** getsockopt(2); returns the bytes written. */
export function getsockopt(fd: number, level: number, option: number, value: NativeBuffer, name: string): number {
  const length = runtime.alloc(4);
  length.view.setUint32(0, value.bytes.byteLength, true);
  check(libc.getsockopt(fd, level, option, value.address, length.address), `get socket option ${name}`);
  return length.view.getUint32(0, true);
}

/** bind(2) to a packed `sockaddr`. `name` is used in messages. */
export function bind(fd: number, sockaddr: NativeBuffer, name: string): void {
  check(libc.bind(fd, sockaddr.address, sockaddr.bytes.byteLength), `bind a socket to ${name}`);
}

/** sendto(2); `undefined` if it would have to wait. */
export function sendto(
  fd: number,
  data: NativeBuffer | null,
  byteLength: number,
  flags: number,
  sockaddr: NativeBuffer | null = null,
): number | undefined {
  const to = sockaddr?.address ?? NULL;
  const toLength = sockaddr?.bytes.byteLength ?? 0;
  return waitable(
    () => libc.sendto(fd, data?.address ?? NULL, byteLength, flags, to, toLength),
    `send on descriptor ${fd}`,
  );
}

/** recv(2) into `buffer`; `undefined` if there is nothing now. */
export function recv(fd: number, buffer: NativeBuffer, flags: number): number | undefined {
  return waitable(() => libc.recv(fd, buffer.address, buffer.bytes.byteLength, flags), `receive on descriptor ${fd}`);
}

/**
 * poll(2) over an array of `struct pollfd` (8 bytes: i32 fd, i16 events, i16 revents).
 * `timeoutMs` -1 waits for ever. An interruption counts as "nothing ready".
 */
export function poll(descriptors: NativeBuffer, count: number, timeoutMs: number): number {
  const ready = libc.poll(descriptors.address, count, timeoutMs);
  if (ready >= 0) return ready;
  const errno = runtime.errno();
  return errno === EINTR ? 0 : failed("poll descriptors", errno);
}

/** mmap(2); the address is page aligned. `at` matters with `MAP_FIXED`. */
export function mmap(
  byteLength: number,
  protection: number,
  flags: number,
  fd: number,
  offset = 0,
  at: Address = NULL,
): Address {
  const result = libc.mmap(at, byteLength, protection, flags, fd, offset);
  if (result !== -1) return result as Address;
  return failed(`map ${byteLength} bytes of descriptor ${fd}`, runtime.errno());
}

/** munmap(2). */
export function munmap(address: Address, byteLength: number): void {
  check(libc.munmap(address, byteLength), `unmap ${byteLength} bytes`);
}

/** ioctl(2) with a pointer argument. `name` is used in messages. */
export function ioctl(fd: number, request: number, argument: NativeBuffer, name: string): number {
  return check(libc.ioctl(fd, request, argument.address), `do ${name}`);
}

/** setns(2): moves the calling thread. See `withNetns` for the safe use. */
export function setns(fd: number, type: number): void {
  check(libc.setns(fd, type), "enter a namespace");
}

/** unshare(2) of the calling thread. */
export function unshare(flags: number): void {
  check(libc.unshare(flags), "make a namespace");
}

/** mount(2). */
export function mount(source: string, target: string, type: string, flags = 0): void {
  const names = [cstring(source), cstring(target), cstring(type)] as const;
  const result = libc.mount(names[0].address, names[1].address, names[2].address, flags, NULL);
  check(result, `mount ${type} on "${target}"`);
}

/** umount2(2). */
export function umount(target: string, flags = 0): void {
  const name = cstring(target);
  check(libc.umount2(name.address, flags), `unmount "${target}"`);
}

/** eventfd(2), non-blocking, starting at 0. */
export function eventfd(): number {
  return check(libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "make an eventfd");
}

/** syscall(2) with up to three arguments; returns -errno on failure, as the kernel does. */
export function syscall(number: number, a = 0, b = 0, c = 0): number {
  const result = libc.syscall(number, a, b, c);
  return result === -1 ? -runtime.errno() : result;
}
