// SPDX-License-Identifier: Apache-2.0
/** The store that `--store` names. */

import { resolve } from "node:path";
import { UsageError } from "./failure.ts";

/**
 * What `DataPlane.open` is given for `url`: a path for `sqlite:PATH` or a bare path, false for `memory:`, undefined
 * for the default.
 * @throws UsageError for another scheme.
 */
export function storeOf(url: string | undefined): string | false | undefined {
  if (url === undefined) return undefined;
  const [, scheme = "sqlite", path = ""] = /^(?:([a-z][a-z0-9+.-]*):)?(.*)$/.exec(url) ?? [];
  if (scheme === "memory" && path === "") return false;
  if (scheme === "sqlite" && path !== "") return resolve(path.startsWith("//") ? path.slice(2) : path);
  throw new UsageError(
    `Cannot keep the state in "${url}": it is neither sqlite:PATH nor memory:; see: weir help serve`,
  );
}
