// SPDX-License-Identifier: Apache-2.0
/** What only some kinds of links do. */

import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  after,
  attachClsact,
  attachTcx,
  attachXdp,
  before,
  head,
  linkFromPin,
  type Program,
  queryTcx,
  queryXdp,
  tail,
  tcxSupported,
} from "../../sdk/libbpf/index.ts";
import { disposeObjects, objects, PINS } from "./link_objects.ts";
import { VethPair } from "./veth_pair.ts";

afterAll(disposeObjects);

describe("XDP", () => {
  test("tells the mode that is in use, not the one that was asked for", () => {
    using pair = new VethPair();
    const program = objects().program("xdp_one");
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
    const program = objects().program("xdp_one");
    const second = objects().program("xdp_two");
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
  const program = objects().program("tc_one");
  expect(() => attachTcx({ program, ifindex: 1, direction: "ingress" })).toThrow(
    'Cannot attach TC program "tc_one" to "lo" ingress: the kernel has no TCX; use Linux 6.6 or clsact (attachTc)',
  );
});

describe.skipIf(!tcxSupported())("TCX", () => {
  const order = (pair: VethPair) => queryTcx(pair.right, "ingress").programs.map(({ programId }) => programId);

  test("runs programs in the order that was asked for", () => {
    using pair = new VethPair();
    const [one, two, mark] = ["tc_one", "tc_two", "tc_mark"].map((name) => objects().program(name)) as [
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
    const program = objects().program("tc_one");
    const common = { ifindex: pair.right, direction: "ingress" } as const;
    pair.in(() => {
      using _first = attachTcx({ ...common, program });
      const { revision } = queryTcx(pair.right, "ingress");
      const second = objects().program("tc_two");
      expect(() => attachTcx({ ...common, program: second, expectedRevision: revision + 1n })).toThrow(
        "ESTALE (the hook has changed); query it again",
      );
      using _second = attachTcx({ ...common, program: second, expectedRevision: revision });
      const mark = objects().program("tc_mark");
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
      const ours = attachClsact({ ...common, program: objects().program("tc_one") });
      const theirs = attachClsact({
        ...common,
        direction: "egress",
        program: objects().program("tc_two"),
        priority: 500,
      });
      ours.detach();
      expect(qdiscs(pair)).toContain("clsact");
      expect(theirs.programId()).toBe(objects().program("tc_two").id);
      theirs.detach();
      expect(qdiscs(pair)).toContain("clsact");
    });
  });

  test("leaves a qdisc that was there before", () => {
    using pair = new VethPair();
    spawnSync("ip", ["netns", "exec", pair.namespace, "tc", "qdisc", "add", "dev", "right", "clsact"]);
    pair.in(() => {
      using _link = attachClsact({ program: objects().program("tc_one"), ifindex: pair.right, direction: "ingress" });
    });
    expect(qdiscs(pair)).toContain("clsact");
  });

  test("does not take somebody else's filter for its own", () => {
    using pair = new VethPair();
    const path = `${PINS}/foreign`;
    const common = { ifindex: pair.right, direction: "ingress" } as const;
    pair.in(() => {
      const ours = attachClsact({ ...common, program: objects().program("tc_one") });
      ours.pin(path);
      expect(() => attachClsact({ ...common, program: objects().program("tc_two") })).toThrow("EEXIST");
      spawnSync("ip", ["netns", "exec", pair.namespace, "tc", "filter", "del", "dev", "right", "ingress"]);
      expect(() => linkFromPin(path)).toThrow("it is not attached any more");
      using other = attachClsact({ ...common, program: objects().program("tc_mark") });
      expect(() => linkFromPin(path)).toThrow(`"tc_mark" is in its place`);
      ours.unpin();
      expect(other.programId()).toBe(objects().program("tc_mark").id);
    });
  });
});
