// SPDX-License-Identifier: Apache-2.0
/** What `weir get` shows of each kind, `weir flows` of a flow, and `weir drops` of a counter. */

import type { DropCounter, StateObject } from "../dataplane.ts";
import type { Column } from "./table.ts";

/** A field of the object, or of an object inside it: `status.state`. */
function field(heading: string, path: string): Column<StateObject> {
  return { heading, cell: (object) => at(object, path) };
}

function at(object: StateObject, path: string): unknown {
  let value: unknown = object;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as StateObject)[name];
  }
  return value;
}

const name = field("NAME", "name");
const owner = field("OWNER", "owner");

/** What packets get in a tunnel: a label, or a VNI, which says so. */
const label: Column<StateObject> = {
  heading: "LABEL",
  cell: (object) => {
    const vni = at(object, "vni");
    return vni === undefined ? at(object, "label") : `vni ${vni}`;
  },
};

/** One field of each object of a list. */
function list(object: StateObject, path: string, name: string): unknown {
  const objects = at(object, path);
  return Array.isArray(objects) ? objects.map((one: StateObject) => one[name]) : undefined;
}

/** Where a next hop leads: whatever its type has for it. */
function whereTo(object: StateObject): unknown {
  const fields = ["gateway", "remote", "device", "vrf"].map((name) => at(object, name));
  return fields.find((value) => value !== undefined) ?? list(object, "members", "nexthop");
}

const count = (heading: string, path: string): Column<StateObject> => ({
  heading,
  cell: (object) => {
    const list = at(object, path);
    return Array.isArray(list) ? list.length : 0;
  },
});

/** Code points and their classes: `46:5`. */
const classes = (heading: string, path: string): Column<StateObject> => ({
  heading,
  cell: (object) => {
    const map = at(object, path);
    return typeof map === "object" && map !== null ? Object.entries(map).map((entry) => entry.join(":")) : undefined;
  },
});

/** By kind; a kind that is not here shows its key and its owner. */
const byKind: Readonly<Record<string, readonly Column<StateObject>[]>> = {
  vrfs: [name, { heading: "UNKNOWN-UNICAST", cell: (object) => at(object, "unknownUnicast") ?? "drop" }, owner],
  interfaces: [
    name,
    { heading: "DEVICE", cell: (object) => at(object, "device") ?? at(object, "name") },
    field("ROLE", "role"),
    field("VRF", "vrf"),
    { heading: "HOOK", cell: (object) => at(object, "status.hook") ?? at(object, "hook") },
    field("STATE", "status.state"),
    { heading: "MAC", cell: (object) => at(object, "status.mac") ?? at(object, "mac") },
    field("ADDRESSES", "addresses"),
    field("POLICIES", "policies"),
    field("FLOWS", "status.flows.now"),
    owner,
  ],
  nexthops: [
    name,
    { heading: "TYPE", cell: (object) => at(object, "encap") ?? at(object, "type") },
    { heading: "TO", cell: whereTo },
    field("RESOLVED", "status.resolved"),
    { heading: "MAC", cell: (object) => at(object, "status.mac") ?? list(object, "status.paths", "mac") },
    owner,
  ],
  routes: [field("VRF", "vrf"), field("PREFIX", "prefix"), field("VIA", "via"), label, owner],
  fdb: [field("VRF", "vrf"), field("MAC", "mac"), field("VIA", "via"), label, owner],
  labels: [
    field("LABEL", "label"),
    field("VIA", "via"),
    { heading: "PAYLOAD", cell: (object) => at(object, "payload") ?? "ip" },
    owner,
  ],
  vnis: [field("VNI", "vni"), field("VRF", "vrf"), owner],
  sets: [name, count("PREFIXES", "prefixes"), owner],
  policies: [name, field("DEFAULT", "default"), count("RULES", "rules"), owner],
  mirrors: [
    name,
    field("SOURCE", "source.interface"),
    { heading: "DIRECTION", cell: (object) => at(object, "source.direction") ?? (at(object, "source") && "both") },
    field("VIA", "via"),
    label,
    field("PACKETS", "status.counters.packets"),
    field("DROPS", "status.counters.drops"),
    owner,
  ],
  qos: [name, classes("DSCP", "dscp"), classes("EXP", "exp"), classes("PCP", "pcp"), owner],
};

/** Columns of `weir get KIND`. */
export function columnsOf(kind: { readonly plural: string; readonly key: readonly string[] }) {
  return byKind[kind.plural] ?? [...kind.key.map((one) => field(one.toUpperCase(), one)), owner];
}

/** Columns of `weir flows`. */
export const flowColumns: readonly Column<StateObject>[] = [
  field("VRF", "vrf"),
  field("PROTO", "proto"),
  field("SRC", "src"),
  field("SPORT", "sport"),
  field("DST", "dst"),
  field("DPORT", "dport"),
  field("ACTION", "action"),
  field("STATE", "state"),
  field("PACKETS", "packets"),
  field("BYTES", "bytes"),
  field("LAST-SEEN", "lastSeen"),
  field("POLICY", "policy"),
  field("RULE", "rule"),
];

/** Columns of `weir drops`. */
export const dropColumns: readonly Column<DropCounter>[] = [
  { heading: "INTERFACE", cell: (drop) => drop.interface },
  { heading: "REASON", cell: (drop) => drop.reason },
  { heading: "PACKETS", cell: (drop) => drop.packets },
  { heading: "BYTES", cell: (drop) => drop.bytes },
];
