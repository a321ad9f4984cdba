// SPDX-License-Identifier: Apache-2.0
/**
 * The one border to the JavaScript runtime: foreign calls, native memory, workers, assets.
 * `bun.ts` and `deno.ts` implement it; `#runtime` in package.json picks one.
 * Nothing else in the project imports `bun:ffi` or touches `Deno`.
 */

/** A native address. Below 2^47 on x86-64 and arm64, so exact in a double. 0 is NULL. */
export type Address = number & { readonly __address: unique symbol };

/** NULL. */
export const NULL = 0 as Address;

/**
 * The closed set of C types that cross the border.
 * - `u64`: a number; values above 2^53 - 1 are refused by the caller's own checks.
 * - `i64`: a number, for `off_t` and `ssize_t`.
 * - `ptr`: an {@link Address}; a returned `(void *)-1` (MAP_FAILED) is -1.
 */
export type AbiType = "i32" | "u32" | "i64" | "u64" | "ptr" | "void";

/** The C prototype of one symbol. */
export interface Prototype {
  readonly args: readonly AbiType[];
  readonly returns: AbiType;
  /** Absent in some versions of the library: the entry is then `undefined`. */
  readonly optional?: boolean;
}

export type SymbolTable = Readonly<Record<string, Prototype>>;

type JsType<T extends AbiType> = T extends "ptr" ? Address : T extends "void" ? undefined : number;

type ArgTypes<A extends readonly AbiType[]> = { -readonly [K in keyof A]: JsType<A[K]> };

type Fn<P extends Prototype> = (...args: ArgTypes<P["args"]>) => JsType<P["returns"]>;

/** The callable symbols of an opened library. */
export type Library<S extends SymbolTable> = {
  readonly [K in keyof S]: S[K] extends { readonly optional: true } ? Fn<S[K]> | undefined : Fn<S[K]>;
};

/** Memory whose address never moves. Keep it referenced for as long as the kernel or C holds the address. */
export interface NativeBuffer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly address: Address;
}

/** A JavaScript function that C may call, on the calling thread and during a foreign call only. */
export interface Callback extends Disposable {
  readonly address: Address;
}

/** A worker thread. */
export interface WorkerHandle {
  postMessage(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onError(listener: (error: Error) => void): void;
  /** Lets the process end while the worker runs. */
  unref(): void;
  terminate(): void;
}

export interface Runtime {
  readonly name: "bun" | "deno";
  /** Version of the runtime, for messages. */
  readonly version: string;

  /**
   * Opens the first of `paths` that loads. Names without a slash are looked up in the system's
   * library directories only, never in the working directory.
   * @throws WeirError `ENOLIB` naming all that was tried; a missing symbol that is not optional is named too.
   */
  open<const S extends SymbolTable>(paths: readonly string[], symbols: S): Library<S>;

  /** Zero-filled memory of `byteLength` bytes with a fixed address. The only source of addresses of buffers. */
  alloc(byteLength: number): NativeBuffer;

  /** Address of a WebAssembly memory's first byte. The memory must never grow (`initial == maximum`). */
  addressOf(memory: WebAssembly.Memory): Address;

  /** A view of native memory that is never freed by the runtime. Not to be used after the memory is unmapped. */
  view(address: Address, byteLength: number): ArrayBuffer;

  /** The NUL-terminated string at `address`; `null` for NULL. */
  cstring(address: Address): string | null;

  /** `errno` of the calling thread; to be read in the statement after the foreign call. */
  errno(): number;

  /** A callback for synchronous use on this thread. */
  callback(prototype: Prototype, fn: (...args: number[]) => number | undefined): Callback;

  /**
   * Starts a worker thread from a module of the project; `path` is relative to the project's root, e.g.
   * `sdk/dataplane/controller/worker.ts`. In the compiled binary the module must be an extra entry point of the build.
   * (No URL: bundling flattens `import.meta.url`, a path from the root means the same in both.)
   */
  worker(path: string): WorkerHandle;

  /** Reads a file that ships with the project; `path` is relative to the project's root, e.g. `assets/weir.bpf.o`. */
  readAsset(path: string): Uint8Array<ArrayBuffer>;

  /**
   * Calls `listener` with each datagram that arrives on the datagram socket `fd` (netlink), without a
   * thread. Disposing closes the descriptor.
   */
  onDatagram(fd: number, listener: (datagram: Uint8Array) => void, onError: (error: Error) => void): Disposable;
}
