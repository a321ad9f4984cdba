// SPDX-License-Identifier: Apache-2.0
/** The packet cases' node, where any number of packets can be run and have to be accounted for. */

import { packetsOf } from "../cases/check.ts";
import { topics } from "../cases/index.ts";
import { A, D, INTERFACES, receiveOn, setNode } from "../cases/node.ts";
import type { PacketCase, State } from "../cases/packet_case.ts";
import { WORDS } from "../cases/words.ts";
import { type Entries, PacketLedger, total } from "../packet_ledger.ts";
import { type Hook, Pipeline } from "../pipeline_harness.ts";
import { scapyPackets } from "../scapy.ts";
import { VethWires } from "../veth_wires.ts";
import { Account } from "./account.ts";
import { PacketRunner } from "./runner.ts";

/** Longest frame, bytes. */
export const LARGEST = 2048;
/** What the kernel lets a program be run on: Ethernet alone, on TC with a byte behind it. */
export const SHORTEST: Readonly<Record<Hook, number>> = { xdp: 14, tc: 15 };

/** A case's state and packet. */
export interface Scene {
  readonly name: string;
  readonly state: State;
  readonly on: number;
  readonly frame: Uint8Array;
}

/** A flood has one member, which never is the sender: as many copies as frames, so that they can be counted. */
function withSingleFloods(state: State): State {
  if (state.groups === undefined) return state;
  const groups = Object.entries(state.groups).map(([id, group]) => [
    id,
    group.type === "flood" ? { ...group, members: [{ nexthop: D }] } : group,
  ]);
  return { ...state, groups: Object.fromEntries(groups), fdb: state.fdb ?? [] };
}

export class Stage implements Disposable {
  readonly scenes: readonly Scene[];
  readonly #pipeline = new Pipeline();
  readonly #wires = new VethWires(INTERFACES.length);
  readonly #ledger = new PacketLedger(this.#pipeline, INTERFACES);
  readonly #runners: Readonly<Record<Hook, PacketRunner>>;
  /** Packets so far, by what became of them. */
  readonly fates: Readonly<Record<Hook, Map<string, number>>> = { xdp: new Map(), tc: new Map() };

  constructor() {
    const program = (name: string) => this.#pipeline.collection.program(name);
    this.#runners = {
      xdp: new PacketRunner(program("weir_xdp_frags"), "xdp", LARGEST),
      tc: new PacketRunner(program("weir_tc"), "tc", LARGEST),
    };
    const cases = topics.flatMap((topic) => topic.cases.map((one) => ({ topic: topic.name, one })));
    const texts = cases.flatMap(({ one }) => packetsOf(one));
    const packets = scapyPackets(Object.fromEntries(texts.map((text) => [text, text])), WORDS);
    this.scenes = cases.map(({ topic, one }) => ({
      name: `${topic}: ${one.name}`,
      state: withSingleFloods(stateOf(one)),
      on: one.on ?? A,
      frame: packets[one.packet] ?? new Uint8Array(0),
    }));
  }

  [Symbol.dispose](): void {
    this.#wires[Symbol.dispose]();
    this.#pipeline[Symbol.dispose]();
  }

  /** Sets the node up for `scene`. */
  enter({ state, on }: Scene): void {
    setNode(this.#pipeline, state, (id) => this.#wires.ifindexes[INTERFACES.indexOf(id)] ?? 0);
    receiveOn(this.#pipeline, on);
  }

  /**
   * Runs `count` packets, each written by `write`, which returns its length; what does not add up afterwards, or
   * undefined. The node keeps what they have done to it.
   */
  run(hook: Hook, count: number, write: (packet: Uint8Array, index: number) => number): string | undefined {
    const runner = this.#runners[hook];
    const account = new Account(hook);
    this.#wires.in(() => {
      for (let index = 0; index < count; index++) {
        const length = Math.min(Math.max(write(runner.packet, index), SHORTEST[hook]), LARGEST);
        const verdict = runner.run(length);
        if (verdict !== undefined) account.enter(verdict, runner);
      }
    });
    const counted = this.#ledger.take();
    this.#enterFates(hook, account, counted);
    return account.complaint(counted);
  }

  #enterFates(hook: Hook, { left, packets }: Account, counted: Entries): void {
    const fates = this.fates[hook];
    const add = (fate: string, count: number) => {
      if (count > 0) fates.set(fate, (fates.get(fate) ?? 0) + count);
    };
    add("packets", packets);
    add("sent", total(counted.txPackets));
    add("to the host", total(counted.localPackets));
    add("trapped", total(counted.trapPackets));
    add("left to TC", left);
    for (const reasons of Object.values(counted.drops))
      for (const [reason, count] of Object.entries(reasons ?? {})) add(`dropped: ${reason}`, count);
  }

  /** Runs `frames` and, if they do not add up, finds out which it is. */
  complaint(hook: Hook, scene: Scene, frames: readonly Uint8Array[]): string | undefined {
    const write = (list: readonly Uint8Array[]) => (packet: Uint8Array, index: number) => {
      const frame = list[index] ?? new Uint8Array(0);
      packet.set(frame);
      return frame.length;
    };
    this.enter(scene);
    const found = this.run(hook, frames.length, write(frames));
    if (found === undefined) return undefined;
    this.enter(scene);
    for (const frame of frames) {
      const one = this.run(hook, 1, write([frame]));
      if (one !== undefined) return `${scene.name} on ${hook}: ${frame.toHex()}: ${one}`;
    }
    return `${scene.name} on ${hook}: ${found}`;
  }
}

function stateOf({ given = {} }: PacketCase): State {
  const { before: _before, ...state } = given;
  return state;
}
