// SPDX-License-Identifier: Apache-2.0
/** Single decisions of the policy classifier, by the number of rules, beside a linear evaluation of the same rules. */

import { bytesOf, compilePolicy, type PolicyRuleInput } from "../../../sdk/slowpath/index.ts";
import { FakeWorker } from "../../wasm/harness.ts";
import { packet as frameOf, tcp, udp } from "../../wasm/packets.ts";
import { writeTrapMeta } from "../../wasm/trap_meta.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { compileLinear, LinearRules } from "../harness/linear.ts";
import type { Figure, Result, Series } from "../harness/result.ts";
import {
  type BenchPacket,
  type BenchRule,
  type Kind,
  kinds,
  type Network,
  packetsFor,
  ruleSet,
} from "../harness/rule_sets.ts";
import { median } from "../harness/statistics.ts";

const SIZES = [10, 100, 1000, 10_000];
const TARGET_NS = 2000;
const MOST = 10_000;
/** Different flows, so that the caches hold what a mix of new flows leaves in them. */
const PACKETS = 4096;
const FRAME_BYTES = 2048;
const HEADROOM = 256;
const FRAME_LENGTH = 60;
const ROOM = 32 << 20;

const text = (address: number): string =>
  [address >>> 24, (address >> 16) & 255, (address >> 8) & 255, address & 255].join(".");
const prefix = ({ address, length }: Network): string => `${text(address)}/${length}`;
const isAll = ([first, last]: readonly [number, number]): boolean => first === 0 && last === 65_535;

function stated(rule: BenchRule, i: number): PolicyRuleInput {
  return {
    // Only tcp and udp packets come; `any` with ports takes both.
    action: i % 2 === 0 ? "allow" : "deny",
    direction: "ingress",
    proto: rule.proto,
    from: rule.from.length === 0 ? undefined : rule.from.map(prefix),
    to: rule.to.length === 0 ? undefined : rule.to.map(prefix),
    ports: isAll(rule.ports) ? undefined : [rule.ports.join("-")],
    sourcePorts: isAll(rule.sourcePorts) ? undefined : [rule.sourcePorts.join("-")],
  };
}

function frame(p: BenchPacket): Uint8Array {
  const payload =
    p.protocol === 6 ? tcp(p.sourcePort, p.destinationPort) : udp(p.sourcePort, p.destinationPort, [0, 0, 0, 0]);
  const padding = p.protocol === 6 ? 6 : 14;
  return frameOf({ ...p, source: text(p.source), destination: text(p.destination), payload, padding });
}

type Judge = (packet: number, length: number) => number;

/** One rule set, as both have it. */
interface Prepared {
  readonly kind: Kind;
  readonly size: number;
  readonly bytes: number;
  /** Compiles the rules once more. Returns the milliseconds that it took. */
  readonly compile: () => number;
  readonly contenders: readonly { readonly label: string; readonly judge: Judge; readonly first: number }[];
}

function prepare(linear: WebAssembly.Module, kind: Kind, size: number): Prepared {
  const rules = ruleSet(kind, size, 5 + size);
  const frames = packetsFor(rules, PACKETS, 9).map(frame);
  const sets = [[{ name: "p", rules: rules.map(stated) }]];
  const compile = (): number => {
    const start = performance.now();
    compilePolicy({ revision: 1, sets });
    return performance.now() - start;
  };
  const compiled = compilePolicy({ revision: 1, sets });
  const worker = new FakeWorker({ frames: PACKETS, policyBytes: ROOM });
  worker.setPolicy(compiled);
  worker.setInterface(1, 0);
  worker.setInterface(2, 1);
  const own = worker.layout.umem + HEADROOM;
  const rival = new LinearRules(linear, rules, PACKETS * FRAME_BYTES);
  const others = rival.packets + HEADROOM;
  const bytes = new Uint8Array(rival.memory.buffer);
  const memory = { view: new DataView(rival.memory.buffer), bytes };
  for (const [i, bytesOfFrame] of frames.entries()) {
    worker.writeTrap(own + i * FRAME_BYTES, bytesOfFrame, {});
    writeTrapMeta(memory, others + i * FRAME_BYTES, {});
    bytes.set(bytesOfFrame, others + i * FRAME_BYTES);
  }
  const contenders = [
    { label: "classifier", judge: worker.wasm.judge, first: own },
    { label: "linear", judge: (at: number, length: number) => rival.judge(at, length), first: others },
  ];
  checkAgreement(contenders, rules.length);
  return { kind, size, compile, bytes: bytesOf(compiled), contenders };
}

