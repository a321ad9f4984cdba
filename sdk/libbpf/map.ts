// SPDX-License-Identifier: Apache-2.0
/** Maps: single elements, whole maps, memory mapping, pins. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { ENOENT, errnoError, errnoText } from "../runtime/errno.ts";
import { close, cstring } from "../runtime/libc.ts";
import { type Address, type NativeBuffer, NULL } from "../runtime/types.ts";
import { deleteBatch, mapEntries, updateBatch } from "./map_batch.ts";
import { type Mapping, mapMemory } from "./map_memory.ts";
import { type MapInfo, type MapShape, readMapInfo, requireShape } from "./map_shape.ts";
import { type MapType, mapTypes } from "./names.ts";
import { Packed } from "./packed.ts";
import { openPin, pinObject, unpinObject } from "./pin.ts";
import { mapCreateOpts } from "./structs.ts";
import { libbpf, possibleCpus } from "./symbols.ts";

/** Whether an update may make (`create`), replace (`exist`) or do either (`any`). */
export type UpdateMode = "any" | "create" | "exist";

/** `BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`. */
const modes: Record<UpdateMode, number> = { any: 0, create: 1, exist: 2 };

const E2BIG = 7;

/** A key or value: memory with a fixed address is used as it is, other bytes are copied. */
export type MapBytes = NativeBuffer | Uint8Array;

/** What {@link BpfMap.create} makes. */
export interface CreateMapOptions extends Omit<MapShape, "flags"> {
  /** At most 15 of `A-Z a-z 0-9 _ .`. */
  readonly name: string;
  /** `BPF_F_*`. Default 0. */
  readonly flags?: number;
  /** Template of the inner maps, for `array_of_maps` and `hash_of_maps`. */
  readonly inner?: BpfMap;
}

/**
 * A map of the kernel. Disposing closes the descriptor; the map lives on while a program, a pin or another
 * descriptor refers to it.
 *
 * Per-CPU maps take and give the values of all possible CPUs, one after the other, each padded to
 * {@link valueStride}.
 */
export class BpfMap implements Disposable, MapShape {
  readonly fd: number;
  readonly id: number;
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Values of one element: the possible CPUs for per-CPU maps, otherwise 1. */
  readonly cpus: number;
  /** Bytes from one CPU's value to the next, and from one element of a mapped array to the next: `valueSize` rounded up to 8. */
  readonly valueStride: number;
  /** Bytes of a value as it is passed: `valueStride * cpus` for per-CPU maps, otherwise `valueSize`. */
  readonly valueBytes: number;

  readonly #key: NativeBuffer;
  readonly #value: NativeBuffer;
  #pinPath: string | undefined;
  #closed = false;

  /** Takes over `fd`. `name` may be longer than the kernel keeps. */
  constructor(fd: number, name?: string, pinPath?: string) {
    const info = readMapInfo(fd);
    this.fd = fd;
    this.id = info.id;
    this.name = name ?? info.name;
    this.type = info.type;
    this.keySize = info.keySize;
    this.valueSize = info.valueSize;
    this.maxEntries = info.maxEntries;
    this.flags = info.flags;
    const perCpu = info.type.includes("percpu");
    this.cpus = perCpu ? possibleCpus() : 1;
    this.valueStride = (info.valueSize + 7) & ~7;
    this.valueBytes = perCpu ? this.valueStride * this.cpus : info.valueSize;
    this.#key = runtime.alloc(this.keySize);
    this.#value = runtime.alloc(this.valueBytes);
    this.#pinPath = pinPath;
  }

  /** Makes a map. Needs CAP_BPF. */
  static create(options: CreateMapOptions): BpfMap {
    const { name, type, keySize, valueSize, maxEntries, flags = 0, inner } = options;
    const opts = Packed.options(mapCreateOpts.size)
      .u32(mapCreateOpts.innerMapFd, inner?.fd ?? 0)
      .u32(mapCreateOpts.flags, flags);
    const text = cstring(name);
    const fd = libbpf().bpf_map_create(
      mapTypes.indexOf(type),
      text.address,
      keySize,
      valueSize,
      maxEntries,
      opts.address,
    );
    if (fd < 0) throw errnoError(-fd, `make the ${type} map "${name}"`);
    return new BpfMap(fd, name);
  }

  /**
   * Opens a pinned map.
   * @param expect what it must be like.
   * @throws WeirError `ENOENT` if there is no pin, `EINCOMPATIBLE` if it differs from `expect`.
   */
  static fromPin(path: string, expect: Partial<MapShape> = {}): BpfMap {
    const map = new BpfMap(openPin(path, "map").fd, undefined, path);
    try {
      requireShape(map, expect, `use the pinned map "${path}"`);
      return map;
    } catch (error) {
      map[Symbol.dispose]();
      throw error;
    }
  }

  /** Opens the map with the kernel's id `id`. @throws WeirError `ENOENT` */
  static fromId(id: number): BpfMap {
    const fd = libbpf().bpf_map_get_fd_by_id(id);
    if (fd < 0) throw errnoError(-fd, `open map ${id}`);
    return new BpfMap(fd);
  }

