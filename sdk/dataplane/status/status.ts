// SPDX-License-Identifier: Apache-2.0
/** Live status of the objects of each kind. */
import { formatMac } from "../../address.ts";
import { withNetns } from "../../runtime/netns.ts";
import type { Core } from "../core.ts";
import { neighboursOf } from "../device/attached_programs.ts";
import { deviceState } from "../device/device_state.ts";
import { deviceName } from "../device/devices.ts";
import type { InterfaceStatus } from "../device/live.ts";
import type { PolicerDrops } from "../kernel/policer_table.ts";
import { marksOf } from "../kernel/qos_record.ts";
import { learnedMac } from "../kernel/records.ts";
import { peerWarnings } from "../reconcile/peers.ts";
import { policerOf } from "../reconcile/records_of.ts";
import { tunedSettings } from "../reconcile/tuning.ts";
import type { Interface, Kind, Policy } from "../schema/index.ts";
import { bridgeEntries } from "./bridge_entries.ts";
import type { Counters } from "./counters.ts";
import { nexthopStatus } from "./nexthop_status.ts";
import { type Table, tableOf } from "./table.ts";

/** A table for each kind. */
export type Tables = { readonly [K in Exclude<Kind, "node">]: Table<K> };

/** Tables over an open instance. */
export function tables(core: Core, counters: Counters): Tables {
  const { state } = core.parts;
  return {
    vrfs: tableOf("vrfs", state, ({ name }) => vrfStatus(core, counters, name)),
    interfaces: tableOf("interfaces", state, (object) => interfaceStatus(core, counters, object)),
    nexthops: tableOf("nexthops", state, (object) => nexthopStatus(core, counters, object)),
    routes: tableOf("routes", state, () => ({})),
    fdb: bridgeEntries(
      core,
      tableOf("fdb", state, () => ({})),
    ),
    labels: tableOf("labels", state, () => ({})),
    vnis: tableOf("vnis", state, () => ({})),
    sets: tableOf("sets", state, ({ prefixes }) => ({ prefixes: prefixes.length })),
    policies: tableOf("policies", state, (object) => policyStatus(core, object)),
    mirrors: tableOf("mirrors", state, ({ name }) => mirrorStatus(core, counters, name)),
    qos: tableOf("qos", state, (object) => ({ classes: Object.fromEntries(marksOf(object)) })),
  };
}

function vrfStatus(core: Core, counters: Counters, name: string): Record<string, unknown> {
  const id = core.parts.ids.vrf.get(name);
  if (id === undefined) return {};
  const kernelRoutes = core.kernelRoutes.status(name);
  return { id, ...(kernelRoutes === undefined ? {} : { kernelRoutes }), counters: counters.vrf(id) };
}

function mirrorStatus(core: Core, counters: Counters, name: string): Record<string, unknown> {
  const id = core.parts.ids.mirror.get(name);
  return id === undefined ? {} : { id, counters: counters.mirror(id) };
}

function interfaceStatus(core: Core, counters: Counters, object: Interface): InterfaceStatus & Record<string, unknown> {
  const live = core.parts.live.get(object.name);
  if (live === undefined) return { state: "waiting", device: deviceName(object) };
  if (live.device === undefined) return { ...deviceState(live) };
  const learned = object.role === "workload" ? learnedMac(core.parts.tables.interfaces, live.id) : undefined;
  const warnings = [...live.warnings, ...peerWarnings(core.parts.live.values(), live)];
  const { attachment } = live;
  const programs = attachment === undefined ? [] : withNetns(core.parts.netns, () => neighboursOf(attachment));
  const bigTcp = core.parts.packetLimits.inForce(object.name);
  const tuned = tunedSettings(core.parts, object.name);
  const host = core.hostNetwork.status(object);
  const mac = object.mac ?? (learned === undefined ? undefined : formatMac(learned));
  return {
    ...deviceState(live),
    port: live.direct?.mode ?? "trap",
    ...(live.direct === undefined ? {} : { queues: live.direct.count }),
    ...(bigTcp === undefined ? {} : { bigTcp }),
    ...(tuned === undefined ? {} : { tuned }),
    ...(mac === undefined ? {} : { mac }),
    ...(host === undefined ? {} : { host }),
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(programs.length === 0 ? {} : { programs }),
    ...policeStatus(core, live.id, object),
    flows: core.parts.tables.guards.status(live.id),
    counters: counters.interface(live.id),
  };
}

/** What an interface's policers dropped, by direction as the state has it. */
function policeStatus(core: Core, id: number, object: Interface): Pick<InterfaceStatus, "police"> {
  if (object.police === undefined) return {};
  const { policers } = core.parts.tables;
  const police: Partial<Record<"ingress" | "egress", PolicerDrops>> = {};
  for (const direction of ["received", "sent"] as const) {
    const policer = policerOf(object, direction);
    if (policer === undefined) continue;
    police[policer === object.police.ingress ? "ingress" : "egress"] = policers.drops(id, direction);
  }
  return { police };
}

/** Hits of the rules since the controller started, by the rule's name, or its number where it has none. */
function policyStatus(core: Core, policy: Policy): Record<string, unknown> {
  const hits = core.parts.slowPath.ruleHits();
  const rules: Record<string, number> = {};
  for (const [id, count] of hits) {
    const rule = core.parts.policies.rule(id);
    if (rule?.policy === policy.name) rules[rule.rule] = (rules[rule.rule] ?? 0) + count;
  }
  return { rules };
}
