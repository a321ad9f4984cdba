// SPDX-License-Identifier: Apache-2.0
/** Random packets through the programs: each must end in a verdict that is counted. */

import type { Hook } from "../pipeline_harness.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { LARGEST, type Scene, type Stage } from "./stage.ts";

/** Packets between two settings of the node's state. */
const ROUND = 2000;

export interface Campaign {
  /** Decides all packets. */
  readonly seed: number;
  /** On each hook. */
  readonly packets: number;
  readonly progress?: (hook: Hook, done: number) => void;
}

/** Writes a packet for the scene: its own or that of another case, changed. */
function writer(stage: Stage, scene: Scene, random: Random): (packet: Uint8Array) => number {
  return (packet) => {
    const base = random.chance(50) ? scene : random.of(stage.scenes);
    packet.set(base.frame);
    const draft = { bytes: packet.subarray(0, LARGEST), length: base.frame.length };
    mutate(draft, random, random.of(stage.scenes).frame);
    return draft.length;
  };
}

/** Runs a round again, packet by packet, up to the one that does not add up. */
function findPacket(stage: Stage, hook: Hook, scene: Scene, seed: number, count: number): string {
  const write = writer(stage, scene, new Random(seed));
  stage.enter(scene);
  for (let index = 0; index < count; index++) {
    let frame = "";
    const complaint = stage.run(hook, 1, (packet) => {
      const length = write(packet);
      frame = packet.subarray(0, length).toHex();
      return length;
    });
    if (complaint !== undefined) return `packet ${index}, ${frame}: ${complaint}`;
  }
  return "no single packet of the round";
}

/** What did not add up, in words; empty if all did. It ends with the first that is found on a hook. */
export function runCampaign(stage: Stage, hooks: readonly Hook[], { seed, packets, progress }: Campaign): string[] {
  return hooks.flatMap((hook) => {
    const random = new Random(seed);
    for (let done = 0; done < packets; done += ROUND) {
      const count = Math.min(ROUND, packets - done);
      const roundSeed = random.word();
      const scene = random.of(stage.scenes);
      stage.enter(scene);
      const complaint = stage.run(hook, count, writer(stage, scene, new Random(roundSeed)));
      if (complaint !== undefined) {
        const packet = findPacket(stage, hook, scene, roundSeed, count);
        return `${hook}, seed ${seed}, round ${done / ROUND} (${scene.name}): ${complaint}; ${packet}`;
      }
      progress?.(hook, done + count);
    }
    return [];
  });
}
