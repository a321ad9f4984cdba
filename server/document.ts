// SPDX-License-Identifier: Apache-2.0
/** State documents as text: YAML 1.2 or JSON, which YAML contains. */

import { type Document, LineCounter, parseDocument, visit } from "yaml";
import { WeirError } from "../sdk/errors.ts";

/** A parsed document that still knows where its fields stood. */
export interface SourceDocument {
  /** The value, as JSON has it. */
  readonly value: unknown;
  /** `line:column` (from 1) of the field at a JSON pointer, or of the closest field around it. */
  position(pointer: string): string | undefined;
}

/**
 * Parses `text`; `name` stands for it in errors (a path, or `standard input`). JSON goes the fast way: a document of
 * 100 000 routes takes a tenth of a second, as YAML some seconds.
 * @throws WeirError `ESYNTAX` that names line and column.
 */
export function parseStateDocument(text: string, name: string): SourceDocument {
  const json = parseJson(text);
  // Where its fields stand is worth the slow way only when an error asks.
  if (json !== undefined) return { value: json, position: (pointer) => parseYaml(text, name).position(pointer) };
  return parseYaml(text, name);
}

/** Undefined if `text` is no JSON object: the YAML parser then tells why, with line and column. */
function parseJson(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseYaml(text: string, name: string): SourceDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  // A warning (an unknown tag, say) means that the value would not be what the author wrote.
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw syntaxError(name, `line ${line}, column ${col}: ${oneLine(problem.message)}`);
  }
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return;
      const { line, col } = lines.linePos(rangeStart(alias) ?? 0);
      throw syntaxError(name, `line ${line}, column ${col}: there is no anchor "${alias.source}"`);
    },
  });
  return { value: toValue(document, name), position: (pointer) => locate(document, lines, pointer) };
}

/** The document's value; an empty document is the empty state. */
function toValue(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    // Aliases that would grow without bound.
    throw syntaxError(name, oneLine(error instanceof Error ? error.message : String(error)));
  }
}

function locate(document: Document.Parsed, lines: LineCounter, pointer: string): string | undefined {
  const path = pointer.split("/").slice(1).map(unescapeToken);
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    const start = rangeStart(node);
    if (start === undefined) continue;
    const { line, col } = lines.linePos(start);
    return `${line}:${col}`;
  }
  return undefined;
}

function rangeStart(node: unknown): number | undefined {
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return undefined;
  const [start] = node.range;
  return typeof start === "number" ? start : undefined;
}

/** Undoes the escapes of a JSON pointer (RFC 6901 §4); sequences are indexed by number. */
function unescapeToken(token: string): string | number {
  return /^\d+$/.test(token) ? Number(token) : token.replaceAll("~1", "/").replaceAll("~0", "~");
}

function syntaxError(name: string, reason: string): WeirError {
  return new WeirError({ code: "ESYNTAX", operation: `read ${name} as YAML or JSON`, reason });
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").trim();
}
