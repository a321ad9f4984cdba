// SPDX-License-Identifier: Apache-2.0
/** The WebAssembly memory of one worker, from the main thread's side. */

import {
  flowDecisionLayout,
  PortKindValue,
  WEIR_DECISIONS_PER_WORKER,
  workerControlCodec,
  xskPortCodec,
  xskPortLayout,
  xskRingCodec,
} from "../layout/index.ts";
import type { Ring, RingKind } from "../xsk/index.ts";
import { Frames } from "./frames.ts";
import { COMMANDS, EVENTS, type MemoryLayout, MISS_RING_BYTES, PENDING } from "./memory_layout.ts";
import { initMessageRing } from "./message_ring.ts";

/** A port to be put into the memory. */
export interface PortInit {
  readonly kind: "trap" | "direct";
  /** Interface id, kind direct. */
  readonly interfaceId: number;
  readonly queue: number;
  /** Frames to keep in its fill ring. */
  readonly fillTarget: number;
  /** Of the socket, for poll and sendto. */
  readonly fd: number;
  readonly rings: ReadonlyMap<RingKind, Ring>;
}

/** What a worker may do; the defaults of the struct's other fields are 0. */
export interface WorkerLimits {
  /** Frames that received packets may not use up. */
  readonly frameReserve: number;
  /** ICMP errors and resets that an interface may cause, a second and at once. */
  readonly errorRate: number;
  readonly errorBurst: number;
  /** Frames that `onPacket` handlers may have at a time. */
  readonly lentLimit: number;
  readonly resolveTimeoutMs: number;
}

/** A fixed-size shared memory and its control block. */
export class WorkerMemory {
  readonly layout: MemoryLayout;
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** For atomic access; index = offset / 4. */
  readonly words: Int32Array;
  readonly frames: Frames;

  constructor(layout: MemoryLayout, worker: number, limits: WorkerLimits) {
    this.layout = layout;
    this.memory = new WebAssembly.Memory({ initial: layout.pages, maximum: layout.pages, shared: true });
    this.view = new DataView(this.memory.buffer);
    this.bytes = new Uint8Array(this.memory.buffer);
    this.words = new Int32Array(this.memory.buffer);
    this.#initControl(worker, limits);
    initMessageRing(this.view, layout.commands, "command", COMMANDS);
    initMessageRing(this.view, layout.events, "event", EVENTS);
    initMessageRing(this.view, layout.ownAsks, "event", EVENTS);
    initMessageRing(this.view, layout.ownVerdicts, "command", COMMANDS);
    this.frames = new Frames(this.view, this.bytes, layout.control);
  }

  /** Address of the field of the control block. */
  control(field: keyof typeof workerControlCodec): number {
    return this.layout.control + workerControlCodec[field].offset;
  }

  #initControl(worker: number, limits: WorkerLimits): void {
    const { layout, view } = this;
    const { sizes } = layout;
    const base = layout.control;
    const codec = workerControlCodec;
    codec.worker.set(view, base, worker);
    codec.portCount.set(view, base, 1 + sizes.directPorts);
    codec.ports.set(view, base, layout.ports);
    codec.umem.set(view, base, layout.umem);
    codec.frameSize.set(view, base, sizes.frameSize);
    codec.frameCount.set(view, base, sizes.frames);
    codec.frameReserve.set(view, base, limits.frameReserve);
    codec.freeFrames.set(view, base, layout.freeFrames);
    codec.frameOwners.set(view, base, layout.frameOwners);
    codec.frameLinks.set(view, base, layout.frameLinks);
    codec.watches.set(view, base, layout.watches);
    codec.freeCount.set(view, base, sizes.frames);
    for (let i = 0; i < sizes.frames; i++) {
      view.setUint32(layout.freeFrames + i * 4, layout.umem + i * sizes.frameSize, true);
    }
    codec.interfaces.set(view, base, layout.interfaces);
    codec.interfaceCount.set(view, base, sizes.interfaces);
    codec.nexthops.set(view, base, layout.nexthops);
    codec.nexthopCount.set(view, base, sizes.nexthops);
    const ownDecisions = worker * WEIR_DECISIONS_PER_WORKER * flowDecisionLayout.size;
    codec.decisions.set(view, base, layout.decisions + ownDecisions);
    if (sizes.missRings > 0) codec.missRing.set(view, base, layout.missRings + worker * MISS_RING_BYTES);
    codec.decisionNotes.set(view, base, layout.decisionNotes);
    codec.burstSlots.set(view, base, layout.burstSlots);
    codec.pending.set(view, base, layout.pending);
    codec.pendingCapacity.set(view, base, PENDING);
    codec.commands.set(view, base, layout.commands);
    codec.events.set(view, base, layout.events);
    codec.ownAsks.set(view, base, layout.ownAsks);
    codec.ownVerdicts.set(view, base, layout.ownVerdicts);
    codec.holds.set(view, base, layout.holds);
    codec.holdCapacity.set(view, base, layout.holdCapacity);
    codec.holdLimit.set(view, base, sizes.holdLimit);
    codec.holdBuckets.set(view, base, layout.holdBuckets);
    codec.drops.set(view, base, layout.drops);
    codec.errorLimits.set(view, base, layout.errorLimits);
    codec.errorRate.set(view, base, limits.errorRate);
    codec.errorBurst.set(view, base, limits.errorBurst);
    codec.lentLimit.set(view, base, limits.lentLimit);
    codec.resolveTimeoutMs.set(view, base, limits.resolveTimeoutMs);
    codec.nextDeadline.set(view, base, 0xffff_ffff_ffff_ffffn);
  }

  /** Address of a port's struct. */
  port(index: number): number {
    return this.layout.ports + index * xskPortLayout.size;
  }

  /** Describes a port to the worker, which uses it from its next poll on. */
  setPort(index: number, init: PortInit): void {
    const base = this.port(index);
    this.bytes.fill(0, base, base + xskPortLayout.size);
    const codec = xskPortCodec;
    codec.interface.set(this.view, base, init.interfaceId);
    codec.queue.set(this.view, base, init.queue);
    codec.fillTarget.set(this.view, base, init.fillTarget);
    codec.fd.set(this.view, base, init.fd);
    for (const [kind, ring] of init.rings) this.#setRing(codec[kind].at(base), ring);
    // Last, and with release: the worker looks at nothing else of a port without a kind.
    Atomics.store(this.words, (base + codec.kind.offset) >> 2, PortKindValue[init.kind]);
    this.#revise();
  }

  /** Takes a port away. The worker may be using it until it acknowledges the returned revision in `portAck`. */
  clearPort(index: number): number {
    Atomics.store(this.words, (this.port(index) + xskPortCodec.kind.offset) >> 2, PortKindValue.none);
    return this.#revise();
  }

  #revise(): number {
    return (Atomics.add(this.words, this.control("portRevision") >> 2, 1) + 1) | 0;
  }

  #setRing(base: number, ring: Ring): void {
    const codec = xskRingCodec;
    codec.producer.set(this.view, base, ring.producer);
    codec.consumer.set(this.view, base, ring.consumer);
    codec.flags.set(this.view, base, ring.flags);
    codec.descriptors.set(this.view, base, ring.descriptors);
    codec.mask.set(this.view, base, ring.entries - 1);
  }
}
