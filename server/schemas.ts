// SPDX-License-Identifier: Apache-2.0
/** Schemas of what only the façade has: queries, operations, problems, and the JSON output of contract §3. */

import { eventKinds, kindSchemas, StateSchema } from "../sdk/index.ts";
import { MAX_PAGE } from "./paging.ts";
import { type TSchema, Type } from "./typebox.ts";

const text = (description: string) => Type.String({ description });
const count = (description: string) => Type.Integer({ minimum: 0, description });
const port = Type.Optional(Type.String({ pattern: "^[0-9]{1,5}$", description: "Port, or ICMP identifier." }));

/** An RFC 9457 problem document. */
export const problemSchema = Type.Object({
  type: text("Always about:blank: the status says the kind, `code` the cause."),
  title: text("Phrase of the status."),
  status: Type.Integer({ description: "HTTP status." }),
  detail: text("One line: what could not be done, why, and what to do."),
  code: Type.Optional(text("Stable name of the cause: an errno name or one of Weir's own.")),
  field: Type.Optional(text("JSON pointer (RFC 6901) to the field of the request body at fault.")),
});

/** Query of a paged list. */
export const pageQuery = Type.Object({
  limit: Type.Optional(
    Type.String({ pattern: "^[1-9][0-9]{0,8}$", description: `Objects in a page; at most ${MAX_PAGE}.` }),
  ),
  cursor: Type.Optional(
    Type.String({ pattern: "^[0-9]{1,9}$", description: "From the Link header of the last page." }),
  ),
});

/** Query of a list of what is in VRFs. */
export const inVrfQuery = Type.Composite([
  pageQuery,
  Type.Object({ vrf: Type.Optional(text("Only those of this VRF.")) }),
]);

/** Query that names the owner of what is written. */
export const ownerQuery = Type.Object({
  owner: Type.Optional(Type.String({ minLength: 1, description: "Owner of the objects. Default: state." })),
});

/** Query that selects flows: all that is given must match. */
export const flowQuery = Type.Object({
  vrf: Type.Optional(text("VRF.")),
  proto: Type.Optional(text("tcp, udp, icmp, icmpv6, or a protocol number.")),
  src: Type.Optional(text("Source address or prefix.")),
  dst: Type.Optional(text("Destination address or prefix.")),
  sport: port,
  dport: port,
});

/** Query that selects drop counters. */
export const dropQuery = Type.Object({
  interface: Type.Optional(text("Only drops of this interface.")),
  reason: Type.Optional(text("Only drops for this reason.")),
});

/** Query that selects events. */
export const eventQuery = Type.Object({
  kinds: Type.Optional(
    Type.String({
      pattern: `^(${eventKinds.join("|")})(,(${eventKinds.join("|")}))*$`,
      description: `Kinds, with commas between them. Default: all (${eventKinds.join(", ")}).`,
    }),
  ),
  buffer: Type.Optional(
    Type.String({
      pattern: "^[1-9][0-9]{0,4}$",
      description: "Events that may wait for a slow reader, 1 to 99999. Default 1024.",
    }),
  ),
});

/** The data of one event of the stream. */
export const eventSchema = Type.Object(
  {
    kind: text(`${eventKinds.join(", ")}; or lost, which tells how many events the reader missed.`),
    time: Type.String({ format: "date-time", description: "RFC 3339." }),
    count: Type.Optional(count("lost: events that the reader missed.")),
    interface: Type.Optional(
      text("flow-miss, flow-end, packet, drop, log: interface that the packet came from. interface: which one."),
    ),
    flow: Type.Optional(
      Type.Object(
        {},
        {
          additionalProperties: true,
          description: "flow-miss, drop, log: key of the packet's flow; flow-end: of the direction that began.",
        },
      ),
    ),
    reverse: Type.Optional(
      Type.Object(
        {},
        { additionalProperties: true, description: "flow-end: key, packets and bytes of what answered the flow." },
      ),
    ),
    packets: Type.Optional(count("flow-end: packets of the direction that began.")),
    bytes: Type.Optional(count("flow-end: bytes of the direction that began, from the IP header on.")),
    firstSeen: Type.Optional(text("flow-end: when the flow was decided first, RFC 3339.")),
    lastSeen: Type.Optional(text("flow-end: its last packet in either direction, RFC 3339.")),
    policy: Type.Optional(text("flow-end, drop, log: policy that decided.")),
    rule: Type.Optional(text("flow-end, drop, log: rule that decided.")),
    reason: Type.Optional(text("flow-end, drop: why, kebab-case. interface: why the device of the name is not taken.")),
    hook: Type.Optional(text("drop: who dropped it: xdp, tc or slow-path.")),
    state: Type.Optional(text("interface: up, down or waiting, as in its status.")),
    device: Type.Optional(text("interface: the device that it has or waits for.")),
    head: Type.Optional(text("drop: the packet's first bytes, at most 128, in hex.")),
    length: Type.Optional(count("packet, drop: bytes of the frame.")),
  },
  { additionalProperties: true },
);

