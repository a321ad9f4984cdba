// SPDX-License-Identifier: Apache-2.0
/** The SDK's pointers are into the state document; a request body may be a part of it, or another order of it. */

import { WeirError } from "../../sdk/errors.ts";

/**
 * The same error with its field pointed into the request body. `base` gives the pointer that stands for
 * `/KIND/INDEX` (`/node`: index 0) there, or undefined to leave the field as it is.
 */
export function moveField(error: unknown, base: (kind: string, index: number) => string | undefined): unknown {
  if (!(error instanceof WeirError) || error.field === undefined) return error;
  const match = /^\/(?:(node)|([^/]+)\/(\d+))(\/.*|)$/.exec(error.field);
  if (match === null) return error;
  const [, node, kind = node, index = "0", rest = ""] = match;
  const moved = base(kind ?? "", Number(index));
  if (moved === undefined) return error;
  const field = `${moved}${rest}`;
  const { code, operation, reason, hint, cause } = error;
  return new WeirError({
    code,
    operation,
    reason: reason.replaceAll(error.field, field === "" ? "the object" : field),
    hint,
    cause,
    field,
  });
}