/** A rival that decides something else is no rival: rules allow and deny in turn, and none denies. */
function checkAgreement(contenders: Prepared["contenders"], rules: number): void {
  const [own, rival] = contenders;
  for (let i = 0; i < PACKETS; i++) {
    const verdict = own?.judge(own.first + i * FRAME_BYTES, FRAME_LENGTH);
    const match = rival?.judge(rival.first + i * FRAME_BYTES, FRAME_LENGTH) ?? 0;
    const expected = match < rules && match % 2 === 0 ? 1 : 2;
    if (verdict !== expected) throw new Error(`packet ${i}: the classifier says ${verdict}, rule ${match} matches`);
  }
}

/** Nanoseconds of single decisions, with those of reading the clock taken off. */
function measure(judge: Judge, first: number, seconds: number): { readonly p50: number; readonly p99: number } {
  const clock = clockCost();
  const samples: number[] = [];
  const end = performance.now() + seconds * 1000;
  for (let i = 0; performance.now() < end; ) {
    for (let k = 0; k < 256; k++, i = (i + 1) % PACKETS) {
      const at = first + i * FRAME_BYTES;
      const start = Bun.nanoseconds();
      judge(at, FRAME_LENGTH);
      samples.push(Bun.nanoseconds() - start - clock);
    }
  }
  return percentiles(samples);
}

function clockCost(): number {
  const samples = Array.from({ length: 10_000 }, () => {
    const start = Bun.nanoseconds();
    return Bun.nanoseconds() - start;
  });
  return percentiles(samples).p50;
}

function percentiles(samples: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Samples by label, in the order in which the labels came. */
class Samples {
  readonly #byLabel = new Map<string, number[]>();

  add(label: string, value: number): void {
    const known = this.#byLabel.get(label);
    if (known === undefined) this.#byLabel.set(label, [value]);
    else known.push(value);
  }

  of(label: string): readonly number[] {
    return this.#byLabel.get(label) ?? [];
  }

  series(unit: string): Series[] {
    return [...this.#byLabel].map(([label, samples]) => ({ label, unit, samples }));
  }
}

const labelOf = (kind: Kind, size: number, contender: string, share: string): string =>
  `${kind}, ${size} rules, ${contender}, ${share}`;

async function run(settings: Settings): Promise<Result> {
  const prepared: Prepared[] = [];
  const linear = compileLinear();
  for (const kind of kinds) for (const size of SIZES) prepared.push(prepare(linear, kind, size));
  const samples = new Samples();
  const compilations = new Samples();
  const seconds = settings.seconds / (SIZES.length * kinds.length);
  for (let round = 0; round < settings.rounds; round++) {
    for (const { kind, size, contenders, compile } of prepared) {
      settings.progress(`round ${round + 1} of ${settings.rounds}: ${kind}, ${size} rules`);
      await settings.patience.wait();
      for (const { label, judge, first } of round % 2 === 0 ? contenders : [...contenders].reverse()) {
        const { p50, p99 } = measure(judge, first, seconds);
        samples.add(labelOf(kind, size, label, "p50"), p50);
        samples.add(labelOf(kind, size, label, "p99"), p99);
      }
      if (size === MOST) compilations.add(`${kind}, compiling ${size} rules`, compile());
    }
  }
  return {
    series: [...samples.series("ns"), ...compilations.series("ms")],
    figures: prepared.filter(({ size }) => size === MOST).flatMap((one) => figuresOf(one, samples)),
    notes: [
      `single decisions on ${PACKETS} different IPv4 packets, parsing included; the cost of the clock is taken off`,
      "linear: the same rules tried one after the other, in WebAssembly too",
    ],
    notRun: [],
  };
}

function figuresOf({ kind, size, bytes }: Prepared, samples: Samples): Figure[] {
  const of = (contender: string, share: string): number => median(samples.of(labelOf(kind, size, contender, share)));
  return [
    {
      label: `${kind}: a decision by ${size} rules, p99`,
      value: of("classifier", "p99"),
      unit: "ns",
      target: { atMost: TARGET_NS },
    },
    { label: `${kind}: linear / classifier, p50`, value: of("linear", "p50") / of("classifier", "p50") },
    { label: `${kind}: memory of ${size} rules`, value: bytes / 2 ** 20, unit: "MiB" },
  ];
}

export const policyClassifier: Benchmark = {
  name: "policy-classifier",
  title: "one decision by 10 to 10 000 policy rules",
  run,
};
