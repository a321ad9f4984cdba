// SPDX-License-Identifier: Apache-2.0
/** What every kind of link does. */

import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import {
  type Direction,
  type Link,
  linkFromPin,
  type Program,
  queryTcx,
  queryXdp,
  tcxSupported,
} from "../../sdk/libbpf/index.ts";
import { heldDescriptors } from "./descriptors.ts";
import { objects, PINS } from "./link_objects.ts";
import { VethPair } from "./veth_pair.ts";

/** Counters of the programs, by index in `hits`. */
const HITS: Readonly<Record<string, number>> = { xdp_one: 0, xdp_two: 1, tc_one: 2, tc_two: 3 };

function hits(program: Program): number {
  const value = new Uint8Array(8);
  objects()
    .map("hits")
    .lookup(Uint8Array.of(HITS[program.name] ?? 0, 0, 0, 0), value);
  return Number(new DataView(value.buffer).getBigUint64(0, true));
}

/** Waits until `count` frames more than `from` were seen: receiving happens in a softirq. */
async function seen(program: Program, from: number, count: number): Promise<void> {
  for (let tries = 0; tries < 100 && hits(program) - from < count; tries++) await Bun.sleep(5);
  expect(hits(program) - from).toBe(count);
}

export interface Kind {
  /** Names of two programs that can replace each other, and of one of another type. */
  readonly programs: readonly [first: string, second: string, wrong: string];
  /** The end of the pair at which frames from `left` pass the hook. */
  readonly end: "left" | "right";
  readonly make: (pair: VethPair, program: Program, ifindex: number) => Link;
}

/** What every kind of link does. */
export function describeLink(name: string, kind: Kind): void {
  describe(name, () => {
    const programs = () => kind.programs.map((program) => objects().program(program)) as [Program, Program, Program];
    const make = (pair: VethPair, program: Program) => pair.in(() => kind.make(pair, program, pair[kind.end]));
    /** What is on the device, asked for and seen by tools. */
    const traces = (pair: VethPair) => {
      const ifindex = pair[kind.end];
      const argv = [`--net=${pair.path}`, "tc", "qdisc", "show", "dev", kind.end];
      const { stdout } = spawnSync("nsenter", argv, { encoding: "utf8" });
      const tcx = (direction: Direction) => (tcxSupported() ? queryTcx(ifindex, direction).programs : []);
      return pair.in(() => ({
        qdiscs: stdout.split("\n").map((line) => line.replace(/ refcnt \d+/, "")),
        xdp: queryXdp(ifindex),
        ingress: tcx("ingress"),
        egress: tcx("egress"),
      }));
    };

    test("runs its program on packets", async () => {
      using pair = new VethPair();
      const [first] = programs();
      using link = make(pair, first);
      expect(link.ifindex).toBe(pair[kind.end]);
      expect(pair.in(() => link.programId())).toBe(first.id);
      const from = hits(first);
      pair.send(20);
      await seen(first, from, 20);
    });

    test("is described by the kernel", () => {
      using pair = new VethPair();
      const [first] = programs();
      using link = make(pair, first);
      const info = pair.in(() => link.info());
      expect(info).toMatchObject({ kind: link.kind, programId: first.id, ifindex: link.ifindex });
      expect(info.direction).toBe(link.direction);
    });

    test("leaves nothing when it is disposed", async () => {
      using pair = new VethPair();
      const [first] = programs();
      const clean = traces(pair);
      const descriptors = heldDescriptors();
      {
        const link = make(pair, first);
        expect(traces(pair)).not.toEqual(clean);
        pair.in(() => link[Symbol.dispose]());
      }
      expect(traces(pair)).toEqual(clean);
      expect(heldDescriptors()).toEqual(descriptors);
      const from = hits(first);
      pair.send(5);
      await Bun.sleep(20);
      expect(hits(first)).toBe(from);
    });

    test("stays when it is pinned, and is found again by the pin", async () => {
      using pair = new VethPair();
      const path = `${PINS}/${name.replaceAll(" ", "-")}`;
      const [first] = programs();
      const clean = traces(pair);
      const link = make(pair, first);
      pair.in(() => {
        link.pin(path);
        link[Symbol.dispose]();
      });
      const from = hits(first);
      pair.send(10);
      await seen(first, from, 10);
      pair.in(() => {
        const again = linkFromPin(path);
        expect(again.kind).toBe(link.kind);
        expect(again.ifindex).toBe(pair[kind.end]);
        expect(again.programId()).toBe(first.id);
        again.detach();
        expect(() => linkFromPin(path)).toThrow("ENOENT");
      });
      expect(traces(pair)).toEqual(clean);
      expect(readdirSync(PINS)).toEqual([]);
    });

    test("goes on when it is unpinned, until it is disposed", () => {
      using pair = new VethPair();
      const path = `${PINS}/unpinned`;
      const [first] = programs();
      const clean = traces(pair);
      pair.in(() => {
        using link = make(pair, first);
        link.pin(path);
        link.unpin();
        expect(readdirSync(PINS)).toEqual([]);
        expect(link.programId()).toBe(first.id);
      });
      expect(traces(pair)).toEqual(clean);
    });

    test("replaces its program without losing a packet", async () => {
      using pair = new VethPair();
      const [first, second] = programs();
      using link = make(pair, first);
      const from = hits(first) + hits(second);
      let sent = 0;
      for (let round = 0; round < 20; round++) {
        pair.send(5);
        sent += 5;
        pair.in(() => link.update(round % 2 === 0 ? second : first));
      }
      for (let tries = 0; tries < 100 && hits(first) + hits(second) - from < sent; tries++) await Bun.sleep(5);
      expect(hits(first) + hits(second) - from).toBe(sent);
      expect(pair.in(() => link.programId())).toBe(first.id);
    });

    test("is found again after an update of what was pinned", () => {
      using pair = new VethPair();
      const path = `${PINS}/updated`;
      const [first, second] = programs();
      pair.in(() => {
        {
          using link = make(pair, first);
          link.pin(path);
          link.update(second);
        }
        const again = linkFromPin(path);
        expect(again.programId()).toBe(second.id);
        again.detach();
      });
      expect(readdirSync(PINS)).toEqual([]);
    });

    test("refuses a program of another type, at first and in an update", () => {
      using pair = new VethPair();
      const [first, , wrong] = programs();
      expect(() => make(pair, wrong)).toThrow(`EINVAL (it is of type ${wrong.type})`);
      using link = make(pair, first);
      expect(() => pair.in(() => link.update(wrong))).toThrow(`EINVAL (it is of type ${wrong.type})`);
      expect(pair.in(() => link.programId())).toBe(first.id);
    });

    test("names the device that is not there", () => {
      using pair = new VethPair();
      const [first] = programs();
      expect(() => pair.in(() => kind.make(pair, first, 4444))).toThrow(/"\w+" to interface 4444.*: (ENODEV|EINVAL)/);
    });

    test("is without a program when its device is gone", () => {
      using pair = new VethPair();
      const [first] = programs();
      using link = make(pair, first);
      spawnSync("ip", ["-n", pair.namespace, "link", "del", "left"]);
      expect(pair.in(() => link.programId())).toBe(0);
    });
  });
}
