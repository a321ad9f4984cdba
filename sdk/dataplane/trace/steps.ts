// SPDX-License-Identifier: Apache-2.0
/** The steps of a trace, from the records of the kernel programs: numbers become names. */
import { formatAddress } from "../../address.ts";
import {
  dropReasons,
  encaps,
  flowActions,
  nexthopCodec,
  nexthopTypes,
  traceLearneds,
  trapReasons,
} from "../../layout/index.ts";
import type { Opened } from "../instance/open.ts";
import { labelFields } from "../kernel/label_tag.ts";
import { OWN_PREFIX } from "../reconcile/ways.ts";
import type { TraceRecord } from "./record.ts";
import { matchedPrefix } from "./route_prefix.ts";
import type { TraceStep } from "./types.ts";

/** Parts of an instance that a trace reads. */
export type TracedParts = Pick<Opened, "ids" | "names" | "state" | "tables" | "live" | "slowPath">;

/** Reads records of an instance. */
export class StepReader {
  readonly #parts: TracedParts;

  constructor(parts: TracedParts) {
    this.#parts = parts;
  }

  /** The step of a record; `undefined` for a stage that this version does not know. */
  read(r: TraceRecord): TraceStep | undefined {
    switch (r.stage) {
      case "interface": {
        const vrf = this.#vrfOfInterface(r.interface);
        return { stage: r.stage, ...this.interface(r.interface), vrf, ...(r.code === 0 ? {} : { vlan: r.code }) };
      }
      case "class":
        return { stage: r.stage, ...(r.code === 0 ? {} : { class: r.code - 1 }) };
      case "decapsulate": {
        const encap = encaps[r.code] ?? "none";
        const tunnel = r.tunnel === 0 ? {} : { tunnel: this.#nexthop(r.tunnel) };
        const id = encap === "vxlan" ? { vni: r.id } : { label: r.id };
        return { stage: r.stage, encap, ...tunnel, ...id, vrf: this.#vrf(r.key.vrf) };
      }
      case "learn":
        return { stage: r.stage, learned: learnedOf(r.code), mac: r.sourceMac };
      case "flow": {
        const { names } = this.#parts;
        const nexthop = r.other === 0 ? {} : { nexthop: this.#nexthop(r.other) };
        const action = flowActions[r.code] ?? "none";
        return { stage: r.stage, key: names.flowKey(r.key), action, ...nexthop, ...names.rule(r.id) };
      }
      case "flow-miss": {
        const held = flowActions[r.code] === "hold" ? { held: true as const } : {};
        const reverse = r.reverseNexthop === 0 ? {} : { reverse: this.#nexthop(r.reverseNexthop) };
        return { stage: r.stage, key: this.#parts.names.flowKey(r.key), ...held, ...reverse };
      }
      case "nat":
        return { stage: r.stage, key: this.#parts.names.flowKey(r.key) };
      case "route":
        return this.#route(r);
      case "bridge": {
        const found = r.code === 0 ? {} : { nexthop: this.#nexthop(r.id), ...labelFields(r.other) };
        return { stage: r.stage, vrf: this.#vrf(r.routeVrf), mac: r.destinationMac, ...found };
      }
      case "ecmp":
        return {
          stage: r.stage,
          ecmp: this.#nexthop(r.id),
          nexthop: this.#nexthop(r.nexthop),
          ...labelFields(r.tag),
        };
      case "vrf":
        return { stage: r.stage, nexthop: this.#nexthop(r.id), vrf: this.#vrf(r.code) };
      case "nexthop":
        return {
          stage: r.stage,
          nexthop: this.#nexthop(r.nexthop),
          type: nexthopTypes[r.code] ?? "none",
          ...labelFields(r.tag),
        };
      case "member":
        return { stage: r.stage, nexthop: this.#nexthop(r.id), type: nexthopTypes[r.code] ?? "none" };
      case "rewrite":
        return { stage: r.stage, destinationMac: r.destinationMac, sourceMac: r.sourceMac, ttl: r.code };
      case "encapsulate":
        return this.#encapsulate(r);
      case "output":
      case "copy":
        return { stage: r.stage, ...this.interface(r.outInterface) };
      case "mirror":
        return { stage: r.stage, mirror: this.#parts.names.mirror(r.id) };
      case "trap":
        return { stage: r.stage, reason: trapReasons[r.code] ?? "none" };
      case "drop":
        return { stage: r.stage, reason: dropReasons[r.code] ?? "none" };
      case "answer":
      case "host":
      case "hand-over":
        return { stage: r.stage };
      case "none":
        return undefined;
    }
  }

  /** An interface and its device. */
  interface(id: number): { readonly interface: string; readonly device: string } {
    const name = this.#parts.names.interface(id);
    return { interface: name, device: this.#parts.live.get(name)?.device?.name ?? "unknown" };
  }

  #route(r: TraceRecord): TraceStep {
    const { state, tables } = this.#parts;
    const vrf = this.#vrf(r.routeVrf);
    const { family, destination: address } = r.key;
    const step = { stage: "route", vrf, address: formatAddress(address) } as const;
    if (r.code === 0) return step;
    const looked = { family, address, vrf, vrfId: r.routeVrf, nexthop: r.id };
    const prefix = matchedPrefix(state, tables.maps, looked);
    return {
      ...step,
      ...(prefix === undefined ? {} : { prefix }),
      nexthop: this.#nexthop(r.id),
      ...labelFields(r.other),
    };
  }

  #encapsulate(r: TraceRecord): TraceStep {
    const { nexthops } = this.#parts.tables;
    const base = nexthops.at(r.id);
    return {
      stage: "encapsulate",
      encap: encaps[r.code] ?? "none",
      tunnel: this.#nexthop(r.id),
      local: formatAddress(nexthopCodec.localAddress.bytes(nexthops.bytes, base)),
      remote: formatAddress(nexthopCodec.remoteAddress.bytes(nexthops.bytes, base)),
      // A path that was found by itself has a name that no object may have.
      underlay: this.#nexthop(r.other).replace(OWN_PREFIX, ""),
      ...labelFields(r.tag),
    };
  }

  #nexthop(id: number): string {
    return this.#parts.ids.nexthop.nameOf(id) ?? `#${id}`;
  }

  #vrf(id: number): string {
    return this.#parts.names.vrf(id);
  }

  #vrfOfInterface(id: number): string {
    return this.#vrf(this.#parts.live.get(this.#parts.names.interface(id))?.vrf ?? 0);
  }
}

function learnedOf(code: number): "workload" | "bridge" | "moved" | "address" {
  const learned = traceLearneds[code];
  return learned === undefined || learned === "none" ? "workload" : learned;
}
