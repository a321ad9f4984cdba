// SPDX-License-Identifier: Apache-2.0
/** libbpf's `struct bpf_object`: an object file while it is looked at or loaded. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { errnoName, errnoText } from "../runtime/errno.ts";
import { cstring } from "../runtime/libc.ts";
import { type Address, type NativeBuffer, NULL } from "../runtime/types.ts";
import { captureLog } from "./log.ts";
import { Packed } from "./packed.ts";
import { objectOpenOpts } from "./structs.ts";
import { type Libbpf, libbpf } from "./symbols.ts";

/** A handle on a map or program of an {@link OpenObject}; valid until that is closed. */
export type Handle = Address;

/** What libbpf's messages mean where they do not say what to do. */
const hints: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/legacy map definitions/, 'declare maps as BTF maps in SEC(".maps"); libbpf 1.x takes no others'],
  [/endianness mismatch/, "compile for this machine's byte order: `clang -target bpfel`"],
  [/map_extra: expected PTR/, "the object has an arena, which needs libbpf 1.4"],
  [/failed to find BTF for extern/, "declare it __weak, or use a kernel that has it"],
];

/** An error of libbpf with its own last words. */
export function libbpfError(errno: number, operation: string, lines: readonly string[]): WeirError {
  const said = lines.filter((line) => !line.startsWith("failed to load object")).at(-1);
  const hint = hints.find(([pattern]) => lines.some((line) => pattern.test(line)))?.[1];
  const reason = said === undefined ? errnoText(errno) : `${errnoName(errno)} (${said})`;
  return new WeirError({ code: errnoName(errno), operation, reason, hint });
}

/** An opened object file. Disposing closes it, with the descriptors of all that was loaded from it. */
export class OpenObject implements Disposable {
  readonly address: Address;
  readonly #lib: Libbpf;
  // libbpf keeps the address of the log buffer until the object is closed.
  readonly #log: NativeBuffer | undefined;

  /**
   * @param logBytes room for the verifier's log of a program that is refused; 0: none.
   * @throws WeirError if libbpf cannot read the object.
   */
  constructor(elf: Uint8Array, name: string, logBytes: number) {
    this.#lib = libbpf();
    this.#log = logBytes > 0 ? runtime.alloc(logBytes) : undefined;
    // The kernel takes only these characters in names of objects.
    const objectName = cstring(name.replace(/[^A-Za-z0-9_]/g, "_"));
    const options = Packed.options(objectOpenOpts.size)
      .u64(objectOpenOpts.objectName, objectName.address)
      .u64(objectOpenOpts.kernelLogBuf, this.#log?.address ?? NULL)
      .u64(objectOpenOpts.kernelLogSize, logBytes);
    const bytes = runtime.alloc(elf.byteLength);
    bytes.bytes.set(elf);
    let errno = 0;
    const { value, lines } = captureLog(() => {
      const object = this.#lib.bpf_object__open_mem(bytes.address, elf.byteLength, options.address);
      errno = object === NULL ? runtime.errno() : 0;
      return object;
    });
    if (value === NULL) throw libbpfError(errno, `read object file "${name}"`, lines);
    this.address = value;
  }

  /** The verifier's log so far. */
  verifierLog(): string {
    return this.#log === undefined ? "" : (runtime.cstring(this.#log.address) ?? "");
  }

  maps(): Handle[] {
    return this.#all(this.#lib.bpf_object__next_map);
  }

  programs(): Handle[] {
    return this.#all(this.#lib.bpf_object__next_program);
  }

  /** Constants and globals are maps of their own: `.rodata`, `.data`, `.bss`, with the object's name in front. */
  mapName(map: Handle): string {
    const name = runtime.cstring(this.#lib.bpf_map__name(map)) ?? "";
    const internal = (this.#lib.bpf_map__is_internal(map) & 0xff) !== 0;
    return internal ? name.slice(name.indexOf(".")) : name;
  }

  /** The bytes that a map of constants or globals will start with; live until the object is loaded. */
  initialValue(map: Handle): Uint8Array | undefined {
    const size = new Packed(8);
    const address = this.#lib.bpf_map__initial_value(map, size.address);
    return address === NULL ? undefined : new Uint8Array(runtime.view(address, Number(size.getU64(0))));
  }

  [Symbol.dispose](): void {
    this.#lib.bpf_object__close(this.address);
  }

  #all(next: (object: Address, previous: Address) => Address): Handle[] {
    const handles: Handle[] = [];
    for (let at = next(this.address, NULL); at !== NULL; at = next(this.address, at)) handles.push(at);
    return handles;
  }
}
