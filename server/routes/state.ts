// SPDX-License-Identifier: Apache-2.0
/** `/v1/state`: the whole desired state of an owner, differences to it, and transactions on it. */

import { Hono } from "hono";
import { readDocument, readList } from "../body.ts";
import type { Change, FacadeDataPlane } from "../dataplane.ts";
import { describe, listOf, query } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { findKind } from "../kinds.ts";
import { ProblemError } from "../problem.ts";
import { expectedRevision, setRevision } from "../revision.ts";
import { changesSchema, operationSchema, ownerQuery, planSchema, stateSchema } from "../schemas.ts";
import { standard } from "../standard.ts";
import { warningsOfChanges } from "../warnings.ts";
import { moveField } from "./field.ts";
import { ownerOf } from "./owner.ts";

/** The kind that has one object, and no list. */
const NODE = "node";

const operation = standard(operationSchema);

export function state(facade: Facade) {
  return new Hono<FacadeEnv>()
    .get(
      "/v1/state",
      describe({ summary: "The state document of an owner", tag: "state", answer: stateSchema, problems: [503] }),
      query(ownerQuery),
      (c) => {
        setRevision(c, facade.dataPlane.revision);
        return c.json(facade.dataPlane.state({ owner: ownerOf(c) }));
      },
    )
    .put(
      "/v1/state",
      describe({
        summary: "Make the node match a state document",
        tag: "state",
        body: stateSchema,
        answer: changesSchema,
        problems: [400, 409, 412, 422, 503, 507],
      }),
      query(ownerQuery),
      async (c) => {
        const { dataPlane } = facade;
        const document = await readDocument(c);
        const ifRevision = expectedRevision(c, dataPlane.revision);
        const changes = await dataPlane.apply(document, {
          owner: ownerOf(c),
          ...(ifRevision === undefined ? {} : { ifRevision }),
        });
        setRevision(c, dataPlane.revision);
        return c.json(written(dataPlane, dataPlane.revision, changes));
      },
    )
    .patch(
      "/v1/state",
      describe({
        summary: "Put and delete objects, all or none; a JSON array or NDJSON",
        tag: "state",
        body: listOf(operationSchema),
        answer: changesSchema,
        problems: [400, 409, 412, 422, 503, 507],
      }),
      query(ownerQuery),
      async (c) => {
        const operations = (await readList(c)).map(checkOperation);
        const { dataPlane } = facade;
        const ifRevision = expectedRevision(c, dataPlane.revision);
        const transaction = dataPlane.transaction({ owner: ownerOf(c) });
        /** Positions in the request of the objects put, by kind: the SDK counts them kind by kind. */
        const positions = new Map<string, number[]>();
        try {
          for (const [index, entry] of operations.entries()) {
            if (entry.op === "delete") {
              transaction.delete(entry.kind, entry.key);
              continue;
            }
            const ofKind = positions.get(entry.kind) ?? [];
            positions.set(entry.kind, ofKind);
            ofKind.push(index);
            transaction.put(entry.kind, entry.object);
          }
          const { revision, changes } = await transaction.commit(ifRevision === undefined ? {} : { ifRevision });
          setRevision(c, revision);
          return c.json(written(dataPlane, revision, changes));
        } catch (error) {
          throw moveField(error, (kind, index) => {
            const position = positions.get(kind)?.[index];
            return position === undefined ? undefined : `/${position}/object`;
          });
        }
      },
    )
    .post(
      "/v1/state/plan",
      describe({
        summary: "What PUT /v1/state would change",
        tag: "state",
        body: stateSchema,
        answer: planSchema,
        problems: [400, 422, 503, 507],
      }),
      query(ownerQuery),
      async (c) => c.json(await facade.dataPlane.plan(await readDocument(c), { owner: ownerOf(c) })),
    );
}

/** The answer to a write. */
function written(dataPlane: FacadeDataPlane, revision: number, changes: readonly Change[]) {
  const warnings = warningsOfChanges(dataPlane, changes);
  return { revision, changes, ...(warnings.length === 0 ? {} : { warnings }) };
}

function checkOperation(value: unknown, index: number) {
  const result = operation["~standard"].validate(value);
  if ("issues" in result) {
    throw new ProblemError(422, `Cannot read operation ${index}: it is neither a put nor a delete`, {
      code: "EINVALIDSTATE",
      field: `/${index}`,
    });
  }
  const plural = result.value.kind === NODE ? NODE : findKind(result.value.kind)?.plural;
  if (plural !== undefined) return { ...result.value, kind: plural };
  throw new ProblemError(422, `Cannot read operation ${index}: unknown kind "${result.value.kind}"`, {
    code: "EINVALIDSTATE",
    field: `/${index}/kind`,
  });
}
