// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { formatBytes, formatTable } from "./table.ts";

test("a table is aligned, numbers to the right, nothing as a dash, lists with commas", () => {
  const columns = [
    { heading: "NAME", cell: (row: { name: string }) => row.name },
    { heading: "PACKETS", cell: (row: { packets?: number }) => row.packets },
    { heading: "VIA", cell: (row: { via?: unknown }) => row.via },
  ];
  const rows = [
    { name: "a", packets: 1, via: ["x", { y: 1, z: "w" }] },
    { name: "long-name", packets: 1000, via: undefined },
  ];
  expect(formatTable(columns, rows)).toBe(
    ["NAME       PACKETS  VIA", "a                1  x,y:1 z:w", "long-name     1000  -", ""].join("\n"),
  );
});

test("a table without rows is its heading", () => {
  expect(formatTable([{ heading: "NAME", cell: () => "" }], [])).toBe("NAME\n");
});

test("bytes are written with three digits at most", () => {
  expect([0, 512, 1536, 1048576, -4096, 157286400].map(formatBytes)).toEqual([
    "0 B",
    "512 B",
    "1.5 KiB",
    "1.0 MiB",
    "-4.0 KiB",
    "150 MiB",
  ]);
});
