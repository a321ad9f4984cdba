// SPDX-License-Identifier: Apache-2.0
/** A second load of the kernel programs, on the same maps, that records in place of doing: see bpf/trace_record.h. */
import { WeirError } from "../../errors.ts";
import {
  traceFrameCodec,
  traceFrameLayout,
  traceLogCodec,
  traceLogLayout,
  traceRecordLayout,
  WEIR_TRACE_STEPS,
} from "../../layout/index.ts";
import { type BpfMap, type Collection, type MapType, skbContext, xdpContext } from "../../libbpf/index.ts";
import type { Hook } from "../device/attach.ts";
import { type Pipeline, pipelineSpec } from "../instance/loader.ts";
import { readRecord, type TraceRecord } from "./record.ts";

/**
 * Types of the maps that the traced load has of its own: per CPU are counters, and limits whose state decides on later
 * packets; rings hold what is sampled for user space. No program needs what another load has written there.
 */
const OWN: ReadonlySet<MapType> = new Set(["percpu_array", "percpu_hash", "lru_percpu_hash", "ringbuf"]);

/** What packets come to, and what copies for mirrors come to. */
const PROGRAMS: Readonly<Record<Hook | "copy", string>> = {
  xdp: "weir_xdp_frags",
  tc: "weir_tc",
  copy: "weir_trace_copy",
};

/** Bits of a mirror's number in the mark of a copy: below that of the interface (bpf/mirror.h). */
const MIRROR_BITS = 8;

/** A test run takes packets of one page, less what the kernel keeps of it (net/bpf/test_run.c). */
export const MAX_FRAME = 3500;

/** Where `xdp_md` says, in what a test run returns, how many bytes of metadata stand in front of the packet. */
const XDP_DATA = 0;

/** One packet through one program. */
export interface TracedRun {
  readonly records: readonly TraceRecord[];
  /** The packet as the program left it, without metadata. */
  readonly frame: Uint8Array;
}

/** A copy that a mirror makes of a packet. */
export interface MirrorCopy {
  /** The packet as it was then, with its VLAN tags. */
  readonly frame: Uint8Array;
  /** Number of the mirror. */
  readonly mirror: number;
  /** Number of the interface that it is made for. */
  readonly interface: number;
}

/** The loaded programs. */
export class TracedLoad implements Disposable {
  readonly #collection: Collection;

  private constructor(collection: Collection) {
    this.#collection = collection;
  }

  /** @throws VerifierError, or what the kernel says when it is short of memory. */
  static load({ limits, loaded }: Pick<Pipeline, "limits" | "loaded">): TracedLoad {
    const spec = pipelineSpec(limits);
    spec.constants.set("tracing", 1);
    for (const { name, ...program } of spec.programs.values()) {
      const own = spec.programs.get(name);
      if (own !== undefined) own.autoload = program.autoload && Object.values(PROGRAMS).includes(name);
    }
    const reuse: Record<string, BpfMap> = {};
    for (const [name, map] of spec.maps) {
      const live = loaded.get(name);
      // One element, and so none of any interface; a ring has a size of its own.
      if (OWN.has(map.type)) map.maxEntries = map.type === "ringbuf" ? map.maxEntries : 1;
      // Constants are what differs.
      else if (live !== undefined && !name.startsWith(".")) reuse[name] = live;
    }
    return new TracedLoad(spec.load({ reuse }));
  }

  /**
   * Runs a frame that a device received. Call it in the device's network namespace.
   * @throws WeirError `EINVAL` for a frame that the kernel takes no test run of.
   */
  run(hook: Hook, frame: Uint8Array, ifindex: number): TracedRun {
    try {
      return this.#testRun(hook, frame, ifindex);
    } catch (error) {
      if (!(error instanceof WeirError) || error.code !== "EINVAL") throw error;
      const reason = "the kernel runs no program on it";
      const hint = "an IP packet must have its whole header";
      throw new WeirError({ code: "EINVAL", operation: "trace a packet", reason, hint });
    }
  }

  /** Runs a mirror's copy on its way out. */
  runCopy({ frame, mirror, interface: id }: MirrorCopy): TracedRun {
    this.#clear();
    const context = skbContext({ mark: (id << MIRROR_BITS) | mirror });
    const { data } = this.#collection.program(PROGRAMS.copy).testRun({ data: frame, context });
    return { records: this.#records(), frame: data };
  }

  #testRun(hook: Hook, frame: Uint8Array, ifindex: number): TracedRun {
    this.#clear();
    const program = this.#collection.program(PROGRAMS[hook]);
    if (hook === "tc") {
      const { data } = program.testRun({ data: frame, context: skbContext({ ifindex, ingressIfindex: ifindex }) });
      return { records: this.#records(), frame: data };
    }
    const context = xdpContext({ size: frame.byteLength, ingressIfindex: ifindex });
    const result = program.testRun({ data: frame, context });
    const start = new DataView(result.context.buffer, result.context.byteOffset).getUint32(XDP_DATA, true);
    return { records: this.#records(), frame: result.data.subarray(start) };
  }

  #clear(): void {
    this.#collection.map("trace_log").update(new Uint8Array(4), new Uint8Array(traceLogLayout.size));
  }

  #records(): TraceRecord[] {
    const log = this.#element("trace_log", 0, traceLogLayout.size);
    const steps = Math.min(traceLogCodec.steps.get(viewOf(log), 0), WEIR_TRACE_STEPS);
    return Array.from({ length: steps }, (_, index) =>
      readRecord(this.#element("trace_records", index, traceRecordLayout.size), (number) => this.#frame(number)),
    );
  }

  /** The beginning of a kept frame; `undefined` for 0. */
  #frame(number: number): Uint8Array | undefined {
    if (number === 0) return undefined;
    const element = this.#element("trace_frames", number - 1, traceFrameLayout.size);
    const bytes = traceFrameCodec.bytes.bytes(element, 0);
    return bytes.subarray(0, traceFrameCodec.length.get(viewOf(element), 0));
  }

  #element(map: string, index: number, size: number): Uint8Array {
    const key = new Uint8Array(4);
    viewOf(key).setUint32(0, index, true);
    const value = new Uint8Array(size);
    this.#collection.map(map).lookup(key, value);
    return value;
  }

  [Symbol.dispose](): void {
    this.#collection[Symbol.dispose]();
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
