// SPDX-License-Identifier: Apache-2.0
/** Request bodies: JSON, YAML where a state document is due, and NDJSON where a list may be long. */

import type { Context } from "hono";
import { WeirError } from "../sdk/errors.ts";
import type { StateObject } from "./dataplane.ts";
import { parseStateDocument } from "./document.ts";
import { ProblemError } from "./problem.ts";

/** Media types of YAML: RFC 9512, and what was used before it. */
const yamlTypes = new Set(["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"]);

function mediaType(c: Context): string {
  return (c.req.header("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProblemError(400, `Cannot read ${where} as JSON: ${error instanceof Error ? error.message : error}`, {
      code: "ESYNTAX",
    });
  }
}

/** A state document: YAML by its media type, else JSON. */
export async function readDocument(c: Context): Promise<unknown> {
  const text = await c.req.text();
  if (!yamlTypes.has(mediaType(c))) return parseJson(text, "the request body");
  try {
    return parseStateDocument(text, "the request body").value;
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    throw new ProblemError(400, error.message, { code: error.code });
  }
}

/** One object. */
export async function readObject(c: Context): Promise<StateObject> {
  const value = await readDocument(c);
  if (isObject(value)) return value;
  throw new ProblemError(422, "Cannot read the request body: it must be one object", { field: "" });
}

/** A list: a JSON array, or one JSON value a line (`application/x-ndjson`). */
export async function readList(c: Context): Promise<readonly unknown[]> {
  const text = await c.req.text();
  const type = mediaType(c);
  if (type === "application/x-ndjson" || type === "application/ndjson") {
    const lines = text.split("\n").map((line, index) => ({ line, number: index + 1 }));
    return lines.filter(({ line }) => line.trim() !== "").map(({ line, number }) => parseJson(line, `line ${number}`));
  }
  const value = parseJson(text, "the request body");
  if (Array.isArray(value)) return value;
  throw new ProblemError(422, "Cannot read the request body: it must be an array of operations", { field: "" });
}

/** True for a JSON object. */
export function isObject(value: unknown): value is StateObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
