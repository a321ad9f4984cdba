// SPDX-License-Identifier: Apache-2.0
/** One contract for all kinds of links, and what only some can. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import {
  after,
  attachClsact,
  attachTc,
  attachTcx,
  attachXdp,
  before,
  type Collection,
  CollectionSpec,
  type Direction,
  head,
  type Link,
  linkFromPin,
  type Program,
  queryTcx,
  queryXdp,
  tail,
  tcxSupported,
} from "../../sdk/libbpf/index.ts";
import { compileObject } from "./compile.ts";
import { heldDescriptors } from "./descriptors.ts";
import { VethPair } from "./veth_pair.ts";

const PINS = `/sys/fs/bpf/wA-${process.pid}-links`;

let collection: Collection;
beforeAll(() => {
  collection = CollectionSpec.fromBytes(compileObject("objects")).load();
});
afterAll(() => {
  collection[Symbol.dispose]();
  rmSync(PINS, { recursive: true, force: true });
});

/** Counters of the programs, by index in `hits`. */
const HITS: Readonly<Record<string, number>> = { xdp_one: 0, xdp_two: 1, tc_one: 2, tc_two: 3 };

function hits(program: Program): number {
  const value = new Uint8Array(8);
  collection.map("hits").lookup(Uint8Array.of(HITS[program.name] ?? 0, 0, 0, 0), value);
  return Number(new DataView(value.buffer).getBigUint64(0, true));
}

/** Waits until `count` frames more than `from` were seen: receiving happens in a softirq. */
async function seen(program: Program, from: number, count: number): Promise<void> {
  for (let tries = 0; tries < 100 && hits(program) - from < count; tries++) await Bun.sleep(5);
  expect(hits(program) - from).toBe(count);
}

interface Kind {
  /** Names of two programs that can replace each other, and of one of another type. */
  readonly programs: readonly [first: string, second: string, wrong: string];
  /** The end of the pair at which frames from `left` pass the hook. */
  readonly end: "left" | "right";
  readonly make: (pair: VethPair, program: Program, ifindex: number) => Link;
}

