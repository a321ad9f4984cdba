// SPDX-License-Identifier: Apache-2.0
/** Policy routing rules, which choose the table that a packet's route is looked up in (`linux/fib_rules.h`). */

import type { Family } from "../address.ts";
import { AttributeTable } from "./attribute.ts";
import {
  familyNumber,
  ipFamily,
  LITTLE_ENDIAN,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_DELRULE,
  RTM_GETRULE,
  RTM_NEWRULE,
} from "./constants.ts";
import { addressText, wirePrefix } from "./ip.ts";
import type { MessageWriter, NetlinkMessage } from "./message.ts";
import { routeProtocols } from "./route_decode.ts";
import type { NetlinkSocket } from "./socket.ts";

/**
 * Bytes of `struct fib_rule_hdr`: u8 family, u8 destination length, u8 source length, u8 type of service,
 * u8 table, u8, u8, u8 action, u32 flags.
 */
const RULE_HEADER_SIZE = 12;

const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_GOTO = 4;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_OIFNAME = 17;
const FRA_L3MDEV = 19;
const FRA_PROTOCOL = 21;
const FRA_IP_PROTO = 22;
const FRA_SPORT_RANGE = 23;
const FRA_DPORT_RANGE = 24;

const FIB_RULE_INVERT = 0x2;

/** The kernel's "all prefix lengths are taken". */
const NOT_SUPPRESSED = 0xffffffff;

/** What a rule does with a packet that it matches; the index is the kernel's number (`FR_ACT_*`). */
const ruleActions = [
  "unspecified",
  "lookup",
  "goto",
  "nop",
  "reserved",
  "reserved",
  "blackhole",
  "unreachable",
  "prohibit",
] as const;
export type RuleAction = (typeof ruleActions)[number];

/** A range of ports, both ends included. */
export interface RulePorts {
  readonly first: number;
  readonly last: number;
}

/** A policy routing rule. What is `undefined` matches every packet. */
export interface RuleInfo {
  readonly family: Family;
  /** Rules are tried from the lowest on. */
  readonly priority: number;
  readonly action: RuleAction;
  /** Table of a `lookup`; 0 where the master device's own table is meant (`l3mdev`). */
  readonly table: number;
  /** Priority of the rule that a `goto` goes on with. */
  readonly goto: number | undefined;
  /** With its length. */
  readonly source: string | undefined;
  readonly destination: string | undefined;
  /** Name of the link that the packet came in by. */
  readonly inputDevice: string | undefined;
  /** Name of the link that the sender's socket is bound to. */
  readonly outputDevice: string | undefined;
  /** Mark of the packet, compared under the mask. */
  readonly mark: { readonly value: number; readonly mask: number } | undefined;
  /** DSCP and ECN as one byte; 0 matches all. */
  readonly typeOfService: number;
  /** Protocol number behind the IP header. */
  readonly ipProtocol: number | undefined;
  readonly sourcePorts: RulePorts | undefined;
  readonly destinationPorts: RulePorts | undefined;
  /** For the table of the VRF device that the packet's link belongs to. */
  readonly l3mdev: boolean;
  /** The rule matches what its conditions do not. */
  readonly inverted: boolean;
  /** A route that was found is passed over if its prefix is this short or shorter. */
  readonly suppressPrefixLength: number | undefined;
  /** Who made the rule (`RTPROT_*`, see `routeProtocols`). */
  readonly protocol: number;
}

/** A rule to be added or deleted. What is left out matches every packet; of a rule to be deleted, everything. */
export interface RuleSpec {
  readonly family: Family;
  /** Default: before all rules but the one for local addresses (the kernel's choice). */
  readonly priority?: number | undefined;
  /** Default `lookup`, `goto` where that is given. */
  readonly action?: RuleAction | undefined;
  /** Table of a `lookup`. Needed unless `l3mdev` or another action is given. */
  readonly table?: number | undefined;
  readonly goto?: number | undefined;
  readonly source?: string | undefined;
  readonly destination?: string | undefined;
  readonly inputDevice?: string | undefined;
  readonly outputDevice?: string | undefined;
  readonly mark?: { readonly value: number; readonly mask?: number | undefined } | undefined;
  readonly typeOfService?: number | undefined;
  readonly ipProtocol?: number | undefined;
  readonly sourcePorts?: RulePorts | undefined;
  readonly destinationPorts?: RulePorts | undefined;
  readonly l3mdev?: boolean | undefined;
  readonly inverted?: boolean | undefined;
  readonly suppressPrefixLength?: number | undefined;
  /** Default `static` for additions. See `routeProtocols`. */
  readonly protocol?: number | undefined;
}

const attributes = new AttributeTable(FRA_DPORT_RANGE);

