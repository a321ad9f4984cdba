// SPDX-License-Identifier: Apache-2.0
/** The memory of one receiver: a socket with its rings, its frames, and the control block of the slow path's module. */

import { messageRingCodec, workerControlCodec, xskPortCodec, xskRingCodec } from "../../../sdk/layout/index.ts";
import { layoutMemory } from "../../../sdk/slowpath/memory_layout.ts";
import { type RingEntries, type RingKind, Umem, XskSocket } from "../../../sdk/xsk/index.ts";

/** As many as the C receiver has. */
const FRAMES = 4096;
const FRAME_SIZE = 2048;
/** The fill ring is larger than its target: see FILL_SIZE in xsk_receiver.c. */
const ENTRIES: RingEntries = { rx: FRAMES, tx: 0, fill: 2 * FRAMES, completion: 64 };
/** Records of the message rings, which stay empty; a power of two. */
const MESSAGES = 64;
const PORT_DIRECT = 2; // enum port_kind

export interface ReceiverMemory {
  readonly memory: WebAssembly.Memory;
  readonly socket: XskSocket;
  /** Offset of struct worker_control. */
  readonly control: number;
  /** Offset of the port's struct xsk_port. */
  readonly port: number;
  /** Offset of the first frame. */
  readonly umem: number;
  /** Offset of what the worker counts itself: see worker.ts. */
  readonly counters: number;
}

/** Opens the socket of a queue with everything that the module needs to receive from it. */
export function openReceiver(device: string, ifindex: number, queue: number): ReceiverMemory {
  const sizes = { frames: FRAMES, frameSize: FRAME_SIZE, holdLimit: 1, policyBytes: 64, addressSetBytes: 64 };
  const layout = layoutMemory({ ...sizes, directPorts: 1, interfaces: 1, nexthops: 1, decisions: 1, missRings: 0 });
  const memory = new WebAssembly.Memory({ initial: layout.pages, maximum: layout.pages, shared: true });
  const view = new DataView(memory.buffer);
  const umem = new Umem({ memory, offset: layout.umem, frames: FRAMES, frameSize: FRAME_SIZE });
  const offsets = layout.rings[0];
  if (offsets === undefined) throw new Error("no rings in the layout");
  const socket = XskSocket.open({ umem, device, ifindex, queue, entries: ENTRIES, offsets, mode: "copy" });

  for (const kind of ["rx", "fill", "completion"] as const) writeRing(view, layout.ports, kind, socket);
  xskPortCodec.kind.set(view, layout.ports, PORT_DIRECT);
  xskPortCodec.fillTarget.set(view, layout.ports, FRAMES);
  for (let i = 0; i < FRAMES; i++) view.setUint32(layout.freeFrames + i * 4, layout.umem + i * FRAME_SIZE, true);
  for (const ring of [layout.commands, layout.events]) messageRingCodec.capacity.set(view, ring, MESSAGES);
  const control = {
    portCount: 1,
    ports: layout.ports,
    umem: layout.umem,
    frameSize: FRAME_SIZE,
    frameCount: FRAMES,
    freeFrames: layout.freeFrames,
    freeCount: FRAMES,
    frameOwners: layout.frameOwners,
    frameLinks: layout.frameLinks,
    pending: layout.pending,
    pendingCapacity: MESSAGES,
    commands: layout.commands,
    events: layout.events,
    holds: layout.holds,
    holdCapacity: layout.holdCapacity,
    holdBuckets: layout.holdBuckets,
    decisionNotes: layout.decisionNotes,
    burstSlots: layout.burstSlots,
  };
  for (const [name, value] of Object.entries(control)) {
    workerControlCodec[name as keyof typeof control].set(view, layout.control, value);
  }
  // Nothing is injected here: its slots are free for the worker's own counters.
  return { memory, socket, control: layout.control, port: layout.ports, umem: layout.umem, counters: layout.inject };
}

function writeRing(view: DataView, port: number, kind: RingKind, socket: XskSocket): void {
  const ring = socket.ring(kind);
  const base = xskPortCodec[kind].at(port);
  xskRingCodec.producer.set(view, base, ring.producer);
  xskRingCodec.consumer.set(view, base, ring.consumer);
  xskRingCodec.flags.set(view, base, ring.flags);
  xskRingCodec.descriptors.set(view, base, ring.descriptors);
  xskRingCodec.mask.set(view, base, ring.entries - 1);
}
