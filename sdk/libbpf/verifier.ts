// SPDX-License-Identifier: Apache-2.0
/** A program that the kernel's verifier refuses: the decisive line in the message, the whole log kept. */

import { WeirError } from "../errors.ts";

/** Lines that only count or frame. */
const NOISE = /^(processed \d+ insns|verification time |stack depth |-- (BEGIN|END) PROG LOAD LOG --|mark_precise: )/;
/** `; value = *p; @ file.c:12`: the source line that the following instructions come from. */
const SOURCE = /^; (.*?)(?: @ (.+))?$/;
/** Says what is wrong with a register, not with which instruction: the line before shows that. */
const NEEDS_CONTEXT = /^(\t|R\d+ |invalid bpf_context access)/;

/** The decisive line, with the instruction before it where that helps, and the source line it belongs to. */
export function decisiveLine(log: readonly string[]): string {
  const useful = log.filter((line) => line.trim() !== "" && !NOISE.test(line));
  const last = useful.at(-1);
  if (last === undefined) return "";
  const previous = useful.at(-2);
  const withContext = previous !== undefined && NEEDS_CONTEXT.test(last) && !SOURCE.test(previous);
  const text = withContext ? `${previous.trim()}: ${last.trim()}` : last.trim();
  const source = useful.findLast((line) => SOURCE.test(line));
  const [, code, place] = source === undefined ? [] : (SOURCE.exec(source) ?? []);
  if (code === undefined || source === last) return text;
  return `${text}, at \`${code.trim()}\`${place === undefined ? "" : ` (${place})`}`;
}

/** What the kernel said when it refused a program. */
export class VerifierError extends WeirError {
  override readonly name = "VerifierError";
  /** Name of the program. */
  readonly program: string;
  /** The verifier's log, line by line. */
  readonly log: readonly string[];

  constructor(init: { code: string; operation: string; program: string; log: readonly string[] }) {
    const { code, operation, program, log } = init;
    super({
      code,
      operation,
      reason: `${code} (${decisiveLine(log)})`,
      hint: `the verifier's log has ${log.length} lines: error.format()`,
    });
    this.program = program;
    this.log = log;
  }

  /** The message and the log: all of it, or its first `head` and last `tail` lines. */
  format(o: { head?: number; tail?: number } = {}): string {
    if (o.head === undefined && o.tail === undefined) return [this.message, ...this.log].join("\n");
    const head = this.log.slice(0, o.head ?? 0);
    const tail = this.log.slice(Math.max(head.length, this.log.length - (o.tail ?? 0)));
    const omitted = this.log.length - head.length - tail.length;
    const gap = omitted > 0 ? [`(${omitted} lines omitted)`] : [];
    return [this.message, ...head, ...gap, ...tail].join("\n");
  }
}
