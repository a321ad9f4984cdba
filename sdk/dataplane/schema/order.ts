// SPDX-License-Identifier: Apache-2.0
import { CLOSED, integer, oneOf } from "./common.ts";
import { type Static, Type } from "./typebox.ts";

/** A program that somebody else has attached. */
const program = Type.Union(
  [
    Type.String({ minLength: 1, maxLength: 127, description: "Its name; the kernel keeps 15 characters of it." }),
    integer(1, 0xffffffff, "The kernel's number of it."),
  ],
  { description: "A program on the same hook, by its name or number.", expects: "a program's name or number" },
);

export const OrderSchema = Type.Union(
  [
    oneOf(["head", "tail"], "First or last.", "head"),
    Type.Object({ before: Type.Optional(program), after: Type.Optional(program) }, CLOSED),
  ],
  {
    description:
      "Place among other programs on the device's TC ingress: head, tail, or directly before or after one of them (`{ before: NAME }`, `{ after: NAME }`; one of both). Before Linux 6.6 it is the priority of the clsact filter.",
    expects: "head, tail, { before: PROGRAM } or { after: PROGRAM }",
    default: "head",
  },
);

/** Place among other programs. */
export type Order = Static<typeof OrderSchema>;
