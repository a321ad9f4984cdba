// SPDX-License-Identifier: Apache-2.0
/** Bridge entries as readers see them: besides the state's those that interfaces bring, and what was learned. */
import { formatMac, parseMac } from "../../address.ts";
import type { Core } from "../core.ts";
import { monotonicMs } from "../instance/clock.ts";
import type { LearnedEntry } from "../kernel/bridge_table.ts";
import { labelFields } from "../kernel/label_tag.ts";
import { keyText, splitKey } from "../schema/index.ts";
import { INTERFACE_OWNER } from "../state/candidate.ts";
import type { Table, TableEntry } from "./table.ts";

/** Owner of what the kernel programs have learned. */
export const LEARNED_OWNER = "learned";

type Entry = TableEntry<"fdb">;

/** @param stated the entries of the state. */
export function bridgeEntries(core: Core, stated: Table<"fdb">): Table<"fdb"> {
  return {
    get size() {
      return stated.size + [...interfaceEntries(core)].length;
    },
    get(key) {
      const text = keyText("fdb", key);
      for (const entry of interfaceEntries(core)) if (keyText("fdb", entry) === text) return entry;
      const entry = stated.get(text);
      if (entry !== undefined) return entry;
      const [vrfName, macText] = splitKey(text);
      const vrf = core.parts.ids.vrf.get(vrfName);
      const mac = parseMac(macText);
      if (vrf === undefined || mac === undefined) return undefined;
      const learned = core.parts.tables.bridge.learnedAt(vrf, mac);
      return learned === undefined ? undefined : learnedEntry(core, learned);
    },
    *entries() {
      const own = [...interfaceEntries(core)];
      const taken = new Set(own.map((entry) => keyText("fdb", entry)));
      yield* own;
      for (const entry of stated.entries()) {
        const active = !taken.has(keyText("fdb", entry));
        yield active ? entry : { ...entry, status: { ...entry.status, active } };
      }
      for (const learned of core.parts.tables.bridge.learned()) yield learnedEntry(core, learned);
    },
  };
}

function* interfaceEntries(core: Core): Generator<Entry> {
  const { live, names } = core.parts;
  for (const { object, vrf, bridgeMac } of live.values()) {
    if (bridgeMac === undefined) continue;
    const mac = formatMac(bridgeMac);
    yield { vrf: names.vrf(vrf), mac, via: object.name, owner: INTERFACE_OWNER, status: { active: true } };
  }
}

function learnedEntry(core: Core, { vrf, mac, nexthop, tag, seenSeconds }: LearnedEntry): Entry {
  const idleSeconds = Math.max(0, Math.floor(monotonicMs() / 1000) - seenSeconds);
  return {
    vrf: core.parts.names.vrf(vrf),
    mac,
    via: core.parts.ids.nexthop.nameOf(nexthop) ?? `#${nexthop}`,
    ...labelFields(tag),
    owner: LEARNED_OWNER,
    status: { active: true, idleSeconds },
  };
}
