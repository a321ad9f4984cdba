// SPDX-License-Identifier: Apache-2.0
/** Names and meanings of Linux error numbers (asm-generic/errno-base.h, errno.h; the same on x86-64 and arm64). */

import { WeirError } from "../errors.ts";

/** Numbers that code compares with. */
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ERANGE = 34;
export const EOPNOTSUPP = 95;
export const ENOBUFS = 105;
export const ESTALE = 116;
/** Internal to the kernel, but it escapes from bpf(2) and XDP drivers. */
export const ENOTSUPP = 524;

const errors: Readonly<Record<number, readonly [name: string, meaning: string]>> = {
  1: ["EPERM", "operation not permitted"],
  2: ["ENOENT", "no such file or entry"],
  3: ["ESRCH", "no such process or object"],
  4: ["EINTR", "interrupted"],
  5: ["EIO", "input/output error"],
  6: ["ENXIO", "no such device or address"],
  7: ["E2BIG", "too big"],
  9: ["EBADF", "bad descriptor"],
  11: ["EAGAIN", "try again"],
  12: ["ENOMEM", "out of memory"],
  13: ["EACCES", "permission denied"],
  14: ["EFAULT", "bad address"],
  16: ["EBUSY", "device or resource is busy"],
  17: ["EEXIST", "it exists"],
  18: ["EXDEV", "it is on another file system or device"],
  19: ["ENODEV", "no such device"],
  20: ["ENOTDIR", "not a directory"],
  21: ["EISDIR", "is a directory"],
  22: ["EINVAL", "invalid argument"],
  23: ["ENFILE", "too many open files in the system"],
  24: ["EMFILE", "too many open files"],
  27: ["EFBIG", "file too large"],
  28: ["ENOSPC", "no space left"],
  29: ["ESPIPE", "cannot seek"],
  30: ["EROFS", "read-only file system"],
  32: ["EPIPE", "broken pipe"],
  33: ["EDOM", "out of domain"],
  34: ["ERANGE", "out of range"],
  36: ["ENAMETOOLONG", "name too long"],
  38: ["ENOSYS", "the kernel does not have it"],
  39: ["ENOTEMPTY", "not empty"],
  40: ["ELOOP", "too many symbolic links"],
  61: ["ENODATA", "no data"],
  62: ["ETIME", "timer expired"],
  71: ["EPROTO", "protocol error"],
  74: ["EBADMSG", "bad message"],
  75: ["EOVERFLOW", "value too large"],
  90: ["EMSGSIZE", "message too long"],
  92: ["ENOPROTOOPT", "option not available"],
  93: ["EPROTONOSUPPORT", "protocol not supported"],
  94: ["ESOCKTNOSUPPORT", "socket type not supported"],
  95: ["EOPNOTSUPP", "operation not supported"],
  97: ["EAFNOSUPPORT", "address family not supported"],
  98: ["EADDRINUSE", "address is in use"],
  99: ["EADDRNOTAVAIL", "address not available"],
  100: ["ENETDOWN", "network is down"],
  101: ["ENETUNREACH", "network is unreachable"],
  104: ["ECONNRESET", "connection reset"],
  105: ["ENOBUFS", "no buffer space"],
  106: ["EISCONN", "connected already"],
  107: ["ENOTCONN", "not connected"],
  110: ["ETIMEDOUT", "timed out"],
  111: ["ECONNREFUSED", "connection refused"],
  113: ["EHOSTUNREACH", "host is unreachable"],
  114: ["EALREADY", "under way already"],
  115: ["EINPROGRESS", "under way"],
  116: ["ESTALE", "out of date"],
  122: ["EDQUOT", "quota exceeded"],
  125: ["ECANCELED", "canceled"],
  524: ["ENOTSUPP", "not supported by the kernel or driver"],
};

/** `EBUSY` for 16; `E524` for one that is not known. */
export function errnoName(errno: number): string {
  return errors[errno]?.[0] ?? `E${errno}`;
}

/** `EBUSY (device or resource is busy)` for 16. */
export function errnoText(errno: number): string {
  const known = errors[errno];
  return known === undefined ? `error ${errno}` : `${known[0]} (${known[1]})`;
}

/** The error of a failed system call. `reason` replaces the general meaning of the number. */
export function errnoError(errno: number, operation: string, o: { reason?: string; hint?: string } = {}): WeirError {
  const reason = o.reason === undefined ? errnoText(errno) : `${errnoName(errno)} (${o.reason})`;
  return new WeirError({ code: errnoName(errno), operation, reason, hint: o.hint });
}
