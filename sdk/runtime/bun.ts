// SPDX-License-Identifier: Apache-2.0
/** The runtime layer on Bun (`bun:ffi`, engine-native since 1.4). */

import { CString, dlopen, FFIType, JSCallback, type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { readFileSync } from "node:fs";
import { join } from "node:path";
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

// Bun's `ptr` return is null for NULL, `u64` a BigInt; these are plain numbers, with no wrapper in between.
const ARGUMENT: Record<AbiType, FFIType> = {
  i32: FFIType.i32,
  u32: FFIType.u32,
  i64: FFIType.i64_fast,
  u64: FFIType.u64_fast,
  ptr: FFIType.ptr,
  void: FFIType.void,
};
const RETURN: Record<AbiType, FFIType> = { ...ARGUMENT, ptr: FFIType.i64_fast };

const COMPILED_ROOT = "/$bunfs/root";

/** In a compiled binary the main entry lies at the root and the others keep their paths; assets lie at the root. */
const PROJECT_ROOT = import.meta.dir.startsWith(COMPILED_ROOT) ? COMPILED_ROOT : join(import.meta.dir, "../..");

type Symbols = Record<string, (...args: number[]) => number>;

function bind(path: string, names: readonly string[], symbols: SymbolTable): Symbols {
  const definitions = names.map((name) => {
    const prototype = symbols[name] as Prototype;
    return [name, { args: prototype.args.map((type) => ARGUMENT[type]), returns: RETURN[prototype.returns] }];
  });
  return dlopen(path, Object.fromEntries(definitions)).symbols as unknown as Symbols;
}

/** The symbols that `bind` finds; `undefined` if one of them is missing. Other failures are thrown. */
function tryBind(path: string, names: readonly string[], symbols: SymbolTable): Symbols | string {
  if (names.length === 0) return {};
  try {
    return bind(path, names, symbols);
  } catch (error) {
    const missing = /Symbol "([^"]+)" not found/.exec(String(error));
    if (missing?.[1] !== undefined) return missing[1];
    throw error;
  }
}

function open<const S extends SymbolTable>(paths: readonly string[], symbols: S): Library<S> {
  const names = Object.keys(symbols);
  // One missing symbol fails a whole dlopen in Bun: those that may be missing are bound one at a time.
  const required = names.filter((name) => symbols[name]?.optional !== true);
  const optional = names.filter((name) => symbols[name]?.optional === true);
  let cause: unknown;
  for (const path of candidates(paths)) {
    let bound: Symbols | string;
    try {
      bound = tryBind(path, required, symbols);
    } catch (error) {
      cause = error;
      continue;
    }
    if (typeof bound === "string") throw symbolMissing(path, bound);
    const library: Record<string, unknown> = { ...bound };
    for (const name of optional) {
      const one = tryBind(path, [name], symbols);
      library[name] = typeof one === "string" ? undefined : one[name];
    }
    return library as Library<S>;
  }
  throw notLoaded(paths, cause);
}

function alloc(byteLength: number): NativeBuffer {
  // An explicit ArrayBuffer: the memory of a small `new Uint8Array(n)` moves in Bun when the JIT tiers up.
  const buffer = new ArrayBuffer(Math.max(byteLength, 8));
  const bytes = new Uint8Array(buffer, 0, byteLength);
  const address = Number(ptr(new Uint8Array(buffer))) as Address;
  return { bytes, view: new DataView(buffer, 0, byteLength), address };
}

function addressOf(memory: WebAssembly.Memory): Address {
  return Number(ptr(new Uint8Array(memory.buffer))) as Address;
}

function view(address: Address, byteLength: number): ArrayBuffer {
  return toArrayBuffer(address as number as Pointer, 0, byteLength);
}

function cstring(address: Address): string | null {
  return address === 0 ? null : new CString(address as number as Pointer).toString();
}

// `errno` has a fixed place in each thread; every worker has its own instance of this module.
const location = open(["libc.so.6"], { __errno_location: { args: [], returns: "ptr" } }).__errno_location();
const errnoCell = new Int32Array(view(location, 4));

function errno(): number {
  return errnoCell[0] ?? 0;
}

function callback(prototype: Prototype, fn: (...args: number[]) => number | undefined): Callback {
  const native = new JSCallback(fn, {
    args: prototype.args.map((type) => ARGUMENT[type]),
    returns: ARGUMENT[prototype.returns],
  });
  return {
    address: Number(native.ptr) as Address,
    [Symbol.dispose]: () => native.close(),
  };
}

function worker(path: string): WorkerHandle {
  const thread = new Worker(join(PROJECT_ROOT, modulePath(path, import.meta.path)));
  return {
    postMessage: (message) => thread.postMessage(message),
    onMessage: (listener) => thread.addEventListener("message", (event) => listener((event as MessageEvent).data)),
    onError: (listener) =>
      thread.addEventListener("error", (event) => listener(new Error((event as ErrorEvent).message))),
    unref: () => thread.unref(),
    terminate: () => void thread.terminate(),
  };
}

function readAsset(path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(join(PROJECT_ROOT, path)));
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

function onDatagram(fd: number, listener: (datagram: Uint8Array) => void, onError: (error: Error) => void): Disposable {
  let disposed = false;
  // `fd` is not in Bun's types. One "data" is one datagram.
  const options = {
    fd,
    socket: {
      data: (_socket: unknown, datagram: Uint8Array) => {
        if (!disposed) listener(datagram);
      },
      error: (_socket: unknown, error: Error) => {
        if (!disposed) onError(error);
      },
      close: () => {
        if (!disposed) onError(new Error(`socket ${fd} was closed`));
      },
    },
  };
  const connected = Bun.connect(options as unknown as Bun.UnixSocketOptions<undefined>);
  connected.catch((error: Error) => {
    if (!disposed) onError(error);
  });
  return {
    [Symbol.dispose]: () => {
      disposed = true;
      connected.then(
        (socket) => socket.terminate(),
        () => {},
      );
    },
  };
}

/** Bun's implementation of {@link Runtime}. */
export const runtime: Runtime = {
  name: "bun",
  version: Bun.version,
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
