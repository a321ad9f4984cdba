// SPDX-License-Identifier: Apache-2.0
/** The rings of an AF_XDP socket in plain memory, moved as the kernel moves them. */

import { injectMetaCodec, injectMetaLayout, WEIR_TRAP_MAGIC } from "../../sdk/layout/index.ts";
import { type MemoryLayout, TRAP_RING } from "../../sdk/slowpath/memory_layout.ts";
import type { WorkerMemory } from "../../sdk/slowpath/worker_memory.ts";
import type { Ring, RingKind } from "../../sdk/xsk/index.ts";
import { type Meta, writeTrapMeta } from "./trap_meta.ts";

/** A packet that the slow path handed to the node's end of the trap link. */
export interface Sent {
  /** 1 received, 2 transmit, 3 route, 4 mirror. */
  readonly action: number;
  /** INJECT_FLAG_*; absent: none. */
  readonly flags?: number;
  /** Absent: none. */
  readonly mirror?: number;
  readonly interface: number;
  readonly vrf: number;
  readonly packet: Uint8Array;
}

/** Bytes. */
export const FRAME = 2048;
const HEADROOM = 256;
/** Bytes of a packet in a frame. */
export const ROOM: number = FRAME - HEADROOM;
/** XDP_PKT_CONTD of linux/if_xdp.h. */
const PKT_CONTD = 1;

/** The kernel's side of one worker's trap port. */
export class FakeRings {
  readonly rings: ReadonlyMap<RingKind, Ring>;
  readonly #layout: MemoryLayout;
  readonly #worker: WorkerMemory;

  constructor(layout: MemoryLayout, worker: WorkerMemory) {
    this.#layout = layout;
    this.#worker = worker;
    this.rings = this.#layOut();
  }

  /** Entries that are in a ring. */
  waiting(kind: RingKind): number {
    return this.#produced(this.#ring(kind));
  }

  /** As the kernel lays its rings out, with small entries so that tests go round them. */
  #layOut(): ReadonlyMap<RingKind, Ring> {
    const offsets = this.#layout.rings[0];
    if (offsets === undefined) throw new Error("no rings");
    const kinds: readonly RingKind[] = ["rx", "tx", "fill", "completion"];
    return new Map(
      kinds.map((kind) => {
        const offset = offsets[kind];
        const entries = kind === "fill" ? 512 : Math.min(TRAP_RING[kind], 64);
        const ring = { producer: offset, consumer: offset + 64, flags: offset + 128, descriptors: offset + 320 };
        return [kind, { ...ring, entries, offset, byteLength: 0 }];
      }),
    );
  }

  #ring(kind: RingKind): Ring {
    const ring = this.rings.get(kind);
    if (ring === undefined) throw new Error(kind);
    return ring;
  }

  #produced(ring: Ring): number {
    return (this.#u32(ring.producer) - this.#u32(ring.consumer)) >>> 0;
  }

  #u32(at: number): number {
    return this.#worker.view.getUint32(at, true);
  }

  /** A frame of a packet arrives: the first one with its metadata, the last one with nothing to go on. */
  receive(packet: Uint8Array, meta: Meta | undefined, goesOn: boolean): void {
    const { view, bytes } = this.#worker;
    const fill = this.#ring("fill");
    const rx = this.#ring("rx");
    if (this.#produced(fill) === 0) throw new Error("the fill ring is empty");
    if (this.#produced(rx) === rx.entries) throw new Error("the receive ring is full");
    const taken = this.#u32(fill.consumer);
    const frame = Number(view.getBigUint64(fill.descriptors + (taken & (fill.entries - 1)) * 8, true));
    view.setUint32(fill.consumer, taken + 1, true);
    const at = this.#layout.umem + frame + HEADROOM;
    if (meta !== undefined) writeTrapMeta(this.#worker, at, meta);
    bytes.set(packet, at);
    const given = this.#u32(rx.producer);
    const descriptor = rx.descriptors + (given & (rx.entries - 1)) * 16;
    view.setBigUint64(descriptor, BigInt(frame + HEADROOM), true);
    view.setUint32(descriptor + 8, packet.byteLength, true);
    view.setUint32(descriptor + 12, goesOn ? PKT_CONTD : 0, true);
    view.setUint32(rx.producer, given + 1, true);
  }

  /** The kernel sends what was queued: the packets, in order. Their frames go to the completion ring. */
  send(): Sent[] {
    const { view, bytes } = this.#worker;
    const tx = this.#ring("tx");
    const completion = this.#ring("completion");
    const packets: Sent[] = [];
    let inside = false;
    while (this.#produced(tx) > 0) {
      const index = this.#u32(tx.consumer);
      const descriptor = tx.descriptors + (index & (tx.entries - 1)) * 16;
      const address = Number(view.getBigUint64(descriptor, true));
      const length = view.getUint32(descriptor + 8, true);
      const at = this.#layout.umem + address;
      const goesOn = (view.getUint32(descriptor + 12, true) & PKT_CONTD) !== 0;
      const last = packets.at(-1);
      if (inside && last !== undefined) {
        packets[packets.length - 1] = { ...last, packet: Buffer.concat([last.packet, bytes.slice(at, at + length)]) };
      } else packets.push(this.#firstPiece(at, length));
      inside = goesOn;
      view.setUint32(tx.consumer, index + 1, true);
      const done = this.#u32(completion.producer);
      view.setBigUint64(completion.descriptors + (done & (completion.entries - 1)) * 8, BigInt(address), true);
      view.setUint32(completion.producer, done + 1, true);
    }
    return packets.map((sent) => ({ ...sent, packet: new Uint8Array(sent.packet) }));
  }

  #firstPiece(at: number, length: number): Sent {
    const { view, bytes } = this.#worker;
    if (injectMetaCodec.magic.get(view, at) !== WEIR_TRAP_MAGIC) throw new Error("no inject header");
    const flags = injectMetaCodec.flags.get(view, at);
    const mirror = injectMetaCodec.mirror.get(view, at);
    return {
      action: injectMetaCodec.action.get(view, at),
      ...(flags === 0 ? {} : { flags }),
      ...(mirror === 0 ? {} : { mirror }),
      interface: injectMetaCodec.interface.get(view, at),
      vrf: injectMetaCodec.vrf.get(view, at),
      packet: bytes.slice(at + injectMetaLayout.size, at + length),
    };
  }
}