/** Decodes an `RTM_NEWRULE` or `RTM_DELRULE` message; `undefined` for families other than IP. */
export function decodeRule(message: NetlinkMessage): RuleInfo | undefined {
  const { view, start } = message;
  const family = ipFamily(view.getUint8(start));
  if (family === undefined) return undefined;
  const a = attributes.read(message, start + RULE_HEADER_SIZE, message.end);
  const mark = a.u32(FRA_FWMARK);
  const suppress = a.u32(FRA_SUPPRESS_PREFIXLEN);
  return {
    family,
    priority: a.u32(FRA_PRIORITY) ?? 0,
    action: ruleActions[view.getUint8(start + 7)] ?? "unspecified",
    table: a.u32(FRA_TABLE) ?? view.getUint8(start + 4),
    goto: a.u32(FRA_GOTO),
    source: prefixText(a.bytes(FRA_SRC), view.getUint8(start + 2)),
    destination: prefixText(a.bytes(FRA_DST), view.getUint8(start + 1)),
    inputDevice: a.string(FRA_IIFNAME),
    outputDevice: a.string(FRA_OIFNAME),
    mark: mark === undefined ? undefined : { value: mark, mask: a.u32(FRA_FWMASK) ?? 0xffffffff },
    typeOfService: view.getUint8(start + 3),
    ipProtocol: a.u8(FRA_IP_PROTO),
    sourcePorts: portsOf(message, a, FRA_SPORT_RANGE),
    destinationPorts: portsOf(message, a, FRA_DPORT_RANGE),
    l3mdev: (a.u8(FRA_L3MDEV) ?? 0) !== 0,
    inverted: (view.getUint32(start + 8, LITTLE_ENDIAN) & FIB_RULE_INVERT) !== 0,
    suppressPrefixLength: suppress === NOT_SUPPRESSED ? undefined : suppress,
    protocol: a.u8(FRA_PROTOCOL) ?? 0,
  };
}

function prefixText(address: Uint8Array | undefined, length: number): string | undefined {
  return address === undefined ? undefined : `${addressText(address)}/${length}`;
}

/** `struct fib_rule_port_range`: u16 first, u16 last. */
function portsOf({ view }: NetlinkMessage, a: AttributeTable, type: number): RulePorts | undefined {
  const at = a.start(type);
  if (at === 0 || a.end(type) - at < 4) return undefined;
  return { first: view.getUint16(at, LITTLE_ENDIAN), last: view.getUint16(at + 2, LITTLE_ENDIAN) };
}

/** The rules of the namespace, in the order in which each family's are tried. */
export function listRules(socket: NetlinkSocket, family?: Family): RuleInfo[] {
  const wanted: readonly Family[] = family === undefined ? [4, 6] : [family];
  return wanted.flatMap((one) =>
    socket.dump(
      "list rules",
      RTM_GETRULE,
      (writer) => writer.view.setUint8(writer.reserve(RULE_HEADER_SIZE), familyNumber(one)),
      decodeRule,
    ),
  );
}

/** Adds a rule. @throws WeirError `EEXIST`, `EINVAL` with the kernel's explanation */
export function addRule(socket: NetlinkSocket, spec: RuleSpec): void {
  socket.request(`add ${ruleText(spec)}`, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, (writer) =>
    writeRule(writer, spec, spec.protocol ?? routeProtocols.static),
  );
}

/** Deletes the first rule that has all given properties. @throws WeirError `ENOENT` if there is none */
export function deleteRule(socket: NetlinkSocket, spec: RuleSpec): void {
  socket.request(`delete ${ruleText(spec)}`, RTM_DELRULE, 0, (writer) => writeRule(writer, spec, spec.protocol));
}

function ruleText({ family, priority }: RuleSpec): string {
  return `IPv${family} rule${priority === undefined ? "" : ` ${priority}`}`;
}

function writeRule(writer: MessageWriter, spec: RuleSpec, protocol: number | undefined): void {
  const source = spec.source === undefined ? undefined : wirePrefix(spec.source);
  const destination = spec.destination === undefined ? undefined : wirePrefix(spec.destination);
  const action = spec.action ?? (spec.goto === undefined ? "lookup" : "goto");
  const header = writer.reserve(RULE_HEADER_SIZE);
  const { view } = writer;
  view.setUint8(header, familyNumber(spec.family));
  view.setUint8(header + 1, destination?.length ?? 0);
  view.setUint8(header + 2, source?.length ?? 0);
  view.setUint8(header + 3, spec.typeOfService ?? 0);
  view.setUint8(header + 7, ruleActions.indexOf(action));
  view.setUint32(header + 8, spec.inverted === true ? FIB_RULE_INVERT : 0, LITTLE_ENDIAN);
  if (destination !== undefined) writer.bytes(FRA_DST, destination.bytes);
  if (source !== undefined) writer.bytes(FRA_SRC, source.bytes);
  const words = [
    [FRA_PRIORITY, spec.priority],
    [FRA_TABLE, spec.table],
    [FRA_GOTO, spec.goto],
    [FRA_FWMARK, spec.mark?.value],
    [FRA_FWMASK, spec.mark?.mask],
    [FRA_SUPPRESS_PREFIXLEN, spec.suppressPrefixLength],
  ] as const;
  for (const [type, value] of words) if (value !== undefined) writer.u32(type, value);
  if (spec.inputDevice !== undefined) writer.string(FRA_IIFNAME, spec.inputDevice);
  if (spec.outputDevice !== undefined) writer.string(FRA_OIFNAME, spec.outputDevice);
  if (spec.ipProtocol !== undefined) writer.u8(FRA_IP_PROTO, spec.ipProtocol);
  if (spec.l3mdev === true) writer.u8(FRA_L3MDEV, 1);
  if (protocol !== undefined) writer.u8(FRA_PROTOCOL, protocol);
  writePorts(writer, FRA_SPORT_RANGE, spec.sourcePorts);
  writePorts(writer, FRA_DPORT_RANGE, spec.destinationPorts);
}

function writePorts(writer: MessageWriter, type: number, ports: RulePorts | undefined): void {
  if (ports === undefined) return;
  const range = new Uint8Array(4);
  const view = new DataView(range.buffer);
  view.setUint16(0, ports.first, LITTLE_ENDIAN);
  view.setUint16(2, ports.last, LITTLE_ENDIAN);
  writer.bytes(type, range);
}
