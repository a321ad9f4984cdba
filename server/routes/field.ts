// SPDX-License-Identifier: Apache-2.0
/** The SDK's pointers are into the state document; a request body may be a part of it, or another order of it. */

import { WeirError } from "../../sdk/errors.ts";

/**
 * The same error with its field pointed into the request body. `base` gives the pointer that stands for
 * `/KIND/INDEX` there, or undefined to leave the field as it is.
 */
export function moveField(error: unknown, base: (kind: string, index: number) => string | undefined): unknown {
  if (!(error instanceof WeirError) || error.field === undefined) return error;
  const match = /^\/([^/]+)\/(\d+)(.*)$/.exec(error.field);
  const moved = match === null ? undefined : base(match[1] ?? "", Number(match[2]));
  if (moved === undefined) return error;
  const field = `${moved}${match?.[3] ?? ""}`;
  const { code, operation, reason, hint, cause } = error;
  return new WeirError({ code, operation, reason: reason.replaceAll(error.field, field), hint, cause, field });
}
