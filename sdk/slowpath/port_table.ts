// SPDX-License-Identifier: Apache-2.0
/** The ports of one worker: its queue of the trap link, and queues of interfaces that have their own sockets. */

import { WeirError } from "../errors.ts";
import { xskPortCodec } from "../layout/index.ts";
import { type BusyPoll, Umem, type XskMode, XskSocket, type XskStatistics } from "../xsk/index.ts";
import { DIRECT_RING, largestPacket, roomOf, TRAP_RING } from "./memory_layout.ts";
import type { DirectPort, SocketMap, TrapDevice } from "./types.ts";
import type { WorkerMemory } from "./worker_memory.ts";

/** An open port. */
interface OpenPort {
  readonly interfaceId: number;
  readonly socket: XskSocket;
  /** Index in `xsks`. */
  readonly element: number;
}

/** Counters of one port. */
export interface PortStatistics extends XskStatistics {
  readonly worker: number;
  /** 0: the trap link. */
  readonly interfaceId: number;
  readonly device: string;
  readonly queue: number;
  readonly mode: XskMode;
  /** How long its driver is polled for packets; 0: interrupts alone bring them. */
  readonly busyPollMicroseconds: number;
  readonly rxPackets: number;
  readonly txPackets: number;
  /** Packets without metadata: not from the pipeline. */
  readonly rxInvalid: number;
  /** Packets that found no room in the transmit ring. */
  readonly txFull: number;
}

export class PortTable implements Disposable {
  readonly #memory: WorkerMemory;
  readonly #xsks: SocketMap;
  readonly #busyPoll: BusyPoll | undefined;
  readonly #umem: Umem;
  /** By index in the memory; 0 is the trap port. */
  readonly #ports = new Map<number, OpenPort>();
  /** What sockets that are closed had lost, by interface id. */
  readonly #lost = new Map<number, number>();
  /** Ports that are opened are to be found by the kernel programs at once. */
  #published = false;
  #chains = false;
  readonly #key = new Uint8Array(new ArrayBuffer(4));
  readonly #value = new Uint8Array(new ArrayBuffer(4));

  /** @param busyPoll of interfaces' own queues. */
  constructor(memory: WorkerMemory, xsks: SocketMap, busyPoll: BusyPoll | undefined) {
    const { umem, sizes } = memory.layout;
    this.#memory = memory;
    this.#xsks = xsks;
    this.#busyPoll = busyPoll;
    this.#umem = new Umem({ memory: memory.memory, offset: umem, frames: sizes.frames, frameSize: sizes.frameSize });
  }

