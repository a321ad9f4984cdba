// SPDX-License-Identifier: Apache-2.0
import { CLOSED, name, prefix } from "./common.ts";
import { type Static, Type } from "./typebox.ts";

export const SetSchema = Type.Object(
  {
    name: name("Key."),
    prefixes: Type.Array(prefix("A prefix."), {
      maxItems: 65_536,
      description: "Its members.",
      expects: "a list of prefixes",
    }),
  },
  { ...CLOSED, description: "Named prefixes for policy rules." },
);

/** Named prefixes for policy rules. */
export type PrefixSet = Static<typeof SetSchema>;
