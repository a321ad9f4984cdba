// SPDX-License-Identifier: Apache-2.0
/**
 * The program that runs several XDP programs on one device, in the way of libxdp (its protocol.org, version 2): each
 * program replaces a function of it, `prog0` to `prog9`, and what they are run with is in its constants.
 */

import { runtime } from "#runtime";
import { WeirError } from "../../errors.ts";
import { Btf } from "../btf.ts";
import type { Collection } from "../collection.ts";
import { BpfMap } from "../map.ts";
import { Packed } from "../packed.ts";
import { Program } from "../program.ts";
import { CollectionSpec } from "../spec.ts";
import { xdpDispatcherConfig as layout, progInfo } from "../structs.ts";
import { objectInfo } from "../syscall.ts";

const OBJECT = "assets/xdp_dispatcher.bpf.o";
export const DISPATCHER_NAME = "xdp_dispatcher";
const MAGIC = 236;
export const DISPATCHER_VERSION = 2;
/** Bit of the action of a function that nothing replaces: the next one is run. */
const UNREPLACED = 2 ** 31;
const BPF_F_XDP_HAS_FRAGS = 1 << 5;

/** How one program of a chain is run. */
export interface SlotSettings {
  /** Those with lower ones run first. libxdp's default is 50. */
  readonly priority: number;
  /** Bits by action (`enum xdp_action`): after these the next program is run. */
  readonly actions: number;
  /** Whether it takes packets of several buffers. */
  readonly frags: boolean;
}

/** Name of the function that the program in a slot replaces, and of its pins. */
export const slotName = (slot: number): string => `prog${slot}`;

function encodeConfig(slots: readonly SlotSettings[]): Uint8Array {
  const { view } = new Packed(layout.size);
  view.setUint8(layout.magic, MAGIC);
  view.setUint8(layout.version, DISPATCHER_VERSION);
  view.setUint8(layout.count, slots.length);
  view.setUint8(layout.frags, slots.every(({ frags }) => frags) ? 1 : 0);
  for (const [slot, { priority, actions, frags }] of slots.entries()) {
    view.setUint32(layout.actions + slot * 4, (actions | UNREPLACED) >>> 0, true);
    view.setUint32(layout.priorities + slot * 4, priority, true);
    view.setUint32(layout.flags + slot * 4, frags ? BPF_F_XDP_HAS_FRAGS : 0, true);
  }
  return new Uint8Array(view.buffer);
}

/** What the constants of a dispatcher say; `undefined` if they are those of something else. */
export function decodeConfig(bytes: Uint8Array): { version: number; slots: SlotSettings[] } | undefined {
  if (bytes.byteLength < layout.actions || bytes[layout.magic] !== MAGIC) return undefined;
  const version = bytes[layout.version] ?? 0;
  if (version !== DISPATCHER_VERSION || bytes.byteLength !== layout.size) return { version, slots: [] };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const slots = Array.from({ length: Math.min(view.getUint8(layout.count), layout.slots) }, (_, slot) => ({
    priority: view.getUint32(layout.priorities + slot * 4, true),
    actions: (view.getUint32(layout.actions + slot * 4, true) & ~UNREPLACED) >>> 0,
    frags: (view.getUint32(layout.flags + slot * 4, true) & BPF_F_XDP_HAS_FRAGS) !== 0,
  }));
  return { version, slots };
}

/**
 * What the program on a device's XDP hook runs, if it is a dispatcher.
 * @throws WeirError `ENOENT` if it is gone, `EOPNOTSUPP` if it is a dispatcher of another version.
 */
export function readDispatcher(programId: number): SlotSettings[] | undefined {
  using program = Program.fromId(programId);
  const bytes = program.name === DISPATCHER_NAME ? readOnlyMap(program) : undefined;
  const config = bytes === undefined ? undefined : decodeConfig(bytes);
  if (config === undefined || config.version === DISPATCHER_VERSION) return config?.slots;
  throw new WeirError({
    code: "EOPNOTSUPP",
    operation: `read XDP dispatcher ${programId}`,
    reason: `it is of version ${config.version} of libxdp's protocol, not ${DISPATCHER_VERSION}`,
    hint: "detach it (xdp-loader unload DEVICE --all), and load its programs again when Weir is there",
  });
}

/** The value of the only map of a program: libxdp, too, takes no program with more for a dispatcher. */
function readOnlyMap(program: Program): Uint8Array | undefined {
  const id = new Packed(4);
  const info = new Packed(progInfo.size).u32(progInfo.mapCount, 1).u64(progInfo.mapIds, id.address);
  if (objectInfo(program.fd, info) < 0 || info.getU32(progInfo.mapCount) !== 1) return undefined;
  using map = BpfMap.fromId(id.getU32(0));
  const value = new Uint8Array(map.valueSize);
  return map.lookup(new Uint8Array(map.keySize), value) ? value : undefined;
}

/** A dispatcher of ours that is loaded. */
export class Dispatcher implements Disposable {
  readonly program: Program;
  readonly #collection: Collection;
  readonly #functionIds: readonly number[];

  private constructor(collection: Collection, functionIds: readonly number[]) {
    this.#collection = collection;
    this.#functionIds = functionIds;
    this.program = collection.program(DISPATCHER_NAME);
  }

  /** Loads a dispatcher for these programs, in their order; it takes packets of several buffers if all of them do. */
  static load(slots: readonly SlotSettings[]): Dispatcher {
    const elf = runtime.readAsset(OBJECT);
    const spec = CollectionSpec.fromBytes(elf, { name: DISPATCHER_NAME });
    spec.constants.set("conf", encodeConfig(slots));
    const program = spec.programs.get(DISPATCHER_NAME);
    if (program !== undefined && slots.every(({ frags }) => frags)) program.flags |= BPF_F_XDP_HAS_FRAGS;
    const btf = Btf.fromElf(elf);
    const ids = Array.from({ length: layout.slots }, (_, slot) => btf.idsOf(slotName(slot))[0] ?? 0);
    return new Dispatcher(spec.load(), ids);
  }

  /** The BTF id of the function that the program in a slot replaces. */
  functionId(slot: number): number {
    return this.#functionIds[slot] ?? 0;
  }

  [Symbol.dispose](): void {
    this.#collection[Symbol.dispose]();
  }
}
