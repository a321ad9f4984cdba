// SPDX-License-Identifier: Apache-2.0
/** Object files and programs against the running kernel. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { runtime } from "#runtime";
import {
  BpfMap,
  type Collection,
  CollectionSpec,
  Program,
  skbContext,
  syscallRunner,
  VerifierError,
  xdpContext,
} from "../../sdk/libbpf/index.ts";
import { compileObject } from "./compile.ts";
import { heldDescriptors } from "./descriptors.ts";
import { VethPair } from "./veth_pair.ts";

const PINS = `/sys/fs/bpf/wA-${process.pid}-objects`;
const elf = compileObject("objects");

afterAll(() => rmSync(PINS, { recursive: true, force: true }));

function hits(collection: Collection, index: number): number {
  const value = new Uint8Array(8);
  collection.map("hits").lookup(Uint8Array.of(index, 0, 0, 0), value);
  return Number(new DataView(value.buffer).getBigUint64(0, true));
}

describe("an object file", () => {
  test("tells its maps and programs before it is loaded", () => {
    const spec = CollectionSpec.fromBytes(elf, { name: "objects" });
    expect(spec.maps.get("array")).toMatchObject({ type: "array", keySize: 4, valueSize: 16, maxEntries: 600 });
    expect([...spec.maps.keys()]).toContain(".rodata");
    expect(spec.programs.get("xdp_one")).toMatchObject({ section: "xdp", type: "xdp", attachType: 37, autoload: true });
  });

  test("has the types of sections that libbpf 1.1 does not know", () => {
    const spec = CollectionSpec.fromBytes(elf);
    for (const name of ["tc_one", "tc_two", "tc_mark"]) {
      expect(spec.programs.get(name)).toMatchObject({ type: "sched_cls", attachType: 0 });
    }
    expect(spec.maps.get("events")).toMatchObject({ type: "ringbuf", keySize: 0, valueSize: 0 });
  });

  test("is loaded more than once, each time as set", () => {
    const spec = CollectionSpec.fromBytes(elf);
    const hash = spec.maps.get("hash");
    const refused = spec.programs.get("xdp_two");
    if (hash === undefined || refused === undefined) throw new Error("missing");
    hash.maxEntries = 16;
    refused.autoload = false;
    using first = spec.load();
    hash.maxEntries = 32;
    using second = spec.load();
    expect(first.map("hash").maxEntries).toBe(16);
    expect(second.map("hash").maxEntries).toBe(32);
    expect(() => first.program("xdp_two")).toThrow('Cannot find program "xdp_two" in "object": there is none');
  });

  test("has its constants set before the load", () => {
    const spec = CollectionSpec.fromBytes(elf);
    spec.constants.set("step", 40);
    using collection = spec.load();
    collection.program("xdp_one").testRun({ data: new Uint8Array(64) });
    expect(hits(collection, 0)).toBe(40);
    expect(collection.variable("step").view.getUint32(0, true)).toBe(40);
  });

  test("refuses constants that it has not, or that do not fit", () => {
    const { constants } = CollectionSpec.fromBytes(elf);
    expect(() => constants.set("absent", 1)).toThrow('Cannot set constant "absent": there is none');
    expect(() => constants.set("narrow", 70_000)).toThrow("70000 does not fit into 2 bytes");
    expect(() => constants.set("narrow", new Uint8Array(3))).toThrow("3 bytes were given, it has 2");
    constants.set("narrow", -1);
  });

  test("has globals that are live after the load", () => {
    using collection = CollectionSpec.fromBytes(elf).load();
    const total = collection.variable("total");
    const started = collection.variable("started");
    expect(started.view.getUint32(0, true)).toBe(5);
    collection.program("xdp_one").testRun({ data: new Uint8Array(64), repeat: 3 });
    expect(total.view.getBigUint64(0, true)).toBe(3n);
    started.set(11);
    const { context } = collection
      .program("tc_mark")
      .testRun({ data: new Uint8Array(64), context: skbContext({ mark: 2 }) });
    expect(new DataView(context.buffer).getUint32(8, true)).toBe(13);
  });

  test("takes maps that are there already if they are alike", () => {
    const spec = CollectionSpec.fromBytes(elf);
    using first = spec.load();
    using second = spec.load({ reuse: { hits: first.map("hits") } });
    expect(second.map("hits").id).toBe(first.map("hits").id);
    second.program("xdp_two").testRun({ data: new Uint8Array(64) });
    expect(hits(first, 1)).toBe(1);
    using other = BpfMap.create({ name: "wA_other", type: "hash", keySize: 4, valueSize: 8, maxEntries: 8 });
    expect(() => spec.load({ reuse: { hits: other } })).toThrow(
      'Cannot reuse map "hits": it has type hash instead of array',
    );
  });

  test("leaves no descriptor open when all is disposed", () => {
    const before = heldDescriptors();
    {
      using collection = CollectionSpec.fromBytes(elf).load();
      collection.variable("total");
    }
    expect(heldDescriptors()).toEqual(before);
  });

  test("is refused with libbpf's own words if it is none", () => {
    expect(() => CollectionSpec.fromBytes(new Uint8Array(100))).toThrow("it is no ELF file");
    const bare = elf.slice();
    bare[18] = 62; // e_machine: x86-64
    expect(() => CollectionSpec.fromBytes(bare, { name: "bare" })).toThrow(
      /Cannot read object file "bare": \w+ \(.*not a valid eBPF/,
    );
  });
});

describe("a program that the verifier refuses", () => {
  const refused = compileObject("refused");

  test("is named with the decisive line, and the log is kept", () => {
    let error: unknown;
    try {
      CollectionSpec.fromBytes(refused).load();
    } catch (thrown) {
      error = thrown;
    }
    if (!(error instanceof VerifierError)) throw error;
    expect(error.program).toBe("reads_too_far");
    expect(error.code).toBe("EACCES");
    expect(error.message).toStartWith('Cannot load xdp program "reads_too_far": EACCES (');
    expect(error.message).toContain("invalid access to packet");
    expect(error.message).toContain("return data[7]");
    expect(error.log.length).toBeGreaterThan(3);
    expect(error.format()).toContain("processed");
    expect(error.format({ head: 1, tail: 1 })).toContain("lines omitted)");
  });

  test("leaves no descriptor open", () => {
    const before = heldDescriptors();
    expect(() => CollectionSpec.fromBytes(refused).load()).toThrow(VerifierError);
    expect(heldDescriptors()).toEqual(before);
  });
});

describe("a loaded program", () => {
  let collection: Collection;
  beforeAll(() => {
    collection = CollectionSpec.fromBytes(elf).load();
  });
  afterAll(() => collection[Symbol.dispose]());

  test("is described by the kernel", () => {
    const program = collection.program("xdp_one");
    expect(program.info()).toMatchObject({ id: program.id, type: "xdp", name: "xdp_one", tag: program.tag });
    expect(program.tag).toMatch(/^[0-9a-f]{16}$/);
    using again = Program.fromId(program.id);
    expect(again.tag).toBe(program.tag);
    expect(() => Program.fromId(0x7ffffff0)).toThrow("ENOENT");
  });

  test("has the same tag when it is loaded again, and another has another", () => {
    using second = CollectionSpec.fromBytes(elf).load();
    expect(second.program("tc_mark").tag).toBe(collection.program("tc_mark").tag);
    expect(second.program("add").tag).not.toBe(collection.program("tc_mark").tag);
  });

  test("runs on a packet with metadata and a context", () => {
    const data = new Uint8Array(68).fill(1);
    data.set([5, 0, 0, 0]);
    const result = collection
      .program("xdp_meta")
      .testRun({ data, context: xdpContext({ size: 68, metaSize: 4, ingressIfindex: 1 }) });
    expect(result.retval).toBe(0);
    expect(result.data.byteLength).toBe(68);
    expect(result.data[0]).toBe(12);
    expect(new DataView(result.context.buffer).getUint32(4, true)).toBe(68);
  });

  test("runs as a system call on memory in place", () => {
    const add = collection.program("add");
    const context = new Uint8Array(Uint32Array.of(30, 12, 0).buffer);
    const once = add.testRun({ context });
    expect(once.retval).toBe(1);
    expect(new Uint32Array(once.context.buffer)[2]).toBe(42);

    const memory = runtime.alloc(12);
    const words = new Uint32Array(memory.bytes.buffer, 0, 3);
    const run = syscallRunner(add.fd, memory);
    for (let round = 0; round < 1000; round++) {
      words.set([round, 500, 0]);
      expect(run()).toBe(round > 500 ? 1 : 0);
      expect(words[2]).toBe(round + 500);
    }
  });

  test("says what is wrong with a packet that is too short", () => {
    expect(() => collection.program("xdp_one").testRun({ data: new Uint8Array(10) })).toThrow(
      'Cannot run xdp program "xdp_one": EINVAL (a packet of 10 bytes); give at least an Ethernet header, 14 bytes',
    );
  });

  test("sends live frames", () => {
    using pair = new VethPair();
    const before = hits(collection, 4);
    const frame = new Uint8Array(64);
    const run = { data: frame, liveFrames: true, repeat: 1000, batchSize: 32 };
    pair.in(() =>
      collection.program("xdp_drop").testRun({ ...run, context: xdpContext({ size: 64, ingressIfindex: pair.right }) }),
    );
    expect(hits(collection, 4) - before).toBe(1000);
  });

  test("is opened from its pin, and a pin of another kind is refused", () => {
    const program = collection.program("tc_one");
    program.pin(`${PINS}/tc_one`);
    collection.map("hits").pin(`${PINS}/hits`);
    using again = Program.fromPin(`${PINS}/tc_one`);
    expect(again.id).toBe(program.id);
    expect(() => Program.fromPin(`${PINS}/hits`)).toThrow("it is a map");
    expect(() => BpfMap.fromPin(`${PINS}/tc_one`)).toThrow("it is a program");
    expect(() => program.pin(`${PINS}/a.b`)).toThrow("use no dot in the name");
    expect(() => program.pin(`/tmp/wA-${process.pid}`)).toThrow("not in a BPF file system");
    program.unpin();
  });
});
