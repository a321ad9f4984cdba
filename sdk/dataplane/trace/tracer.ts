// SPDX-License-Identifier: Apache-2.0
/** Traces packets through an open instance. */
import { WeirError } from "../../errors.ts";
import { interfaceCodec } from "../../layout/index.ts";
import { withNetns } from "../../runtime/netns.ts";
import type { Hook } from "../device/attach.ts";
import type { LiveInterface } from "../device/live.ts";
import type { Opened } from "../instance/open.ts";
import { buildFrame, type PacketFields } from "./frame.ts";
import { frameDefaults } from "./frame_defaults.ts";
import { insertTag } from "./frame_tag.ts";
import type { TraceRecord } from "./record.ts";
import { serviceStep } from "./service_step.ts";
import { StepReader } from "./steps.ts";
import { MAX_FRAME, type MirrorCopy, TracedLoad, type TracedRun } from "./traced_load.ts";
import type { Trace, TraceOutput, TraceStep } from "./types.ts";
import { verdictOf } from "./verdict.ts";

/** How long the traced load is kept after its last use: making it takes some tenths of a second. */
const KEEP_MS = 60_000;

const MIN_FRAME = 14;

const SEE_INTERFACES = "see: weir get interfaces";

function refused(code: string, reason: string, field: string, hint?: string): WeirError {
  return new WeirError({ code, operation: "trace a packet", reason, field, hint });
}

/** What the records of a run come to. */
interface Told {
  readonly steps: readonly TraceStep[];
  /** Without those of copies for mirrors, which say nothing of the packet itself. */
  readonly own: readonly TraceStep[];
  readonly outputs: readonly TraceOutput[];
}

