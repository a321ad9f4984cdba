// SPDX-License-Identifier: Apache-2.0
/// <reference lib="deno.ns" />
/** The runtime layer on Deno (`Deno.dlopen`; needs `--allow-ffi` and what the callers need). */

import { readFileSync } from "node:fs";
import process from "node:process";
import { WeirError } from "../errors.ts";
import { candidates, notLoaded, symbolMissing } from "./libraries.ts";
import { modulePath } from "./module_path.ts";
import type {
  AbiType,
  Address,
  Callback,
  Library,
  NativeBuffer,
  Prototype,
  Runtime,
  SymbolTable,
  WorkerHandle,
} from "./types.ts";

// Pointers cross as integers (the same register in the C ABI): no PointerObject per call.
const NATIVE: Record<AbiType, Deno.NativeResultType> = {
  i32: "i32",
  u32: "u32",
  i64: "i64",
  u64: "u64",
  ptr: "i64",
  void: "void",
};

type Raw = (...args: (number | bigint)[]) => number | bigint | undefined;

function adapt(raw: Raw, prototype: Prototype): (...args: number[]) => number | undefined {
  const wide = prototype.returns === "i64" || prototype.returns === "u64" || prototype.returns === "ptr";
  return wide ? (...args) => Number(raw(...args)) : (raw as (...args: number[]) => number | undefined);
}

function definition(prototype: Prototype): Deno.ForeignFunction {
  return {
    parameters: prototype.args.map((type) => NATIVE[type] as Deno.NativeType),
    result: NATIVE[prototype.returns],
    optional: prototype.optional === true,
  };
}

function open<const S extends SymbolTable>(paths: readonly string[], symbols: S): Library<S> {
  const names = Object.keys(symbols);
  const definitions = Object.fromEntries(names.map((name) => [name, definition(symbols[name] as Prototype)]));
  let cause: unknown;
  for (const path of candidates(paths)) {
    try {
      const raw = Deno.dlopen(path, definitions).symbols as Record<string, Raw | null>;
      const bound = names.map((name) => {
        const fn = raw[name];
        return [name, fn == null ? undefined : adapt(fn, symbols[name] as Prototype)];
      });
      return Object.fromEntries(bound) as Library<S>;
    } catch (error) {
      const missing = /undefined symbol: (\S+)/.exec(String(error));
      if (missing?.[1] !== undefined) throw symbolMissing(path, missing[1]);
      cause = error;
    }
  }
  throw notLoaded(paths, cause);
}

function pointerTo(bytes: Uint8Array<ArrayBufferLike>): Address {
  const pointer = Deno.UnsafePointer.of(bytes as Uint8Array<ArrayBuffer>);
  return Number(Deno.UnsafePointer.value(pointer)) as Address;
}

function pointer(address: Address): Deno.PointerObject {
  const made = Deno.UnsafePointer.create(BigInt(address));
  if (made === null) throw new WeirError({ code: "EFAULT", operation: "view memory", reason: "the address is NULL" });
  return made;
}

function alloc(byteLength: number): NativeBuffer {
  const buffer = new ArrayBuffer(Math.max(byteLength, 8));
  const bytes = new Uint8Array(buffer, 0, byteLength);
  return { bytes, view: new DataView(buffer, 0, byteLength), address: pointerTo(new Uint8Array(buffer)) };
}

function addressOf(memory: WebAssembly.Memory): Address {
  return pointerTo(new Uint8Array(memory.buffer));
}

function view(address: Address, byteLength: number): ArrayBuffer {
  return Deno.UnsafePointerView.getArrayBuffer(pointer(address), byteLength);
}

function cstring(address: Address): string | null {
  return address === 0 ? null : Deno.UnsafePointerView.getCString(pointer(address));
}

// `errno` has a fixed place in each thread; every worker has its own instance of this module.
const location = open(["libc.so.6"], { __errno_location: { args: [], returns: "ptr" } }).__errno_location();
const errnoCell = new Int32Array(view(location, 4));

function errno(): number {
  return errnoCell[0] ?? 0;
}

function callback(prototype: Prototype, fn: (...args: number[]) => number | undefined): Callback {
  const { parameters, result } = definition(prototype);
  const native = new Deno.UnsafeCallback(
    { parameters, result } as Deno.UnsafeCallbackDefinition,
    ((...args: (number | bigint)[]) => fn(...args.map(Number))) as never,
  );
  return {
    address: Number(Deno.UnsafePointer.value(native.pointer)) as Address,
    [Symbol.dispose]: () => native.close(),
  };
}

const PROJECT_ROOT = new URL("../../", import.meta.url);

function worker(path: string): WorkerHandle {
  const thread = new Worker(new URL(modulePath(path, import.meta.url), PROJECT_ROOT), { type: "module" });
  return {
    postMessage: (message) => thread.postMessage(message),
    onMessage: (listener) => thread.addEventListener("message", (event) => listener(event.data)),
    onError: (listener) =>
      thread.addEventListener("error", (event) => {
        event.preventDefault();
        listener(new Error(event.message));
      }),
    // Deno ends with its main module's event loop only when the worker is gone: there is nothing to let go of.
    unref: () => {},
    terminate: () => thread.terminate(),
  };
}

function readAsset(path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(new URL(path, PROJECT_ROOT)));
  } catch (cause) {
    throw new WeirError({
      code: "ENOENT",
      operation: `read "${path}"`,
      reason: "it is not in this installation",
      hint: "build it with `npm run build`",
      cause,
    });
  }
}

// Deno cannot adopt a descriptor: a thread of its pool sleeps in poll(2) over the socket and an eventfd that ends it.
const waiting = Deno.dlopen(candidates(["libc.so.6"])[0] ?? "/lib/libc.so.6", {
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
}).symbols;

const POLLIN = 1;
const MSG_DONTWAIT = 0x40;
const DATAGRAM_BYTES = 256 * 1024;

function onDatagram(fd: number, listener: (datagram: Uint8Array) => void, onError: (error: Error) => void): Disposable {
  const stop = waiting.eventfd(0, 0);
  const descriptors = new Uint8Array(new ArrayBuffer(16));
  const fields = new DataView(descriptors.buffer);
  const datagram = new Uint8Array(new ArrayBuffer(DATAGRAM_BYTES));
  let disposed = false;

  async function loop(): Promise<void> {
    while (!disposed) {
      fields.setInt32(0, fd, true);
      fields.setInt32(4, POLLIN, true);
      fields.setInt32(8, stop, true);
      fields.setInt32(12, POLLIN, true);
      await waiting.poll(descriptors, 2n, -1);
      while (!disposed) {
        const length = Number(waiting.recv(fd, datagram, BigInt(DATAGRAM_BYTES), MSG_DONTWAIT));
        if (length <= 0) break;
        listener(datagram.slice(0, length));
      }
    }
  }

  loop()
    .catch((error) => onError(error as Error))
    .finally(() => {
      waiting.close(fd);
      waiting.close(stop);
    });
  return {
    [Symbol.dispose]: () => {
      if (disposed) return;
      disposed = true;
      waiting.write(stop, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8n);
    },
  };
}

/** Deno's implementation of {@link Runtime}. */
export const runtime: Runtime = {
  name: "deno",
  version: `${Deno.version.deno} (${process.arch})`,
  open,
  alloc,
  addressOf,
  view,
  cstring,
  errno,
  callback,
  worker,
  readAsset,
  onDatagram,
};
