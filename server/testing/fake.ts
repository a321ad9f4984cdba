// SPDX-License-Identifier: Apache-2.0
/** A data plane made of Maps, for tests of the façade and of the command. */

import { WeirError } from "../../sdk/errors.ts";
import type {
  Change,
  DropCounter,
  FacadeDataPlane,
  FlowSelector,
  ObjectTable,
  PacketFields,
  StateObject,
  StateTransaction,
  Trace,
} from "../dataplane.ts";
import { type Kind, keyOf, kinds } from "../kinds.ts";

type Stored = StateObject & { readonly owner: string };
type Tables = Map<string, Map<string, Stored>>;

const available = kinds.filter((kind) => kind.available);

/** Behaves as the contract says where the façade can tell; forwards nothing. */
export class FakeDataPlane implements FacadeDataPlane {
  revision = 0;
  /** What `trace` was last asked, and what it answers. */
  traced: { interface: string; packet: Uint8Array | PacketFields } | undefined;
  traceAnswer: Trace = { hook: "tc", steps: [], verdict: "drop", outputs: [] };
  #objects: Tables = new Map(available.map((kind) => [kind.plural, new Map()]));
  readonly tables: Readonly<Record<string, ObjectTable>> = Object.fromEntries(
    available.map((kind) => [kind.plural, this.#table(kind)]),
  );
  flowEntries: StateObject[] = [];
  dropCounters: DropCounter[] = [];
  /** Where events come from; none by default. */
  events: FacadeDataPlane["events"] = async function* () {};
  readonly flows = {
    entries: (selector: FlowSelector = {}) => this.flowEntries.filter((flow) => selects(selector, flow)),
    delete: (selector: FlowSelector) => {
      const before = this.flowEntries.length;
      this.flowEntries = this.flowEntries.filter((flow) => !selects(selector, flow));
      return before - this.flowEntries.length;
    },
  };

  #table(kind: Kind): ObjectTable {
    const objects = () => this.#objects.get(kind.plural) ?? new Map<string, Stored>();
    return {
      get: (key) => withStatus(objects().get(textOf(kind, key))),
      entries: () => [...objects().values()].map((object) => ({ ...object, status: {} })),
    };
  }

  trace(name: string, packet: Uint8Array | PacketFields): Trace {
    this.traced = { interface: name, packet };
    return this.traceAnswer;
  }

  state(o: { owner?: string } = {}): StateObject {
    const document: Record<string, unknown> = {};
    for (const [plural, objects] of this.#objects) {
      const own = [...objects.values()].filter(({ owner }) => owner === (o.owner ?? "state"));
      if (own.length > 0) document[plural] = own.map(({ owner: _owner, ...fields }) => fields);
    }
    return document;
  }

  async apply(state: unknown, o: { owner?: string } = {}): Promise<readonly Change[]> {
    const next = this.#replaced(state, o.owner ?? "state");
    const changes = difference(this.#objects, next);
    this.#objects = next;
    if (changes.length > 0) this.revision++;
    return changes;
  }

  async plan(state: unknown, o: { owner?: string } = {}) {
    return {
      changes: difference(this.#objects, this.#replaced(state, o.owner ?? "state")),
      memoryBytes: 4096,
      flows: 2,
    };
  }

  transaction(o: { owner?: string } = {}): StateTransaction {
    const owner = o.owner ?? "state";
    const next = copy(this.#objects);
    return {
      put: (plural, ...objects) => put(next, plural, objects, owner),
      delete: (plural, ...keys) => remove(next, plural, keys),
      commit: async ({ ifRevision } = {}) => {
        if (ifRevision !== undefined && ifRevision !== this.revision) {
          throw new WeirError({ code: "EREVISION", operation: "commit", reason: "the state moved on" });
        }
        const changes = difference(this.#objects, next);
        check(next);
        this.#objects = next;
        this.revision++;
        return { revision: this.revision, changes };
      },
    };
  }

  drops(): readonly DropCounter[] {
    return this.dropCounters;
  }

  usage(): object {
    return { routes: { used: this.#objects.get("routes")?.size ?? 0, limit: 1_048_576 } };
  }

  #replaced(state: unknown, owner: string): Tables {
    const next = copy(this.#objects);
    for (const objects of next.values()) {
      for (const [key, object] of objects) if (object.owner === owner) objects.delete(key);
    }
    for (const [plural, objects] of Object.entries(state as Record<string, StateObject[]>)) {
      put(next, plural, objects, owner);
    }
    check(next);
    return next;
  }
}

const textOf = (kind: Kind, key: string | object): string =>
  typeof key === "string" ? key : keyOf(kind, key as StateObject);

const line = (action: Change["action"], kind: string, key: string): Change => {
  const sign = { add: "+", update: "~", remove: "-" }[action];
  return { action, kind, key, text: `${sign} ${kind} ${key}` };
};

const withStatus = (object: Stored | undefined) => (object === undefined ? undefined : { ...object, status: {} });

const copy = (tables: Tables): Tables => new Map([...tables].map(([plural, objects]) => [plural, new Map(objects)]));

function selects(selector: FlowSelector, flow: StateObject): boolean {
  return Object.entries(selector).every(([field, value]) => flow[field] === value);
}

function invalid(field: string, reason: string): WeirError {
  return new WeirError({ code: "EINVALIDSTATE", operation: "apply the state", reason: `${field}: ${reason}`, field });
}

function put(tables: Tables, plural: string, objects: readonly object[], owner: string): void {
  const kind = available.find((one) => one.plural === plural);
  if (kind === undefined) throw invalid(`/${plural}`, "is not known");
  for (const object of objects) tables.get(plural)?.set(textOf(kind, object), { ...object, owner });
}

function remove(tables: Tables, plural: string, keys: readonly (string | object)[]): void {
  const kind = available.find((one) => one.plural === plural);
  for (const key of keys) {
    if (kind !== undefined) tables.get(plural)?.delete(textOf(kind, key));
  }
}

/** A route must lead somewhere: enough of the rules to tell 409 from 422. */
function check(tables: Tables): void {
  const names = new Set([...(tables.get("nexthops")?.keys() ?? []), ...(tables.get("interfaces")?.keys() ?? [])]);
  for (const [index, route] of [...(tables.get("routes")?.values() ?? [])].entries()) {
    const { via } = route;
    if (via === "discard" || via === "local" || names.has(String(via))) continue;
    throw invalid(`/routes/${index}/via`, `there is no next hop "${via}"`);
  }
  const vrfs = tables.get("vrfs");
  for (const { name, vrf } of tables.get("interfaces")?.values() ?? []) {
    if (vrf === undefined || vrfs?.has(String(vrf))) continue;
    const reason = `interface "${name}" refers to vrf "${vrf}"`;
    throw new WeirError({ code: "EREFERENCED", operation: `delete vrf "${vrf}"`, reason });
  }
}

function difference(before: Tables, after: Tables): Change[] {
  const changes: Change[] = [];
  for (const { plural, singular: kind } of available) {
    const old = before.get(plural) ?? new Map<string, Stored>();
    const now = after.get(plural) ?? new Map<string, Stored>();
    for (const [key, object] of now) {
      const action = old.has(key) ? "update" : "add";
      if (JSON.stringify(old.get(key)) !== JSON.stringify(object)) changes.push(line(action, kind, key));
    }
    for (const key of old.keys()) if (!now.has(key)) changes.push(line("remove", kind, key));
  }
  return changes;
}