/** Traces one packet after the other, with a load of the programs that is made at the first. */
export class Tracer implements Disposable {
  readonly #parts: Opened;
  readonly #reader: StepReader;
  #load: TracedLoad | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: Opened) {
    this.#parts = parts;
    this.#reader = new StepReader(parts);
  }

  /**
   * @param name of the interface that receives the packet.
   * @throws WeirError `ENOENT`, `ENODEV` for an interface without a device, `EMSGSIZE`, `EINVAL`.
   */
  trace(name: string, packet: Uint8Array | PacketFields): Trace {
    const live = this.#liveInterface(name);
    const { device } = live;
    // A sub-interface has its parent's programs.
    const attachment = (this.#parts.live.get(live.object.parent ?? name) ?? live).attachment;
    if (device === undefined || attachment === undefined) {
      const reason = `interface "${name}" waits for its device`;
      throw refused("ENODEV", reason, "/interface", SEE_INTERFACES);
    }
    const frame = packet instanceof Uint8Array ? packet : this.#frameOf(live, packet);
    if (frame.byteLength < MIN_FRAME || frame.byteLength > MAX_FRAME) {
      const reason = `it has ${frame.byteLength} bytes, and ${MIN_FRAME} to ${MAX_FRAME} can be traced`;
      throw refused("EMSGSIZE", reason, packet instanceof Uint8Array ? "/packet" : "/size");
    }
    const { hook } = attachment;
    const told = withNetns(this.#parts.netns, () => this.#run(hook, frame, device.ifindex));
    return { hook, steps: told.steps, ...verdictOf(told.own), outputs: told.outputs };
  }

  #liveInterface(name: string): LiveInterface {
    const live = this.#parts.live.get(name);
    if (live !== undefined) return live;
    throw refused("ENOENT", `there is no interface "${name}"`, "/interface", SEE_INTERFACES);
  }

  #frameOf(live: LiveInterface, fields: PacketFields): Uint8Array {
    const { interfaces } = this.#parts.tables;
    return buildFrame(fields, frameDefaults(interfaces, live.id));
  }

  #run(hook: Hook, frame: Uint8Array, ifindex: number): Told {
    const load = this.#loaded();
    const told = this.#tell(load, load.run(hook, frame, ifindex));
    if (told.own.at(-1)?.stage !== "hand-over") return told;
    // TC begins anew, with the packet as it came: in a trace nothing of it is left to where XDP has got.
    const rest = this.#tell(load, load.run("tc", frame, ifindex));
    return { ...rest, steps: [...told.steps, ...rest.steps], own: [...told.own, ...rest.own] };
  }

  #loaded(): TracedLoad {
    clearTimeout(this.#timer);
    this.#load ??= TracedLoad.load(this.#parts.pipeline);
    this.#timer = setTimeout(() => this.#unload(), KEEP_MS);
    this.#timer.unref();
    return this.#load;
  }

  #tell(load: TracedLoad, { records, frame }: TracedRun): Told {
    const steps: TraceStep[] = [];
    const own: TraceStep[] = [];
    const outputs: TraceOutput[] = [];
    const tell = (step: TraceStep) => {
      steps.push(step);
      own.push(step);
    };
    const tellCopy = (copy: MirrorCopy) => {
      const told = this.#tellCopy(load, copy);
      steps.push(...told.steps);
      outputs.push(...told.outputs);
    };
    for (const record of records) {
      const step = this.#reader.read(record);
      if (step === undefined) continue;
      tell(step);
      if (step.stage === "output") outputs.push(this.#output(record, frame));
      if (step.stage === "copy" && record.frame !== undefined) outputs.push(this.#output(record, record.frame));
      if (step.stage === "mirror" && record.frame !== undefined) {
        const copied = insertTag(record.frame, record.code);
        tellCopy({ frame: copied, mirror: record.id, interface: record.other });
      }
      if (step.stage !== "flow-miss") continue;
      const { mirror, ...policy } = this.#policy(record);
      tell(policy);
      if (mirror !== 0 && record.frame !== undefined) {
        // The slow path has it made, whatever policy says of the packet.
        tell({ stage: "mirror", mirror: this.#parts.names.mirror(mirror) });
        tellCopy({ frame: record.frame, mirror, interface: record.interface });
      }
      // The programs went on as if the flow had been allowed.
      if (policy.action !== "allow") break;
      const served = serviceStep(this.#parts, record);
      if (served !== undefined) tell(served);
      if (served?.stage === "drop") break;
    }
    return { steps, own, outputs };
  }

  /** What becomes of a mirror's copy. */
  #tellCopy(load: TracedLoad, copy: MirrorCopy): Omit<Told, "own"> {
    if (copy.frame.byteLength > MAX_FRAME) return { steps: [], outputs: [] };
    const mirror = this.#parts.names.mirror(copy.mirror);
    const steps: TraceStep[] = [];
    const outputs: TraceOutput[] = [];
    for (const record of load.runCopy(copy).records) {
      const step = this.#reader.read(record);
      if (step === undefined) continue;
      steps.push(step);
      if (step.stage === "copy" && record.frame !== undefined)
        outputs.push({ ...this.#output(record, record.frame), mirror });
    }
    return { steps, outputs };
  }

  #output(record: TraceRecord, frame: Uint8Array): TraceOutput {
    return { ...this.#reader.interface(record.outInterface), bytes: insertTag(frame, record.code) };
  }

  /** What policy says of a new flow; `mirror`: number of the mirror that its rules want copies for, or 0. */
  #policy(record: TraceRecord): Extract<TraceStep, { stage: "policy" }> & { readonly mirror: number } {
    const { slowPath, names, tables } = this.#parts;
    const setOf = (id: number) =>
      id === 0 ? 0 : interfaceCodec.policy.get(tables.interfaces.view, tables.interfaces.at(id));
    const { action, direction, rule, mirror } = slowPath.judge({
      frame: record.frame ?? new Uint8Array(0),
      l3Offset: record.l3Offset,
      egressSet: setOf(record.interface),
      ingressSet: setOf(record.outInterface),
    });
    const towards = direction === "none" ? {} : { direction };
    return { stage: "policy", action, ...towards, ...names.rule(rule), mirror: action === "ask" ? 0 : mirror };
  }

  #unload(): void {
    clearTimeout(this.#timer);
    this.#load?.[Symbol.dispose]();
    this.#load = undefined;
  }

  [Symbol.dispose](): void {
    this.#unload();
  }
}