  /** Opens the queue of the trap link that belongs to worker `index`. */
  openTrap(device: TrapDevice, index: number): void {
    const offsets = this.#offsets(0);
    const socket = XskSocket.open({
      umem: this.#umem,
      device: device.name,
      ifindex: device.ifindex,
      queue: index,
      entries: TRAP_RING,
      offsets,
      // A veth has no other, and a fixed mode keeps a later kernel from surprising us.
      mode: "copy",
      scatterGather: true,
    });
    this.#chains = socket.scatterGather;
    this.#ports.set(0, { interfaceId: 0, socket, element: index });
    const fillTarget = Math.min(TRAP_RING.fill, this.#umem.frames >> 1);
    const { fd, rings } = socket;
    this.#memory.setPort(0, { kind: "trap", interfaceId: 0, queue: index, fillTarget, fd, rings });
  }

  /** Bytes of the longest packet that the trap port takes and sends. */
  get largestPacket(): number {
    return largestPacket(this.#umem.frameSize, this.#chains);
  }

  /** Lets the kernel programs find the ports, those that are opened from now on too. */
  publish(): void {
    this.#published = true;
    for (const { element, socket } of this.#ports.values()) this.#publish(element, socket.fd);
  }

  /** Opens one queue of an interface. Returns the mode in use. */
  openDirect(port: DirectPort, queue: number): XskMode {
    const index = this.#freeIndex(port);
    const shareWith = [...this.#ports.values()].find((open) => open.interfaceId === port.interfaceId)?.socket;
    const socket = XskSocket.open({
      umem: this.#umem,
      device: port.device,
      ifindex: port.ifindex,
      queue,
      entries: DIRECT_RING,
      offsets: this.#offsets(index),
      mode: port.mode,
      scatterGather: (port.largestFrame ?? 0) > roomOf(this.#umem.frameSize),
      shareWith,
      busyPoll: this.#busyPoll,
    });
    const element = port.xskBase + queue;
    this.#ports.set(index, { interfaceId: port.interfaceId, socket, element });
    const fillTarget = Math.min(DIRECT_RING.fill, this.#umem.frames >> 3);
    const { fd, rings } = socket;
    this.#memory.setPort(index, { kind: "direct", interfaceId: port.interfaceId, queue, fillTarget, fd, rings });
    if (this.#published) this.#publish(element, socket.fd);
    return socket.mode;
  }

  /** Takes an interface's ports out of the kernel's map and of the worker's sight; `finish` closes them. */
  withdraw(interfaceId: number): { readonly revision: number; readonly indexes: readonly number[] } {
    let revision = 0;
    const indexes: number[] = [];
    for (const [index, port] of this.#ports) {
      if (index === 0 || port.interfaceId !== interfaceId) continue;
      this.#unpublish(port.element);
      revision = this.#memory.clearPort(index);
      indexes.push(index);
    }
    return { revision, indexes };
  }

  /** Closes ports that the worker does not use any more. */
  finish(indexes: readonly number[]): void {
    for (const index of indexes) {
      const port = this.#ports.get(index);
      this.#ports.delete(index);
      if (port === undefined) continue;
      this.#lost.set(port.interfaceId, (this.#lost.get(port.interfaceId) ?? 0) + lostBy(port.socket));
      port.socket.close();
    }
  }

  /** Adds the packets that found no frame or no room in a socket's ring to `lost`, by interface id; 0: trap link. */
  addLost(lost: Map<number, number>): void {
    for (const [id, packets] of this.#lost) lost.set(id, (lost.get(id) ?? 0) + packets);
    for (const { interfaceId, socket } of this.#ports.values()) {
      lost.set(interfaceId, (lost.get(interfaceId) ?? 0) + lostBy(socket));
    }
  }

  /** Takes all ports out of the kernel's map. */
  unpublish(): void {
    for (const port of this.#ports.values()) this.#unpublish(port.element);
  }

  statistics(worker: number): PortStatistics[] {
    return [...this.#ports].map(([index, port]) => {
      const base = this.#memory.port(index);
      const { view } = this.#memory;
      return {
        worker,
        interfaceId: port.interfaceId,
        device: port.socket.device,
        queue: port.socket.queue,
        mode: port.socket.mode,
        busyPollMicroseconds: port.socket.busyPollMicroseconds,
        rxPackets: xskPortCodec.rxPackets.getNumber(view, base),
        txPackets: xskPortCodec.txPackets.getNumber(view, base),
        rxInvalid: xskPortCodec.rxInvalid.getNumber(view, base),
        txFull: xskPortCodec.txFull.getNumber(view, base),
        ...port.socket.statistics(),
      };
    });
  }

  #offsets(index: number) {
    const offsets = this.#memory.layout.rings[index];
    if (offsets === undefined) throw new RangeError(`Cannot place port ${index}: the memory has no room for it`);
    return offsets;
  }

  #freeIndex(port: DirectPort): number {
    for (let index = 1; index <= this.#memory.layout.sizes.directPorts; index++)
      if (!this.#ports.has(index)) return index;
    throw new WeirError({
      code: "ENOSPC",
      operation: `open AF_XDP sockets on "${port.device}"`,
      reason: `a worker has room for ${this.#memory.layout.sizes.directPorts} queues of interfaces`,
      hint: "let its traps go over the trap link",
    });
  }

  #publish(element: number, fd: number): void {
    this.#setKey(element);
    new DataView(this.#value.buffer).setUint32(0, fd, true);
    this.#xsks.update(this.#key, this.#value);
  }

  #unpublish(element: number): void {
    this.#setKey(element);
    this.#xsks.delete(this.#key);
  }

  #setKey(element: number): void {
    new DataView(this.#key.buffer).setUint32(0, element, true);
  }

  [Symbol.dispose](): void {
    for (const { socket } of this.#ports.values()) socket.close();
    this.#ports.clear();
  }
}

/**
 * Each lost packet raises one of these two (net/xdp/xsk.c, __xsk_rcv); an empty fill ring is counted besides, and
 * does not count again here.
 */
function lostBy(socket: XskSocket): number {
  const { rxDropped, rxRingFull } = socket.statistics();
  return rxDropped + rxRingFull;
}
