// SPDX-License-Identifier: Apache-2.0
/** Meaning of a changed state: names lead somewhere, nothing that is in use goes, every object makes sense by itself. */
import { WeirError } from "../../errors.ts";
import { checkRoutes } from "../routes/check_routes.ts";
import { APPLY_STATE, invalid, type Kind, type KindObjects } from "../schema/index.ts";
import { isWritten, KERNEL_OWNER } from "../state/candidate.ts";
import type { DesiredState, StateChanges } from "../state/desired.ts";
import { isReservedNexthop, type ReferenceTo, UNDERLAY_VRF, visitReferences } from "../state/references.ts";
import { checkHostLabel, checkRoles, requireNoHost } from "./check_host.ts";
import { checkInterfaces } from "./check_interfaces.ts";
import { checkKernelRoutes } from "./check_kernel_routes.ts";
import { checkLeading } from "./check_labels.ts";
import { checkMirror, checkMirrored } from "./check_mirrors.ts";
import { checkDependents, checkLabel, checkNexthop } from "./check_nexthops.ts";
import { checkPolicy } from "./check_policies.ts";
import { checkPrefix } from "./check_prefix.ts";
import { checkReferences } from "./check_references.ts";

/** Tells where a changed object stands in the document, as a JSON pointer. */
export type Locate = (kind: Kind, key: string) => string;

/** Kinds that decide what is copied where. */
const MIRRORING: ReadonlySet<Kind> = new Set(["mirrors", "interfaces", "nexthops"]);

/**
 * Checks the state after `changes`.
 * @throws WeirError `EINVALIDSTATE` that names the field, `EREFERENCED` when something in use is deleted.
 */
export function checkChanges(state: DesiredState, changes: StateChanges, locate: Locate): void {
  const { objects } = changes;
  let interfacesChanged = false;
  let mirroringChanged = false;
  let vrfsChanged = false;
  for (const change of objects) {
    if (change.kind === "interfaces") interfacesChanged = true;
    if (change.kind === "vrfs") vrfsChanged = true;
    if (MIRRORING.has(change.kind)) mirroringChanged = true;
    for (const candidate of change.after) {
      if (!isWritten(candidate) || change.before.includes(candidate as never)) continue;
      if (candidate.owner !== KERNEL_OWNER) checkOwnName(change.kind, change.key, locate);
      checkObjectMeaning(state, change.kind, candidate.object, change.key, locate);
      checkReferences(state, change.kind, candidate.object, change.key, locate);
    }
  }
  checkRoutes(state, changes.routes, locate);
  checkDependents(state, objects, locate);
  if (interfacesChanged) {
    checkRoles(objects, locate);
    checkInterfaces(state, locate);
  }
  if (vrfsChanged) checkKernelRoutes(state, locate);
  if (mirroringChanged) checkMirrored(state, locate);
  for (const change of objects) if (change.after.length === 0) checkDeletion(state, change.kind, change.key);
}

function checkObjectMeaning(
  state: DesiredState,
  kind: Kind,
  object: KindObjects[Kind],
  key: string,
  locate: Locate,
): void {
  const pointer = locate(kind, key);
  if (kind === "policies") checkPolicy(object as KindObjects["policies"], pointer);
  else if (kind === "mirrors") checkMirror(state, object as KindObjects["mirrors"], pointer);
  else if (kind === "fdb") checkFdb(state, object as KindObjects["fdb"], pointer);
  else if (kind === "labels") {
    checkLabel(state, object as KindObjects["labels"], pointer);
    checkHostLabel(state, object as KindObjects["labels"], pointer);
  } else if (kind === "nexthops") {
    checkViaName(state, "interfaces", (object as KindObjects["nexthops"]).name, pointer);
    checkNexthop(state, object as KindObjects["nexthops"], pointer);
  } else if (kind === "interfaces")
    checkViaName(state, "nexthops", (object as KindObjects["interfaces"]).name, pointer);
  else if (kind === "sets") {
    for (const [i, prefix] of (object as KindObjects["sets"]).prefixes.entries()) {
      checkPrefix(prefix, `${pointer}/prefixes/${i}`);
    }
  } else if (kind === "vrfs" && (object as KindObjects["vrfs"]).name === UNDERLAY_VRF) {
    const problem = `is "${UNDERLAY_VRF}", the reserved VRF of the fabric interfaces`;
    throw invalid(`${pointer}/name`, problem, "use another name");
  }
}

