// SPDX-License-Identifier: Apache-2.0
/**
 * What lies where in a worker's WebAssembly memory:
 * static data of the module, control block, tables and message rings of ours, tables of the kernel, AF_XDP
 * rings, and the frames last. What is mapped begins at multiples of 64 KiB, the largest page size.
 */

import { WeirError } from "../errors.ts";
import {
  burstSlotLayout,
  commandLayout,
  decisionNoteLayout,
  dropCounterLayout,
  eventLayout,
  flowDecisionLayout,
  flowReviewLayout,
  flowSlot4Layout,
  flowSlot6Layout,
  frameLinkLayout,
  heldPacketLayout,
  interfaceLayout,
  messageRingLayout,
  missRecordLayout,
  missRingLayout,
  nexthopLayout,
  pendingPacketLayout,
  policyRootLayout,
  WEIR_BURST_SLOTS,
  WEIR_CHAIN_FRAMES,
  WEIR_DECISIONS_PER_WORKER,
  WEIR_MAX_REASONS,
  WEIR_MISSES_PER_WORKER,
  WEIR_REVIEW_VRFS,
  WEIR_WATCHES,
  watchedDescriptorLayout,
  workerControlLayout,
  xskPortLayout,
} from "../layout/index.ts";
import { type RingEntries, type RingOffsets, ringBytes, XDP_PACKET_HEADROOM } from "../xsk/index.ts";

/** Bytes of a WebAssembly page, and at least those of a page of the system. */
export const WASM_PAGE = 65536;
/** Where the module's static data may reach up to (`memoryBase` in wasm/asconfig.json). */
const STATIC_BYTES = 32 * 1024;
/** What 32 bits can address. */
const MAX_BYTES = 65536 * WASM_PAGE;

/** Sizes that the memory is laid out for. */
export interface MemorySizes {
  /** UMEM frames. */
  readonly frames: number;
  /** Bytes of a frame: 2048 or 4096. */
  readonly frameSize: number;
  /** Packets that may wait for a verdict or a neighbour. */
  readonly holdLimit: number;
  /** Direct ports, beside the trap port. */
  readonly directPorts: number;
  /** Bytes of compiled rules. */
  readonly policyBytes: number;
  /** Bytes of compiled address sets. */
  readonly addressSetBytes: number;
  /** Elements of the kernel's `interfaces`, `nexthops` and `decisions`. */
  readonly interfaces: number;
  readonly nexthops: number;
  readonly decisions: number;
  /** Elements of the kernel's `miss_rings`; 0: first packets take the trap link only. */
  readonly missRings: number;
  /** Of a memory in which flows are looked through after a change of policy; default: it is a worker's. */
  readonly review?: ReviewSizes;
}

/** What such a memory has besides. */
export interface ReviewSizes {
  /** Elements of the kernel's `flow_slots4`, and of `flow_slots6`. */
  readonly flowSlots: number;
  /** Bytes of the compiled rules, and of the sets, that tell which flows are meant. */
  readonly filterBytes: number;
}

/**
 * Entries of the rings of the trap port. At 200 000 new flows a second the receive ring bridges 80 ms in which the
 * worker does not run; the frames that are really in it are a share of those that the worker has.
 */
export const TRAP_RING: RingEntries = { rx: 16384, tx: 4096, fill: 16384, completion: 4096 };
/** Entries of a direct port's: it only receives, but the kernel wants a completion ring. */
export const DIRECT_RING: RingEntries = { rx: 2048, tx: 0, fill: 2048, completion: 64 };

/** Records of the message rings; powers of two. */
export const EVENTS = 8192;
export const COMMANDS = 16384;
/** Packets of `inject` under way from the main thread. */
export const INJECT_SLOTS = 64;
/** Packets that may wait for one run of weir_flow_update. */
export const PENDING = 4 * WEIR_DECISIONS_PER_WORKER;

/** Bytes of an element of `miss_rings`. */
export const MISS_RING_BYTES = missRingLayout.size + WEIR_MISSES_PER_WORKER * missRecordLayout.size;

/** Bytes of a packet that a frame holds; in front of them is what the kernel wants, and our header. */
export const roomOf = (frameSize: number): number => frameSize - XDP_PACKET_HEADROOM;

/** Bytes of the longest packet: a chain of frames, or one where the kernel has no chains. */
export const largestPacket = (frameSize: number, chains: boolean): number =>
  roomOf(frameSize) * (chains ? WEIR_CHAIN_FRAMES : 1);

/** Offsets in the memory, in bytes. */
export interface MemoryLayout {
  readonly sizes: MemorySizes;
  readonly pages: number;
  readonly control: number;
  readonly ports: number;
  readonly freeFrames: number;
  readonly frameOwners: number;
  readonly frameLinks: number;
  readonly watches: number;
  readonly decisionNotes: number;
  readonly burstSlots: number;
  readonly pending: number;
  readonly holds: number;
  readonly holdCapacity: number;
  readonly holdBuckets: number;
  readonly drops: number;
  readonly errorLimits: number;
  readonly commands: number;
  readonly events: number;
  /** The same between a worker and the handler in its thread. */
  readonly ownAsks: number;
  readonly ownVerdicts: number;
  /** Slots of `largestPacket` bytes each. */
  readonly inject: number;
  readonly policies: {
    /** Two of each: the one in force and the next. */
    readonly roots: readonly [number, number];
    readonly directories: readonly [PolicyDirectory, PolicyDirectory];
    readonly addressSets: readonly [number, number];
    /** Of the compiled policy sets in force, the next ones, and what lies in pieces between them. */
    readonly sets: { readonly at: number; readonly bytes: number };
  };
  readonly interfaces: number;
  readonly nexthops: number;
  readonly decisions: number;
  readonly missRings: number;
  /** Empty but for a memory in which flows are looked through. */
  readonly review: {
    /** struct policy_root, its directory, its one policy set, and its address sets. */
    readonly root: number;
    readonly directory: number;
    readonly set: number;
    readonly addressSets: number;
    /** struct flow_review, and what it refers to. */
    readonly at: number;
    readonly interfaces: number;
    readonly nexthops: number;
    readonly mirrors: number;
    readonly vrfs: number;
    readonly slots: Readonly<Record<4 | 6, number>>;
  };
  /** Rings of each port; the trap port's first. */
  readonly rings: readonly RingOffsets[];
  readonly umem: number;
}