  /** Reads the element at `key` into `value`; false if there is none. */
  lookup(key: MapBytes, value: MapBytes): boolean {
    const result = libbpf().bpf_map_lookup_elem(this.fd, this.#keyAddress(key), this.#valueTarget(value));
    return this.#found(result, value, "look up");
  }

  /** Reads and removes the element at `key`; false if there is none. Hash (Linux 5.14), queue and stack maps. */
  lookupAndDelete(key: MapBytes, value: MapBytes): boolean {
    const address = this.keySize === 0 ? NULL : this.#keyAddress(key);
    const result = libbpf().bpf_map_lookup_and_delete_elem(this.fd, address, this.#valueTarget(value));
    return this.#found(result, value, "look up and delete");
  }

  /**
   * Writes the element at `key`.
   * @throws WeirError `EEXIST` (mode `create`), `ENOENT` (mode `exist`), `E2BIG` if the map is full.
   */
  update(key: MapBytes, value: MapBytes, mode: UpdateMode = "any"): void {
    const address = this.keySize === 0 ? NULL : this.#keyAddress(key);
    const result = libbpf().bpf_map_update_elem(this.fd, address, this.#valueSource(value), modes[mode]);
    if (result < 0) throw this.#failed(-result, "update");
  }

  /** Removes the element at `key`; false if there was none. */
  delete(key: MapBytes): boolean {
    const result = libbpf().bpf_map_delete_elem(this.fd, this.#keyAddress(key));
    if (result === -ENOENT) return false;
    if (result < 0) throw this.#failed(-result, "delete from");
    return true;
  }

  /** Writes the key that follows `previous` (`null`: the first) to `next`; false at the end. */
  nextKey(previous: MapBytes | null, next: MapBytes): boolean {
    const from = previous === null ? NULL : this.#keyAddress(previous);
    const target = "address" in next ? next : this.#key;
    const result = libbpf().bpf_map_get_next_key(this.fd, from, target.address);
    if (result === -ENOENT) return false;
    if (result < 0) throw this.#failed(-result, "go through");
    if (!("address" in next)) next.set(this.#key.bytes.subarray(0, this.keySize));
    return true;
  }

  /** Writes `count` elements, keys and values packed one after the other. Falls back to single writes where batches are not supported. */
  updateBatch(keys: MapBytes, values: MapBytes, count: number): void {
    updateBatch(this, keys, values, count);
  }

  /** Removes `count` packed keys; returns how many were there. */
  deleteBatch(keys: MapBytes, count: number): number {
    return deleteBatch(this, keys, count);
  }

  /**
   * All elements, read in batches where the map can. The views are valid until the next step; deleting the
   * current element meanwhile is allowed. Concurrent changes may or may not be seen.
   */
  entries(o: { batch?: number } = {}): Generator<{ key: Uint8Array; value: Uint8Array }> {
    return mapEntries(this, o.batch ?? 1024);
  }

  /**
   * Maps the values of an array (made with `BPF_F_MMAPABLE`) into memory; element `i` is at `i * valueStride`.
   * @param o.at a page-aligned address to map over (inside a WebAssembly memory); default: anywhere.
   * @param o.readOnly a store through the mapping then traps. Default false.
   */
  mmap(o: { at?: Address; readOnly?: boolean } = {}): Mapping {
    return mapMemory(this, o);
  }

  /** Forbids further writes from user space. */
  freeze(): void {
    const result = libbpf().bpf_map_freeze(this.fd);
    if (result < 0) throw this.#failed(-result, "freeze");
  }

  /** Pins the map at `path`, an absolute path in a BPF file system without dots; missing directories are made. */
  pin(path: string): void {
    pinObject(this.fd, path, `map "${this.name}"`);
    this.#pinPath = path;
  }

  /** Removes the pin that this object made or was opened from. */
  unpin(): void {
    if (this.#pinPath !== undefined) unpinObject(this.#pinPath);
    this.#pinPath = undefined;
  }

  /** What the kernel says about it. */
  info(): MapInfo {
    return readMapInfo(this.fd);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    close(this.fd);
  }

  #found(result: number, value: MapBytes, verb: string): boolean {
    if (result === -ENOENT) return false;
    if (result < 0) throw this.#failed(-result, `${verb} in`);
    if (!("address" in value)) value.set(this.#value.bytes);
    return true;
  }

  #keyAddress(key: MapBytes): Address {
    this.#require("key", key, this.keySize);
    if ("address" in key) return key.address;
    this.#key.bytes.set(key);
    return this.#key.address;
  }

  #valueTarget(value: MapBytes): Address {
    this.#require("value", value, this.valueBytes);
    return "address" in value ? value.address : this.#value.address;
  }

  #valueSource(value: MapBytes): Address {
    this.#require("value", value, this.valueBytes);
    if ("address" in value) return value.address;
    this.#value.bytes.set(value);
    return this.#value.address;
  }

  /** Native memory may be longer than needed; a copied one must fit exactly. */
  #require(what: string, given: MapBytes, size: number): void {
    const length = "address" in given ? given.bytes.byteLength : given.byteLength;
    if ("address" in given ? length >= size : length === size) return;
    throw new WeirError({
      code: "EINVAL",
      operation: `use map "${this.name}"`,
      reason: `a ${what} of ${length} bytes was given, it has ${size}`,
    });
  }

  #failed(errno: number, verb: string): WeirError {
    const full = errno === E2BIG && verb === "update";
    const reason = full ? `E2BIG (all ${this.maxEntries} entries are in use)` : errnoText(errno);
    const { code } = errnoError(errno, "");
    return new WeirError({ code, operation: `${verb} map "${this.name}"`, reason });
  }
}
