// SPDX-License-Identifier: Apache-2.0
/**
 * Start-up self-test. Foreign calls are experimental in both runtimes, and what they get wrong shows up as
 * corrupted memory: a few milliseconds at start find that out with a clear message instead.
 */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { EPERM } from "./errno.ts";
import { close, cstring, libc, pageSize, SOCK_RAW, socket } from "./libc.ts";

const c = runtime.open(["libc.so.6"], {
  memset: { args: ["ptr", "i32", "u64"], returns: "ptr" },
  qsort: { args: ["ptr", "u64", "u64", "ptr"], returns: "void" },
  strtoull: { args: ["ptr", "ptr", "i32"], returns: "u64" },
  snprintf: { args: ["ptr", "u64", "ptr", "u64"], returns: "i32" },
});

/** One property that the rest of Weir relies on. `run` returns what is wrong, or `undefined`. */
export interface SelfTest {
  readonly name: string;
  readonly run: () => string | undefined;
}

const AF_XDP = 44;
const SOL_XDP = 283;
const XDP_UMEM_REG = 4;
const WASM_PAGE = 65536;
/** Has bits in all of the 53 that a number can hold exactly. */
const WIDE = 0x1b_cdef_0123_4567;

function integers(): string | undefined {
  const text = String(WIDE);
  const source = cstring(text);
  const parsed = c.strtoull(source.address, 0 as never, 10);
  if (parsed !== WIDE) return `a returned u64 of ${text} arrives as ${parsed}`;
  const target = runtime.alloc(32);
  const format = cstring("%llu");
  const length = c.snprintf(target.address, 32, format.address, WIDE);
  const printed = new TextDecoder().decode(target.bytes.subarray(0, length));
  return printed === text ? undefined : `a passed u64 of ${text} arrives as ${printed}`;
}

function pointers(): string | undefined {
  const buffer = runtime.alloc(16);
  const returned = c.memset(buffer.address, 0x5a, 16);
  if (returned !== buffer.address) return `the pointer ${buffer.address} comes back as ${returned}`;
  return buffer.bytes.every((byte) => byte === 0x5a) ? undefined : "memory written by C is not seen";
}

function stability(): string | undefined {
  const buffers = [16, 64, 1000, 4096].map((size) => runtime.alloc(size));
  // Enough rounds for the JIT to reach its last tier, where small buffers were seen to move.
  for (let round = 0; round < 60_000; round++) {
    const buffer = buffers[round & 3];
    if (buffer === undefined) continue;
    const value = round & 0xff;
    c.memset(buffer.address, value, 1);
    if (buffer.bytes[0] !== value || buffer.view.getUint8(0) !== value) {
      return `the memory of a buffer of ${buffer.bytes.byteLength} bytes moved`;
    }
  }
  return undefined;
}

function callbacks(): string | undefined {
  const numbers = runtime.alloc(16);
  const cells = new Int32Array(numbers.bytes.buffer, 0, 4);
  cells.set([3, 1, 4, 2]);
  const base = numbers.address;
  using compare = runtime.callback({ args: ["ptr", "ptr"], returns: "i32" }, (a = 0, b = 0) => {
    return (cells[(a - base) / 4] ?? 0) - (cells[(b - base) / 4] ?? 0);
  });
  c.qsort(base, 4, 4, compare.address);
  return cells.join() === "1,2,3,4" ? undefined : "C does not call back as it should";
}

function errors(): string | undefined {
  const result = libc.close(-1);
  const errno = runtime.errno();
  return result === -1 && errno === 9 ? undefined : `close(-1) gives ${result}, errno ${errno} instead of EBADF`;
}

function umem(): string | undefined {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const address = runtime.addressOf(memory);
  if (address % pageSize !== 0) return `a WebAssembly memory lies at ${address}, which is not page aligned`;
  const registration = runtime.alloc(32);
  registration.view.setBigUint64(0, BigInt(address), true);
  registration.view.setBigUint64(8, BigInt(WASM_PAGE), true);
  registration.view.setUint32(16, 4096, true);
  const fd = socket(AF_XDP, SOCK_RAW, 0);
  try {
    const result = libc.setsockopt(fd, SOL_XDP, XDP_UMEM_REG, registration.address, 32);
    const errno = runtime.errno();
    if (result === 0) return undefined;
    const why = errno === EPERM ? "not permitted (CAP_NET_ADMIN, CAP_IPC_LOCK)" : `errno ${errno}`;
    return `AF_XDP does not take memory of WebAssembly: ${why}`;
  } finally {
    close(fd);
  }
}

/** All tests, in the order in which they make sense. Each costs at most a few milliseconds. */
export const selfTests: readonly SelfTest[] = [
  { name: "64-bit integers cross unchanged", run: integers },
  { name: "pointers cross unchanged", run: pointers },
  { name: "native memory stays where it is", run: stability },
  { name: "C can call back", run: callbacks },
  { name: "errno is kept", run: errors },
  { name: "AF_XDP takes memory of WebAssembly", run: umem },
];

/**
 * Runs all tests.
 * @throws WeirError `ESELFTEST` naming the first that fails and the runtime's version.
 */
export function selfTest(): void {
  for (const test of selfTests) {
    const problem = test.run();
    if (problem === undefined) continue;
    throw new WeirError({
      code: "ESELFTEST",
      operation: `run on ${runtime.name} ${runtime.version}`,
      reason: `self-test "${test.name}" failed: ${problem}`,
      hint: "use Bun 1.4.5, and run as root",
    });
  }
}
