// SPDX-License-Identifier: Apache-2.0
/** Tables for people: aligned columns, a heading, no decoration. */

/** A column: its heading, and what a row shows there. */
export interface Column<T> {
  readonly heading: string;
  readonly cell: (row: T) => unknown;
}

/** Shown where there is nothing to show. */
const NOTHING = "-";

/** Lays `rows` out. Columns of numbers are aligned to the right. Ends with a newline. */
export function formatTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const values = rows.map((row) => columns.map((column) => column.cell(row)));
  const cells = values.map((row) => row.map(formatCell));
  const numeric = columns.map((_, i) => values.length > 0 && values.every((row) => typeof row[i] === "number"));
  const widths = columns.map(({ heading }, i) => Math.max(heading.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (numeric[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [columns.map(({ heading }) => heading), ...cells].map((row) => `${line(row)}\n`).join("");
}

function formatCell(value: unknown): string {
  if (value === undefined || value === null || value === "") return NOTHING;
  if (Array.isArray(value)) return value.length === 0 ? NOTHING : value.map(formatCell).join(",");
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([name, inner]) => `${name}:${formatCell(inner)}`)
      .join(" ");
  }
  return String(value);
}

/** A number of bytes for people: `512 B`, `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${bytes < 0 ? "-" : ""}${value.toFixed(digits)} ${units[unit]}`;
}
