// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { add, closingLine, NONE, readClosingLine, readCounts } from "./counts.ts";

test("the closing lines of a test process become counts", () => {
  const output = `(pass) ok
(fail) bad

 1 pass
 3 skip
 1 todo
 2 fail
 1 error
 1 expect() calls
Ran 7 tests across 2 files. [7.00ms]
`;
  expect(readCounts(output)).toEqual({ passed: 1, failed: 2, skipped: 4 });
});

test("a process that ended early has no counts", () => {
  expect(readCounts("(pass) ok\n")).toBeUndefined();
  expect(readCounts(" 1 pass\n 0 fail\n")).toBeUndefined();
});

test("a file without a test of the given name counts nothing", () => {
  expect(readCounts('error: regex "name" matched 0 tests. Searched 1 file (skipping 69 tests) [18.00ms]\n')).toEqual(
    NONE,
  );
});

test("counts add up and close the run on a line of their own", () => {
  const sum = add({ passed: 1, failed: 2, skipped: 3 }, add(NONE, { passed: 10, failed: 20, skipped: 30 }));
  expect(closingLine(sum)).toBe("11 passed, 22 failed, 33 skipped");
  expect(readClosingLine(`2 passed, 0 failed, 0 skipped\n\n${closingLine(sum)}\n`)).toEqual(sum);
  expect(readClosingLine("nothing")).toBeUndefined();
});
