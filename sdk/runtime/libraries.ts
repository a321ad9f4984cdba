// SPDX-License-Identifier: Apache-2.0
/** Where shared libraries are looked for, and what is said when they are not there. */

import { existsSync } from "node:fs";
import { WeirError } from "../errors.ts";

const MULTIARCH = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";

/** The system's library directories. The working directory is never one: a root process may stand anywhere. */
export const libraryDirectories: readonly string[] = [
  `/lib/${MULTIARCH}`,
  `/usr/lib/${MULTIARCH}`,
  "/usr/lib64",
  "/lib64",
  "/usr/lib",
  "/lib",
];

/**
 * The existing absolute paths that `paths` can mean: a bare name in each system directory, an absolute path as it is.
 * @throws WeirError `EINVAL` for a relative path.
 */
export function candidates(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (path.startsWith("/")) return existsSync(path) ? [path] : [];
    if (path.includes("/")) {
      throw new WeirError({
        code: "EINVAL",
        operation: `load "${path}"`,
        reason: "the path is relative",
        hint: "give an absolute path",
      });
    }
    return libraryDirectories.map((directory) => `${directory}/${path}`).filter((candidate) => existsSync(candidate));
  });
}

/** None of the candidates could be opened. */
export function notLoaded(paths: readonly string[], cause: unknown): WeirError {
  const bare = paths.some((path) => !path.startsWith("/"));
  const where = bare ? ` in ${libraryDirectories.join(", ")}` : "";
  return new WeirError({
    code: "ENOLIB",
    operation: `load ${paths.map((path) => `"${path}"`).join(" or ")}`,
    reason: cause === undefined ? `not found${where}` : (cause as Error).message,
    cause,
  });
}

/** The library is there, but too old. */
export function symbolMissing(path: string, symbol: string): WeirError {
  return new WeirError({
    code: "ENOLIB",
    operation: `use "${path}"`,
    reason: `it has no symbol "${symbol}"`,
    hint: "install a newer version of it",
  });
}
