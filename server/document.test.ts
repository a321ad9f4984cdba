// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { parseStateDocument } from "./document.ts";

describe("a state document", () => {
  test("keeps MACs, addresses and port ranges as text", () => {
    const text = 'a: [02:00:00:00:01:01, fd00:97::1, 10.97.0.0/16, 8000-8080, "12", 80]';
    expect(parseStateDocument(text, "x").value).toEqual({
      a: ["02:00:00:00:01:01", "fd00:97::1", "10.97.0.0/16", "8000-8080", "12", 80],
    });
  });

  test("may be JSON, and may be empty", () => {
    expect(parseStateDocument('{"vrfs": [{"name": "red"}]}', "x").value).toEqual({ vrfs: [{ name: "red" }] });
    expect(parseStateDocument('{\n  "vrfs": [{"name": "red"}]\n}', "x").position("/vrfs/0/name")).toBe("2:21");
    expect(() => parseStateDocument('{\n  "vrfs": [{"name"\n}', "x")).toThrow(/line \d, column \d/);
    for (const text of ["", "# nothing\n", "---\n"]) expect(parseStateDocument(text, "x").value).toEqual({});
  });

  test("tells where a field stands, or the closest field around it", () => {
    const document = parseStateDocument("vrfs:\n  - name: red\n    a/b: 1\n", "x");
    expect(document.position("/vrfs/0/name")).toBe("2:11");
    expect(document.position("/vrfs/0/a~1b")).toBe("3:10");
    expect(document.position("/vrfs/0/missing")).toBe("2:5");
    expect(document.position("/routes")).toBeUndefined();
  });

  test("is refused with line and column: malformed, a key twice, several documents, an unknown tag, a broken alias", () => {
    const faults: [text: string, place: string][] = [
      ["a: [1", "line 1"],
      ["a: 1\na: 2\n", "line 2, column 1"],
      ["a: 1\n---\nb: 2\n", "line 2"],
      ["a: 1\nb: !frob x\n", "line 2"],
      ["a: *nowhere\n", "line 1, column 4"],
      ["a:\n\t- b\n", "line 2"],
    ];
    for (const [text, place] of faults) {
      expect(() => parseStateDocument(text, "state.yaml")).toThrow(place);
      expect(() => parseStateDocument(text, "state.yaml")).toThrow("Cannot read state.yaml as YAML or JSON");
    }
  });
});