/** Addresses of compiled policy sets. */
export interface PolicyDirectory {
  readonly at: number;
  readonly entries: number;
}

/** Numbers that mirrors may have. */
const MIRRORS = 256;

/** Entries of the directory of what tells which flows are meant. */
export const FILTER_SETS = 2;

/** Room for compiled policy sets, for each byte that they may have. */
const POLICY_PLACES = 3;

function powerOfTwo(n: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(n, 1)));
}

/**
 * Lays a worker's memory out.
 * @throws WeirError `EINVAL` if it would not fit the 4 GiB that WebAssembly can address
 */
export function layoutMemory(sizes: MemorySizes): MemoryLayout {
  let next = STATIC_BYTES;
  const take = (bytes: number, alignment = 64): number => {
    const at = Math.ceil(next / alignment) * alignment;
    next = at + bytes;
    return at;
  };
  const mapped = (bytes: number): number => {
    const at = take(bytes, WASM_PAGE);
    next = Math.ceil(next / WASM_PAGE) * WASM_PAGE;
    return at;
  };
  const ringsOf = (entries: RingEntries): RingOffsets => {
    const bytes = ringBytes(entries);
    return {
      rx: mapped(bytes.rx),
      tx: mapped(bytes.tx),
      fill: mapped(bytes.fill),
      completion: mapped(bytes.completion),
    };
  };

  // Lists of policies that interfaces have and had.
  const directory = (): PolicyDirectory => {
    const entries = 2 * sizes.interfaces + 1;
    return { at: take(entries * 4), entries };
  };

  const holdCapacity = powerOfTwo(sizes.holdLimit);
  const layout: Omit<MemoryLayout, "pages"> = {
    sizes,
    control: take(workerControlLayout.size),
    ports: take((1 + sizes.directPorts) * xskPortLayout.size),
    freeFrames: take(sizes.frames * 4),
    frameOwners: take(sizes.frames),
    frameLinks: take(sizes.frames * frameLinkLayout.size),
    watches: take(WEIR_WATCHES * watchedDescriptorLayout.size),
    decisionNotes: take(WEIR_DECISIONS_PER_WORKER * decisionNoteLayout.size),
    burstSlots: take(WEIR_BURST_SLOTS * burstSlotLayout.size),
    pending: take(PENDING * pendingPacketLayout.size),
    holds: take(holdCapacity * heldPacketLayout.size),
    holdCapacity,
    holdBuckets: take(holdCapacity * 4),
    drops: take(sizes.interfaces * WEIR_MAX_REASONS * dropCounterLayout.size),
    errorLimits: take(sizes.interfaces * 8),
    commands: take(messageRingLayout.size + COMMANDS * commandLayout.size),
    events: take(messageRingLayout.size + EVENTS * eventLayout.size),
    ownAsks: take(messageRingLayout.size + EVENTS * eventLayout.size),
    ownVerdicts: take(messageRingLayout.size + COMMANDS * commandLayout.size),
    inject: take(INJECT_SLOTS * largestPacket(sizes.frameSize, true)),
    policies: {
      roots: [take(policyRootLayout.size), take(policyRootLayout.size)],
      directories: [directory(), directory()],
      addressSets: [take(sizes.addressSetBytes), take(sizes.addressSetBytes)],
      sets: { at: take(POLICY_PLACES * sizes.policyBytes), bytes: POLICY_PLACES * sizes.policyBytes },
    },
    interfaces: mapped(sizes.interfaces * interfaceLayout.size),
    nexthops: mapped(sizes.nexthops * nexthopLayout.size),
    decisions: mapped(sizes.decisions * flowDecisionLayout.size),
    missRings: mapped(sizes.missRings * MISS_RING_BYTES),
    review: {
      root: take(policyRootLayout.size),
      directory: take(FILTER_SETS * 4),
      set: take(sizes.review?.filterBytes ?? 0),
      addressSets: take(sizes.review?.filterBytes ?? 0),
      at: take(flowReviewLayout.size),
      interfaces: take(sizes.review === undefined ? 0 : sizes.interfaces),
      nexthops: take(sizes.review === undefined ? 0 : sizes.nexthops),
      mirrors: take(sizes.review === undefined ? 0 : MIRRORS),
      vrfs: take(sizes.review === undefined ? 0 : WEIR_REVIEW_VRFS),
      slots: {
        4: mapped((sizes.review?.flowSlots ?? 0) * flowSlot4Layout.size),
        6: mapped((sizes.review?.flowSlots ?? 0) * flowSlot6Layout.size),
      },
    },
    rings: [TRAP_RING, ...Array.from({ length: sizes.directPorts }, () => DIRECT_RING)].map(ringsOf),
    umem: mapped(sizes.frames * sizes.frameSize),
  };
  if (next > MAX_BYTES) {
    throw new WeirError({
      code: "EINVAL",
      operation: "lay out the slow path's memory",
      reason: `${Math.ceil(next / 2 ** 20)} MiB are more than the 4096 MiB that WebAssembly can address`,
      hint: "lower the number of frames or of next hops",
    });
  }
  return { ...layout, pages: next / WASM_PAGE };
}
