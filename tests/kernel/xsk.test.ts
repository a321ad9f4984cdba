// SPDX-License-Identifier: Apache-2.0
// Runs alone: packets come at a rate.
/** AF_XDP sockets on a veth pair, with frames and rings in a WebAssembly memory. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import { compileBpf } from "../../scripts/clang.ts";
import { attachXdp, type BpfLink, type Collection, CollectionSpec } from "../../sdk/libbpf/index.ts";
import { getsockopt, libc, SOL_SOCKET } from "../../sdk/runtime/libc.ts";
import { withNetns } from "../../sdk/runtime/netns.ts";
import { NULL } from "../../sdk/runtime/types.ts";
import {
  type BusyPoll,
  type Ring,
  type RingEntries,
  type RingKind,
  SO_BUSY_POLL,
  SO_PREFER_BUSY_POLL,
  Umem,
  XskSocket,
} from "../../sdk/xsk/index.ts";

const NETNS = `wD-xsk${process.pid}`;
const PATH = `/run/netns/${NETNS}`;
const FRAME = 2048;
const FRAMES = 256;
const ENTRIES: RingEntries = { rx: 64, tx: 64, fill: 64, completion: 64 };
/** Rings of the two ends, and the frames: each at a multiple of 64 KiB. */
const offsets = (end: number) => ({
  rx: (1 + end * 4) << 16,
  tx: (2 + end * 4) << 16,
  fill: (3 + end * 4) << 16,
  completion: (4 + end * 4) << 16,
});
const UMEM = 9 << 16;
const PAGES = 9 + (FRAME * FRAMES) / 65536;

