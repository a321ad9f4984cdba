// SPDX-License-Identifier: Apache-2.0
/** Mirrors: they lead out, and an interface's packets are copied once in each direction. */

import { invalid, type Mirror, type Nexthop } from "../schema/index.ts";
import type { DesiredState } from "../state/desired.ts";
import { isReservedNexthop } from "../state/references.ts";
import type { Locate } from "./check.ts";
import { requireNoHost } from "./check_host.ts";
import { checkLeading } from "./check_labels.ts";

const LEADS_OUT: ReadonlySet<Nexthop["type"]> = new Set(["interface", "tunnel", "ecmp"]);

/** Checks a mirror against what it names. */
export function checkMirror(state: DesiredState, mirror: Mirror, pointer: string): void {
  const { via } = mirror;
  const type = state.get("nexthops", via)?.type;
  if (isReservedNexthop(via) || (type !== undefined && !LEADS_OUT.has(type))) {
    const what = type === undefined ? "reserved" : `of type ${type}`;
    throw invalid(
      `${pointer}/via`,
      `names "${via}", which is ${what}`,
      "lead copies to an interface, a tunnel, or an ecmp of those",
    );
  }
  requireNoHost(state, via, `${pointer}/via`, "lead copies to a workload, the fabric, or a tunnel");
  checkLeading(state, mirror, () => pointer);
}

/** Names of the interfaces whose devices copies to `via` leave by as they are. */
function devicesOf(state: DesiredState, via: string): string[] {
  const nexthop = state.get("nexthops", via);
  if (nexthop === undefined) return [via];
  if (nexthop.type === "interface") return nexthop.device === undefined ? [] : [nexthop.device];
  return (nexthop.members ?? []).flatMap((member) => devicesOf(state, member.nexthop));
}

/** A mirror and the fields that name it as an interface's. */
interface Use {
  readonly mirror: string;
  readonly pointer: string;
}

/**
 * Checks all mirrors together with the interfaces that they copy.
 * @throws WeirError `EINVALIDSTATE` that names the field.
 */
export function checkMirrored(state: DesiredState, locate: Locate): void {
  const uses = new Map<string, Use>();
  for (const { name, mirror } of state.objects("interfaces")) {
    if (mirror === undefined) continue;
    const pointer = `${locate("interfaces", name)}/mirror`;
    for (const direction of ["ingress", "egress"]) uses.set(`${name} ${direction}`, { mirror, pointer });
    checkDevice(state, mirror, name, pointer);
  }
  for (const { name: mirror, source } of state.objects("mirrors")) {
    if (source === undefined) continue;
    const pointer = `${locate("mirrors", mirror)}/source`;
    const directions = source.direction === undefined || source.direction === "both" ? undefined : [source.direction];
    for (const direction of directions ?? ["ingress", "egress"]) {
      const key = `${source.interface} ${direction}`;
      const other = uses.get(key);
      if (other !== undefined && other.mirror !== mirror) {
        const problem = `names ${direction} of "${source.interface}", which mirror "${other.mirror}" copies`;
        throw invalid(pointer, problem, "let one of them go: a direction has one mirror");
      }
      uses.set(key, { mirror, pointer });
    }
    checkDevice(state, mirror, source.interface, pointer);
  }
}

/** What an interface sends and receives cannot be copied to itself: its workload would get all of it once more. */
function checkDevice(state: DesiredState, mirror: string, source: string, pointer: string): void {
  const via = state.get("mirrors", mirror)?.via;
  if (via === undefined || !devicesOf(state, via).includes(source)) return;
  throw invalid(pointer, `copies "${source}" to itself`, "lead the mirror to another interface");
}
