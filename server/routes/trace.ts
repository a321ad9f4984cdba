// SPDX-License-Identifier: Apache-2.0
/** `/v1/trace`: where a packet would go, stage by stage. Nothing is sent and nothing changes. */

import { Hono } from "hono";
import { readObject } from "../body.ts";
import type { PacketFields, Trace } from "../dataplane.ts";
import { describe } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { ProblemError } from "../problem.ts";
import { standard } from "../standard.ts";
import { type TraceRequest, traceRequestSchema, traceSchema } from "../trace_schemas.ts";

const request = standard(traceRequestSchema);

export function trace(facade: Facade) {
  return new Hono<FacadeEnv>().post(
    "/v1/trace",
    describe({
      summary: "Where a packet would go, stage by stage; nothing is sent, and nothing changes",
      tag: "trace",
      body: traceRequestSchema,
      answer: traceSchema,
      problems: [400, 422, 503],
    }),
    async (c) => {
      const { interface: name, packet, ...fields } = checked(await readObject(c));
      return c.json(answerOf(facade.dataPlane.trace(name, packetOf(packet, fields))));
    },
  );
}

function refuse(field: string, reason: string): ProblemError {
  return new ProblemError(422, `Cannot trace a packet: ${reason}`, { code: "EINVAL", field });
}

function checked(body: unknown): TraceRequest {
  const result = request["~standard"].validate(body);
  if ("value" in result) return result.value;
  const [issue] = result.issues;
  const field = `/${issue?.path.join("/") ?? ""}`;
  throw refuse(field, `${field}: ${issue?.message ?? "invalid"}`);
}

function packetOf(hex: string | undefined, fields: Omit<TraceRequest, "interface" | "packet">) {
  const [extra] = Object.keys(fields);
  if (hex === undefined) {
    if (fields.dst !== undefined) return fields as PacketFields;
    throw refuse("/dst", "neither packet nor dst is given");
  }
  if (extra !== undefined) throw refuse(`/${extra}`, `packet is the whole frame, and ${extra} is given besides`);
  if (!/^(?:[0-9a-f]{2})+$/i.test(hex)) throw refuse("/packet", "packet is not in hexadecimal digits, two a byte");
  return new Uint8Array(Buffer.from(hex, "hex"));
}

const answerOf = ({ outputs, ...trace }: Trace) => ({
  ...trace,
  outputs: outputs.map((output) => ({ ...output, bytes: Buffer.from(output.bytes).toString("hex") })),
});
