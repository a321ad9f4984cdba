// SPDX-License-Identifier: Apache-2.0
import type { StateObject } from "../../dataplane.ts";
import { findKind, type Kind, kinds } from "../../kinds.ts";
import { Client } from "../client.ts";
import { columnsOf } from "../columns.ts";
import { defineCommand, outputFlag, wantsJson } from "../command.ts";
import { Failure, UsageError } from "../failure.ts";
import { formatTable } from "../table.ts";

const names = kinds.map((kind) => kind.plural).join(" ");

export const get = defineCommand({
  name: "get",
  summary: "list the objects of a kind, or show one",
  usage: "KIND [NAME] [-o json]",
  help: `
  KIND               ${names}
  NAME               only the object of that name; of routes and fdb: VRF and
                     PREFIX or MAC, or one of the two
  -o, --output json  an array of objects as in the state document, each with owner and status`,
  flags: outputFlag,
  arguments: [1, 3],
  run: async ({ flags, args }, { terminal, endpoint }) => {
    const [kindName = "", ...key] = args;
    const json = wantsJson(flags.output);
    const kind = findKind(kindName);
    if (kind === undefined) {
      throw new UsageError(`Cannot get ${kindName}: there is no such kind; the kinds are: ${names}`);
    }
    if (key.length > kind.key.length) throw new UsageError(`Cannot get ${kind.singular}: its name is one word`);
    if (!kind.available) throw new Failure(`Cannot get ${kind.plural}: this version of weir does not have them yet`);
    const objects = await find(new Client(endpoint), kind, key);
    await terminal.out(
      json ? `${JSON.stringify(objects, null, 2)}\n` : formatTable<StateObject>(columnsOf(kind), objects),
    );
    return 0;
  },
});

async function find(client: Client, kind: Kind, key: readonly string[]): Promise<StateObject[]> {
  const [first, second] = key;
  const list = `/v1/${kind.plural}`;
  if (first === undefined) return client.list<StateObject>(list);
  const one = (path: string) => client.json<StateObject>("GET", path).then((object) => [object]);
  if (kind.key.length === 1) return one(`${list}/${encodeURIComponent(first)}`);
  // Routes and bridge entries are named by VRF and the rest of their key, or by whichever of them is enough.
  if (second !== undefined) {
    return one(`/v1/vrfs/${encodeURIComponent(first)}/${kind.plural}/${encodeURIComponent(second)}`);
  }
  const objects = /[/:]/.test(first)
    ? (await client.list<StateObject>(list)).filter((object) => kind.key.some((field) => object[field] === first))
    : await client.list<StateObject>(list, { vrf: first });
  if (objects.length > 0) return objects;
  throw new Failure(`Cannot find ${kind.singular} "${first}": there is none of that name`);
}
