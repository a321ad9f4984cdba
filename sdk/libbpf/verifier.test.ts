// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { decisiveLine, VerifierError } from "./verifier.ts";

const TRAILER = "processed 4 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0";

const cases: readonly (readonly [what: string, log: readonly string[], line: string])[] = [
  ["an empty log", [], ""],
  ["only counts", [TRAILER], ""],
  [
    "a register that was never written: the instruction too",
    ["0: (95) exit", "R0 !read_ok", TRAILER],
    "0: (95) exit: R0 !read_ok",
  ],
  [
    "an access beyond a map value, with its source line",
    [
      "; return *p; @ a.bpf.c:12",
      "7: (61) r0 = *(u32 *)(r1 +8)",
      "invalid access to map value, value_size=8 off=8 size=4",
      TRAILER,
    ],
    "invalid access to map value, value_size=8 off=8 size=4, at `return *p;` (a.bpf.c:12)",
  ],
  [
    "the older form of source lines",
    ["; return *p;", "7: (61) r0 = *(u32 *)(r1 +8)", "R1 invalid mem access 'scalar'"],
    "7: (61) r0 = *(u32 *)(r1 +8): R1 invalid mem access 'scalar', at `return *p;`",
  ],
  [
    "a context field of another program type",
    ["3: (61) r0 = *(u32 *)(r1 +200)", "invalid bpf_context access off=200 size=4", ""],
    "3: (61) r0 = *(u32 *)(r1 +200): invalid bpf_context access off=200 size=4",
  ],
  [
    "a loop",
    ["back-edge from insn 4 to 2", "verification time 12 usec", "stack depth 8", TRAILER],
    "back-edge from insn 4 to 2",
  ],
];

for (const [what, log, line] of cases) {
  test(`the decisive line of ${what}`, () => expect(decisiveLine(log)).toBe(line));
}

test("the error shows the log in full, or its ends", () => {
  const log = ["a", "b", "c", "d", "e"];
  const error = new VerifierError({ code: "EACCES", operation: 'load xdp program "x"', program: "x", log });
  expect(error.message).toBe(
    'Cannot load xdp program "x": EACCES (e); the verifier\'s log has 5 lines: error.format()',
  );
  expect(error.format()).toBe([error.message, ...log].join("\n"));
  expect(error.format({ head: 1, tail: 2 })).toBe([error.message, "a", "(2 lines omitted)", "d", "e"].join("\n"));
  expect(error.format({ tail: 9 })).toBe([error.message, ...log].join("\n"));
});