/** What every kind of link does. */
function describeLink(name: string, kind: Kind): void {
  describe(name, () => {
    const programs = () => kind.programs.map((program) => collection.program(program)) as [Program, Program, Program];
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

const xdp = { programs: ["xdp_one", "xdp_two", "tc_one"], end: "right" } as const;
const tc = { programs: ["tc_one", "tc_two", "xdp_one"] } as const;

describeLink("native XDP link", {
  ...xdp,
  make: (_, program, ifindex) => attachXdp({ program, ifindex, mode: "native" }),
});
describeLink("generic XDP link", {
  ...xdp,
  make: (_, program, ifindex) => attachXdp({ program, ifindex, mode: "generic" }),
});
describeLink("clsact ingress link", {
  ...tc,
  end: "right",
  make: (_, program, ifindex) => attachClsact({ program, ifindex, direction: "ingress" }),
});
describeLink("clsact egress link", {
  ...tc,
  end: "left",
  make: (_, program, ifindex) => attachClsact({ program, ifindex, direction: "egress" }),
});
if (tcxSupported()) {
  describeLink("TCX ingress link", {
    ...tc,
    end: "right",
    make: (_, program, ifindex) => attachTcx({ program, ifindex, direction: "ingress" }),
  });
  describeLink("TCX egress link", {
    ...tc,
    end: "left",
    make: (_, program, ifindex) => attachTcx({ program, ifindex, direction: "egress" }),
  });
}

test("TC is attached with TCX where the kernel has it, and with clsact elsewhere", () => {
  using pair = new VethPair();
  pair.in(() => {
    using link = attachTc({ program: collection.program("tc_one"), ifindex: pair.right, direction: "ingress" });
    expect(link.kind).toBe(tcxSupported() ? "tcx" : "clsact");
  });
});

describe("XDP", () => {
  test("tells the mode that is in use, not the one that was asked for", () => {
    using pair = new VethPair();
    const program = collection.program("xdp_one");
    pair.in(() => {
      expect(queryXdp(pair.right)).toBeNull();
      using native = attachXdp({ program, ifindex: pair.right });
      expect(queryXdp(pair.right)).toEqual({ mode: "native", programId: program.id });
      using generic = attachXdp({ program, ifindex: pair.left, mode: "generic" });
      expect(queryXdp(pair.left)).toEqual({ mode: "generic", programId: program.id });
      expect([native.kind, generic.kind]).toEqual(["xdp", "xdp"]);
      expect(() => queryXdp(4444)).toThrow("ENODEV");
    });
  });

  test("names the program that is in the way", () => {
    using pair = new VethPair();
    const program = collection.program("xdp_one");
    const second = collection.program("xdp_two");
    pair.in(() => {
      using _link = attachXdp({ program, ifindex: pair.right });
      expect(() => attachXdp({ program: second, ifindex: pair.right, device: "right" })).toThrow(
        `Cannot attach XDP program "xdp_two" to "right": EBUSY (program ${program.id} "xdp_one" is attached in native mode); detach it first`,
      );
      expect(() => attachXdp({ program: second, ifindex: pair.right, mode: "generic" })).toThrow(
        `(program ${program.id} "xdp_one" is attached in native mode)`,
      );
    });
  });
});

test.skipIf(tcxSupported())("TCX on a kernel without it is refused with the version that has it", () => {
  const program = collection.program("tc_one");
  expect(() => attachTcx({ program, ifindex: 1, direction: "ingress" })).toThrow(
    'Cannot attach TC program "tc_one" to "lo" ingress: the kernel has no TCX; use Linux 6.6 or clsact (attachTc)',
  );
});

describe.skipIf(!tcxSupported())("TCX", () => {
  const order = (pair: VethPair) => queryTcx(pair.right, "ingress").programs.map(({ programId }) => programId);

  test("runs programs in the order that was asked for", () => {
    using pair = new VethPair();
    const [one, two, mark] = ["tc_one", "tc_two", "tc_mark"].map((name) => collection.program(name)) as [
      Program,
      Program,
      Program,
    ];
    const common = { ifindex: pair.right, direction: "ingress" } as const;
    pair.in(() => {
      expect(queryTcx(pair.right, "ingress").programs).toEqual([]);
      using first = attachTcx({ ...common, program: one });
      {
        using _link = attachTcx({ ...common, program: two, order: head() });
        expect(order(pair)).toEqual([two.id, one.id]);
      }
      using _second = attachTcx({ ...common, program: two, order: tail() });
      expect(order(pair)).toEqual([one.id, two.id]);
      for (const [anchor, expected] of [
        [before(first), [mark.id, one.id, two.id]],
        [after(first), [one.id, mark.id, two.id]],
        [before(two), [one.id, mark.id, two.id]],
        [after({ programId: two.id }), [one.id, two.id, mark.id]],
        [before({ linkId: first.info().id }), [mark.id, one.id, two.id]],
      ] as const) {
        using _third = attachTcx({ ...common, program: mark, order: anchor });
        expect(order(pair)).toEqual([...expected]);
      }
    });
  });

  test("refuses a revision that is out of date and neighbours that are not there", () => {
    using pair = new VethPair();
    const program = collection.program("tc_one");
    const common = { ifindex: pair.right, direction: "ingress" } as const;
    pair.in(() => {
      using _first = attachTcx({ ...common, program });
      const { revision } = queryTcx(pair.right, "ingress");
      const second = collection.program("tc_two");
      expect(() => attachTcx({ ...common, program: second, expectedRevision: revision + 1n })).toThrow(
        "ESTALE (the hook has changed); query it again",
      );
      using _second = attachTcx({ ...common, program: second, expectedRevision: revision });
      const mark = collection.program("tc_mark");
      expect(() => attachTcx({ ...common, program: mark, order: before(mark) })).toThrow(
        "the neighbour is not on this hook",
      );
      expect(() => attachTcx({ ...common, program })).toThrow("EEXIST");
    });
  });
});

describe("clsact", () => {
  const qdiscs = (pair: VethPair) =>
    spawnSync("ip", ["netns", "exec", pair.namespace, "tc", "qdisc", "show", "dev", "right"], { encoding: "utf8" })
      .stdout;

  test("keeps the qdisc while somebody else's filter is in it", () => {
    using pair = new VethPair();
    pair.in(() => {
      const common = { ifindex: pair.right, direction: "ingress" } as const;
      const ours = attachClsact({ ...common, program: collection.program("tc_one") });
      const theirs = attachClsact({
        ...common,
        direction: "egress",
        program: collection.program("tc_two"),
        priority: 500,
      });
      ours.detach();
      expect(qdiscs(pair)).toContain("clsact");
      expect(theirs.programId()).toBe(collection.program("tc_two").id);
      theirs.detach();
      expect(qdiscs(pair)).toContain("clsact");
    });
  });

  test("leaves a qdisc that was there before", () => {
    using pair = new VethPair();
    spawnSync("ip", ["netns", "exec", pair.namespace, "tc", "qdisc", "add", "dev", "right", "clsact"]);
    pair.in(() => {
      using _link = attachClsact({ program: collection.program("tc_one"), ifindex: pair.right, direction: "ingress" });
    });
    expect(qdiscs(pair)).toContain("clsact");
  });

  test("does not take somebody else's filter for its own", () => {
    using pair = new VethPair();
    const path = `${PINS}/foreign`;
    const common = { ifindex: pair.right, direction: "ingress" } as const;
    pair.in(() => {
      const ours = attachClsact({ ...common, program: collection.program("tc_one") });
      ours.pin(path);
      expect(() => attachClsact({ ...common, program: collection.program("tc_two") })).toThrow("EEXIST");
      spawnSync("ip", ["netns", "exec", pair.namespace, "tc", "filter", "del", "dev", "right", "ingress"]);
      expect(() => linkFromPin(path)).toThrow("it is not attached any more");
      using other = attachClsact({ ...common, program: collection.program("tc_mark") });
      expect(() => linkFromPin(path)).toThrow(`"tc_mark" is in its place`);
      ours.unpin();
      expect(other.programId()).toBe(collection.program("tc_mark").id);
    });
  });
});

test("a pin of another kind is no link", () => {
  collection.program("tc_one").pin(`${PINS}/program`);
  expect(() => linkFromPin(`${PINS}/program`)).toThrow("it is a program");
  collection.program("tc_one").unpin();
});
