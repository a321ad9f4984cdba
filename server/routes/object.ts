// SPDX-License-Identifier: Apache-2.0
/** The routes of one object, whatever its key: get, put, delete. */

import { type Context, Hono } from "hono";
import { readObject } from "../body.ts";
import type { StateObject } from "../dataplane.ts";
import { describe, query } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { type Kind, keyOf, kindOf } from "../kinds.ts";
import { ProblemError } from "../problem.ts";
import { expectedRevision, setRevision } from "../revision.ts";
import { ownerQuery, readSchema, writtenSchema } from "../schemas.ts";
import { moveField } from "./field.ts";
import { ownerOf } from "./owner.ts";

interface ObjectRoutes<Path extends string> {
  readonly plural: Parameters<typeof writtenSchema>[0];
  /** What the object is called in descriptions. */
  readonly one: string;
  readonly path: Path;
  /** The key of the object that a request is about. */
  readonly keyIn: (c: Context) => StateObject;
}

export function objectRoutes<Path extends string>(facade: Facade, { plural, one, path, keyIn }: ObjectRoutes<Path>) {
  const kind = kindOf(plural);
  const schema = readSchema(plural);
  const tag = kind.plural;
  return new Hono<FacadeEnv>()
    .get(path, describe({ summary: `Get ${one}`, tag, answer: schema, problems: [404, 503] }), (c) => {
      setRevision(c, facade.dataPlane.revision);
      return c.json(existing(facade, kind, keyIn(c)));
    })
    .put(
      path,
      describe({
        summary: `Create or replace ${one}`,
        tag,
        body: writtenSchema(plural),
        answer: schema,
        problems: [400, 409, 412, 422, 503, 507],
      }),
      query(ownerQuery),
      (c) => putObject(c, facade, kind, keyIn(c)),
    )
    .delete(
      path,
      describe({ summary: `Delete ${one}`, tag, status: 204, problems: [404, 409, 412, 503] }),
      query(ownerQuery),
      (c) => deleteObject(c, facade, kind, keyIn(c)),
    );
}

/** The SDK's table of `kind`. */
export function tableOf(facade: Facade, kind: Kind) {
  const table = facade.dataPlane.tables[kind.plural];
  if (table !== undefined) return table;
  throw new ProblemError(501, `Cannot serve ${kind.plural}: this version of weir does not have them yet`, {
    code: "ENOTSUPPORTED",
  });
}

/** What a table is asked for: the name where there is one, else the key's fields. */
const tableKey = (kind: Kind, key: StateObject): string | StateObject =>
  kind.key.length === 1 ? keyOf(kind, key) : key;

/** The object at `key`; 404 if there is none. */
export function existing(facade: Facade, kind: Kind, key: StateObject): StateObject {
  const object = tableOf(facade, kind).get(tableKey(kind, key));
  if (object !== undefined) return object;
  throw new ProblemError(404, `Cannot find ${kind.singular} "${keyOf(kind, key)}": there is none of that name`, {
    code: "ENOENT",
  });
}

/** Puts the body at `key`, which the body may leave out but not contradict. Answers 201 if it was not there. */
async function putObject(c: Context, facade: Facade, kind: Kind, key: StateObject): Promise<Response> {
  const body = await readObject(c);
  for (const field of kind.key) {
    if (body[field] === undefined || body[field] === key[field]) continue;
    throw new ProblemError(
      422,
      `Cannot put ${kind.singular} "${keyOf(kind, key)}": ${field} is "${body[field]}" in the body`,
      { code: "EINVALIDSTATE", field: `/${field}` },
    );
  }
  const { dataPlane } = facade;
  const ifRevision = expectedRevision(c, dataPlane.revision);
  const table = tableOf(facade, kind);
  const created = table.get(tableKey(kind, key)) === undefined;
  const transaction = dataPlane.transaction({ owner: ownerOf(c) });
  const { revision } = await commit(ifRevision, () => {
    transaction.put(kind.plural, { ...key, ...withoutReadOnly(body) });
    return transaction;
  });
  setRevision(c, revision);
  return c.json(existing(facade, kind, key), created ? 201 : 200);
}

/** Deletes the object at `key`. */
async function deleteObject(c: Context, facade: Facade, kind: Kind, key: StateObject): Promise<Response> {
  const { dataPlane } = facade;
  const ifRevision = expectedRevision(c, dataPlane.revision);
  existing(facade, kind, key);
  const transaction = dataPlane.transaction({ owner: ownerOf(c) });
  const { revision } = await commit(ifRevision, () => {
    transaction.delete(kind.plural, tableKey(kind, key));
    return transaction;
  });
  setRevision(c, revision);
  return c.body(null, 204);
}

/** What a reader gets may be written back: owner and status are the reader's. */
function withoutReadOnly(body: StateObject): StateObject {
  const { owner: _owner, status: _status, ...fields } = body;
  return fields;
}

async function commit(ifRevision: number | undefined, fill: () => ReturnType<Facade["dataPlane"]["transaction"]>) {
  try {
    return await fill().commit(ifRevision === undefined ? {} : { ifRevision });
  } catch (error) {
    // The one object of the transaction is the request body.
    throw moveField(error, () => "");
  }
}