/** Gives everything to the socket of the queue, and drops what has none. */
const PROGRAM = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} xsks SEC(".maps");
SEC("xdp") int to_socket(struct xdp_md *xdp)
{
	return bpf_redirect_map(&xsks, xdp->rx_queue_index, XDP_DROP);
}
char _license[] SEC("license") = "GPL";
`;

function ip(...argv: string[]): void {
  const result = Bun.spawnSync(["ip", ...argv]);
  if (!result.success) throw new Error(`ip ${argv.join(" ")}: ${result.stderr}`);
}

function ifindexOf(device: string): number {
  const result = Bun.spawnSync(["ip", "-n", NETNS, "-j", "link", "show", device]);
  return (JSON.parse(result.stdout.toString()) as { ifindex: number }[])[0]?.ifindex ?? 0;
}

/** The JavaScript twin of wasm/ring.ts, one descriptor at a time. */
class TestRing {
  readonly #ring: Ring;
  readonly #words: Uint32Array;
  readonly #view: DataView;

  constructor(memory: WebAssembly.Memory, socket: XskSocket, kind: RingKind) {
    this.#ring = socket.ring(kind);
    this.#words = new Uint32Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  #slot(index: number, bytes: number): number {
    return this.#ring.descriptors + (index & (this.#ring.entries - 1)) * bytes;
  }

  produce(address: number, length?: number): void {
    const index = Atomics.load(this.#words, this.#ring.producer >> 2);
    const slot = this.#slot(index, length === undefined ? 8 : 16);
    this.#view.setBigUint64(slot, BigInt(address), true);
    if (length !== undefined) this.#view.setBigUint64(slot + 8, BigInt(length), true);
    Atomics.store(this.#words, this.#ring.producer >> 2, index + 1);
  }

  consume(bytes: 8 | 16): { address: number; length: number } | undefined {
    const index = Atomics.load(this.#words, this.#ring.consumer >> 2);
    if (index === Atomics.load(this.#words, this.#ring.producer >> 2)) return undefined;
    const slot = this.#slot(index, bytes);
    const address = Number(this.#view.getBigUint64(slot, true));
    const length = bytes === 16 ? this.#view.getUint32(slot + 8, true) : 0;
    Atomics.store(this.#words, this.#ring.consumer >> 2, index + 1);
    return { address, length };
  }
}

describe("AF_XDP sockets in a WebAssembly memory", () => {
  let collection: Collection;
  let links: BpfLink[];
  let memory: WebAssembly.Memory;
  let umem: Umem;

  beforeAll(() => {
    ip("netns", "add", NETNS);
    ip(
      "-n",
      NETNS,
      "link",
      "add",
      "name",
      "x0",
      "numrxqueues",
      "2",
      "numtxqueues",
      "2",
      "type",
      "veth",
      "peer",
      "name",
      "x1",
    );
    for (const device of ["x0", "x1"]) {
      ip("netns", "exec", NETNS, "sysctl", "-qw", `net.ipv6.conf.${device}.disable_ipv6=1`);
      ip("-n", NETNS, "link", "set", device, "up");
    }
    const object = join(tmpdir(), `${NETNS}.o`);
    compileBpf({ source: "xsk.test.ts", text: PROGRAM, output: object });
    collection = CollectionSpec.fromFile(object).load();
    rmSync(object);
    links = withNetns(PATH, () =>
      ["x0", "x1"].map(
        (device) =>
          attachXdp({
            program: collection.program("to_socket"),
            ifindex: ifindexOf(device),
            mode: "native",
          }) as BpfLink,
      ),
    );
  });

  afterAll(() => {
    for (const link of links ?? []) link[Symbol.dispose]();
    collection?.[Symbol.dispose]();
    ip("netns", "delete", NETNS);
  });

  beforeEach(() => {
    memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
    umem = new Umem({ memory, offset: UMEM, frames: FRAMES, frameSize: FRAME });
  });

  const open = (
    device: string,
    end: number,
    o: { queue?: number; mode?: "zerocopy"; shareWith?: XskSocket; busyPoll?: BusyPoll } = {},
  ) =>
    withNetns(PATH, () =>
      XskSocket.open({
        umem,
        device,
        ifindex: ifindexOf(device),
        queue: o.queue ?? 0,
        entries: ENTRIES,
        offsets: offsets(end),
        ...(o.mode === undefined ? {} : { mode: o.mode }),
        shareWith: o.shareWith,
        busyPoll: o.busyPoll,
      }),
    );

  const put = (index: number, socket: XskSocket): void => {
    const words = new Uint32Array([index, socket.fd]);
    const bytes = new Uint8Array(words.buffer);
    collection.map("xsks").update(bytes.subarray(0, 4), bytes.subarray(4, 8));
  };

  /** Sends `count` frames out of `a` and returns what arrives at `b`, as numbers. */
  function exchange(a: XskSocket, b: XskSocket, count: number): number[] {
    const bytes = new Uint8Array(memory.buffer);
    const fill = new TestRing(memory, b, "fill");
    const rx = new TestRing(memory, b, "rx");
    const tx = new TestRing(memory, a, "tx");
    const completion = new TestRing(memory, a, "completion");
    const arrived: number[] = [];
    for (let i = 0; i < count; i++) {
      const address = (128 + (i % 128)) * FRAME;
      const frame = bytes.subarray(UMEM + address, UMEM + address + 60);
      frame.fill(0xff, 0, 6);
      frame.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5, i & 255, i >> 8], 6);
      fill.produce((i % 128) * FRAME);
      tx.produce(address, 60);
      libc.sendto(a.fd, NULL, 0, 0x40, NULL, 0);
      const deadline = performance.now() + 1000;
      let received = rx.consume(16);
      while (received === undefined && performance.now() < deadline) {
        libc.poll(NULL, 0, 1);
        received = rx.consume(16);
      }
      if (received === undefined) throw new Error(`frame ${i} did not arrive`);
      const at = UMEM + received.address;
      arrived.push((bytes[at + 14] ?? 0) | ((bytes[at + 15] ?? 0) << 8));
      expect(completion.consume(8)?.address).toBe(address);
    }
    return arrived;
  }

  test("frames go from one socket to another, round the rings several times", () => {
    using a = open("x0", 0);
    using b = open("x1", 1);
    put(0, b);
    const count = 3 * ENTRIES.rx + 7;
    expect(exchange(a, b, count)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(b.statistics()).toMatchObject({ rxDropped: 0, rxInvalidDescriptors: 0 });
  });

  test("a veth works in copy mode, and says so", () => {
    using a = open("x0", 0);
    expect(a.mode).toBe("copy");
    expect(() => open("x1", 1, { mode: "zerocopy" })).toThrow(
      'Cannot bind an AF_XDP socket on "x1" queue 0: EOPNOTSUPP (the driver has no zero-copy); use mode copy or auto',
    );
  });

  test("a queue can be bound again after close", () => {
    open("x0", 0).close();
    using again = open("x0", 0);
    using b = open("x1", 1);
    put(0, b);
    expect(exchange(again, b, 3)).toEqual([0, 1, 2]);
  });

  test("closing puts ordinary memory back where the rings were", () => {
    const socket = open("x0", 0);
    const { producer } = socket.ring("rx");
    new Uint32Array(memory.buffer)[producer >> 2] = 7;
    socket.close();
    socket.close();
    expect(new Uint32Array(memory.buffer)[producer >> 2]).toBe(0);
  });

  test("a further queue of a device shares the frames that were registered for the first", () => {
    using first = open("x0", 0);
    using second = open("x0", 1, { queue: 1, shareWith: first });
    expect(second.mode).toBe("copy");
  });

  test("busy polling is off unless asked for, and then as the kernel tells it", () => {
    const options = (socket: XskSocket) =>
      [SO_PREFER_BUSY_POLL, SO_BUSY_POLL].map((option) => {
        const value = runtime.alloc(4);
        getsockopt(socket.fd, SOL_SOCKET, option, value, "busy polling");
        return value.view.getUint32(0, true);
      });
    using plain = open("x0", 0);
    using busy = open("x1", 1, { busyPoll: { microseconds: 250, budget: 16 } });
    expect(options(plain)).toEqual([0, 0]);
    expect(options(busy)).toEqual([1, 250]);
    expect([plain.busyPollMicroseconds, busy.busyPollMicroseconds]).toEqual([0, 250]);
    put(0, busy);
    expect(exchange(plain, busy, 3)).toEqual([0, 1, 2]);
  });

  test("a queue that is taken or missing is named", () => {
    using _ = open("x0", 0);
    const bind = (queue: number) =>
      withNetns(PATH, () =>
        XskSocket.open({
          umem,
          device: "x0",
          ifindex: ifindexOf("x0"),
          queue,
          entries: ENTRIES,
          offsets: offsets(1),
          busyTimeoutMs: 20,
        }),
      );
    expect(() => bind(0)).toThrow(
      'Cannot bind an AF_XDP socket on "x0" queue 0: EBUSY (another socket has this queue)',
    );
    expect(() => bind(9)).toThrow('Cannot bind an AF_XDP socket on "x0" queue 9: EINVAL (no such queue');
  });
});
