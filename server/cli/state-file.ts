// SPDX-License-Identifier: Apache-2.0
/** The state document of `-f FILE` and `-c FILE`. */

import { readFileSync } from "node:fs";
import { parseStateDocument, type SourceDocument } from "../document.ts";
import { Failure } from "./failure.ts";

/** A document, and the name that errors call it by. */
export interface StateFile extends SourceDocument {
  readonly name: string;
}

/**
 * Reads and parses `path`; `-` is standard input.
 * @throws Failure if it cannot be read, WeirError with line and column if it cannot be parsed.
 */
export function readStateFile(path: string): StateFile {
  const name = path === "-" ? "standard input" : path;
  return { name, ...parseStateDocument(readText(path, name), name) };
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "EIO";
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "there is no such file",
      EACCES: "permission denied",
      EISDIR: "it is a directory",
    };
    throw new Failure(`Cannot read ${name}: ${reasons[code] ?? code}`, { cause: error });
  }
}

/** An error about `field` of the document, with the place where it stands: `state.yaml:12:9: Cannot apply ...`. */
export function located(file: StateFile, field: string | undefined, message: string): Failure {
  const position = field === undefined ? undefined : file.position(field);
  const named = field === undefined || field === "" || message.includes(field) ? message : `${message} (${field})`;
  return new Failure(position === undefined ? named : `${file.name}:${position}: ${named}`);
}