const BROADCAST = "ff:ff:ff:ff:ff:ff";

function checkFdb(state: DesiredState, entry: KindObjects["fdb"], pointer: string): void {
  const mac = entry.mac.toLowerCase();
  if (mac === "00:00:00:00:00:00") {
    throw invalid(`${pointer}/mac`, `is "${entry.mac}", which no frame is sent to`, "give another MAC");
  }
  if (mac !== BROADCAST && state.get("nexthops", entry.via)?.type === "flood" && !isGroupMac(mac)) {
    throw invalid(`${pointer}/via`, `names "${entry.via}", which floods`, "use it for a group MAC");
  }
  requireNoHost(state, entry.via, `${pointer}/via`, "route to it: it is on no bridge");
  checkLeading(state, entry, () => pointer);
}

const isGroupMac = (mac: string): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;

/** Next hops of kernel routes have names of their own. */
function checkOwnName(kind: Kind, name: string, locate: Locate): void {
  if ((kind !== "nexthops" && kind !== "interfaces") || !name.startsWith(`${KERNEL_OWNER}:`)) return;
  const problem = `is "${name}", and Weir itself uses names that begin with "${KERNEL_OWNER}:"`;
  throw invalid(`${locate(kind, name)}/name`, problem, "use another name");
}

/** Next hops and interfaces share one name space, with two reserved names. */
function checkViaName(state: DesiredState, other: "nexthops" | "interfaces", name: string, pointer: string): void {
  if (isReservedNexthop(name)) {
    throw invalid(`${pointer}/name`, `is "${name}", a reserved next hop`, "use another name");
  }
  if (state.get(other, name) !== undefined) {
    const what = other === "nexthops" ? "a next hop" : "an interface";
    throw invalid(`${pointer}/name`, `is "${name}", which ${what} has too`, "they share one name space; rename one");
  }
}

const singular: Readonly<Record<Kind, string>> = {
  node: "node",
  vrfs: "VRF",
  interfaces: "interface",
  nexthops: "next hop",
  routes: "route",
  fdb: "bridge entry",
  labels: "label",
  vnis: "VNI",
  sets: "set",
  policies: "policy",
  mirrors: "mirror",
  qos: "QoS map",
};

/** What a deleted object was a target of. */
function targetsOf(state: DesiredState, kind: Kind, key: string): ReferenceTo[] {
  if (kind === "vrfs") return ["vrf"];
  if (kind === "policies") return ["policy"];
  if (kind === "sets") return ["set"];
  if (kind === "mirrors") return ["mirror"];
  if (kind === "qos") return ["qos"];
  // A next hop that gives its name to an interface in the same transaction leaves no reference behind.
  if (kind === "nexthops") return state.get("interfaces", key) === undefined ? ["via"] : [];
  if (kind === "interfaces") return state.get("nexthops", key) === undefined ? ["interface", "via"] : ["interface"];
  return [];
}

function checkDeletion(state: DesiredState, kind: Kind, key: string): void {
  for (const to of targetsOf(state, kind, key)) {
    const count = state.referenceCount(to, key);
    if (count === 0) continue;
    const names = referrers(state, to, key, 3);
    const more = count > names.length ? ` and ${count - names.length} more` : "";
    throw new WeirError({
      code: "EREFERENCED",
      operation: APPLY_STATE,
      reason: `${singular[kind]} "${key}" is still used by ${names.join(", ")}${more}`,
      hint: count === 1 ? "delete that too, or first" : "delete those too, or first",
    });
  }
}

/** Kinds whose objects name others. */
const REFERRING = ["interfaces", "nexthops", "routes", "fdb", "labels", "vnis", "policies", "mirrors"] as const;

/** Only for messages: looks through everything. */
function referrers(state: DesiredState, to: ReferenceTo, name: string, most: number): string[] {
  const names: string[] = [];
  for (const kind of REFERRING) {
    for (const [key, candidates] of state.entries(kind)) {
      for (const { object } of candidates.filter(isWritten)) {
        if (names.length === most) return names;
        let refers = false;
        visitReferences(kind, object, (target, named) => {
          refers ||= target === to && named === name;
        });
        if (refers) names.push(`${singular[kind]} "${key}"`);
      }
    }
  }
  return names;
}