/** One operation of `PATCH /v1/state`. */
export const operationSchema = Type.Union([
  Type.Object({
    op: Type.Literal("put"),
    kind: text("Kind of the object: routes, interfaces."),
    object: Type.Object({}, { additionalProperties: true, description: "As in the state document." }),
  }),
  Type.Object({
    op: Type.Literal("delete"),
    kind: text("Kind of the object: routes, interfaces."),
    key: Type.Union([
      text("Name of the object."),
      Type.Object({}, { additionalProperties: true, description: "Key fields of an object without a name." }),
    ]),
  }),
]);

/** One line of a difference. */
export const changeSchema = Type.Object({
  action: Type.Union([Type.Literal("add"), Type.Literal("update"), Type.Literal("remove")]),
  kind: text("Kind of the object in the singular."),
  key: text("Key of the object: `h0`, `red 10.97.0.2/32`."),
  text: text("The line itself: `+ route red 10.97.0.2/32`."),
});

/** Answer to a write of the state. */
export const changesSchema = Type.Object({
  revision: count("Revision of the state after the write; also the ETag."),
  changes: Type.Array(changeSchema),
  warnings: Type.Optional(
    Type.Array(Type.String(), { description: "What the changed interfaces do not do as well as they could." }),
  ),
});

/** Answer to a dry run. */
export const planSchema = Type.Object({
  changes: Type.Array(changeSchema),
  memoryBytes: Type.Integer({ description: "Kernel memory that the change adds, in bytes." }),
  flows: count("Established flows that would be decided again."),
});

/** Packets that one interface dropped for one reason. */
export const dropSchema = Type.Object({
  interface: text("Interface."),
  reason: text("Reason, kebab-case."),
  packets: count("Packets."),
  bytes: count("Bytes."),
});

/** One direction of a flow. */
export const flowSchema = Type.Object({
  vrf: text("VRF."),
  proto: text("Protocol: tcp, udp, icmp, icmpv6, or its number."),
  src: text("Source address."),
  sport: count("Source port, or ICMP identifier."),
  dst: text("Destination address."),
  dport: count("Destination port, or ICMP identifier."),
  action: text("forward, drop, nat or hold."),
  state: text("State of the connection."),
  packets: count("Packets."),
  bytes: count("Bytes."),
  lastSeen: Type.String({ format: "date-time", description: "RFC 3339." }),
  policy: Type.Optional(text("Policy that decided.")),
  rule: Type.Optional(text("Rule that decided.")),
  mirror: Type.Optional(text("Mirror that gets copies of its packets.")),
  translate: Type.Optional(
    Type.Object(
      {},
      { additionalProperties: true, description: "Action nat: what its packets become, source and destination." },
    ),
  ),
  generation: count("Grows with each decision on this key."),
  reverse: Type.Object({}, { additionalProperties: true, description: "Key of the other direction." }),
});

/** A schema of the SDK as others read it: without the keywords that mean something to the SDK alone. */
function plain(schema: TSchema): TSchema {
  const foreign = (key: string, value: unknown) =>
    key === "expects" || (key === "format" && typeof value === "string" && value.startsWith("weir-"));
  return JSON.parse(JSON.stringify(schema, (key, value) => (foreign(key, value) ? undefined : value)));
}

/** The state document. */
export const stateSchema: TSchema = plain(StateSchema);

/** An object as it is written. */
export const writtenSchema = (kind: keyof typeof kindSchemas): TSchema => plain(kindSchemas[kind]);

/** An object as it is read: with its owner and what it is like in the kernel. */
export function readSchema(kind: keyof typeof kindSchemas): TSchema {
  const written = writtenSchema(kind);
  const { properties, required } = written as { properties?: object; required?: string[] };
  const status = { type: "object", description: "Live status; counters are since the interface was added." };
  return {
    ...written,
    properties: { ...properties, owner: { type: "string", description: "Whose object it is." }, status },
    required: [...(required ?? []), "owner", "status"],
  };
}

/** Numbers of an answer that the SDK names itself. */
export const usageSchema = Type.Object(
  {
    tables: Type.Record(Type.String(), Type.Object({ used: count("Entries in use."), limit: count("Most entries.") })),
    slowPath: Type.Object({}, { additionalProperties: true, description: "Counters of the slow path." }),
    dropSamples: Type.Object(
      {
        sampled: count("Samples taken."),
        limited: count("Drops without a sample, because of node.dropSamplesPerSecond."),
        lost: count("Samples that found no room."),
      },
      { description: "Samples of what the kernel programs dropped while somebody read drop events." },
    ),
    flowEnds: Type.Object(
      { told: count("Flows whose end was told of."), lost: count("Ends that found no room.") },
      { description: "Flows that ended while somebody read flow-end events." },
    ),
    handlerErrors: Type.Object(
      { flowMiss: count("Of onFlowMiss."), packet: count("Of onPacket.") },
      { description: "Calls of the controller's handlers that failed." },
    ),
  },
  { additionalProperties: true },
);
