// SPDX-License-Identifier: Apache-2.0
import { CLOSED, integer, name, oneOf, prefix, reference } from "./common.ts";
import { type Static, Type } from "./typebox.ts";

const defaultAction = oneOf(["allow", "deny", "ask"], "Decides flows that no rule decided.", "deny");

const peer = Type.Union(
  [
    prefix("A prefix."),
    Type.Object({ set: reference("Name of a set.") }, { ...CLOSED, description: "The prefixes of a set." }),
  ],
  { description: "A prefix, or the prefixes of a set.", expects: "a prefix or { set: NAME }" },
);

const peers = (description: string) =>
  Type.Optional(Type.Array(peer, { maxItems: 4096, description, expects: "a list of prefixes and { set: NAME }" }));

const exceptions = Type.Optional(
  Type.Array(prefix("A prefix."), {
    maxItems: 4096,
    description: "Prefixes taken out of `from` (direction ingress) or `to` (direction egress).",
    expects: "a list of prefixes",
  }),
);

const ports = (description: string) =>
  Type.Optional(
    Type.Array(
      Type.Union(
        [
          integer(0, 65_535, "A port."),
          Type.String({
            format: "weir-ports",
            description: "First and last port.",
            expects: 'a range such as "8000-8080"',
          }),
        ],
        {
          description: "A port or a range of ports.",
          expects: 'a port from 0 to 65535 or a range such as "8000-8080"',
        },
      ),
      { maxItems: 1024, description, expects: 'a list of ports and ranges such as "8000-8080"' },
    ),
  );

export const RuleSchema = Type.Object(
  {
    name: Type.Optional(name("Reported with the flows that it decided.")),
    action: oneOf(
      ["allow", "deny", "reject", "log", "pass", "ask"],
      "allow, deny (silent drop), reject (TCP RST or ICMP), log (and go on), pass (to the next policy), ask (the controller).",
    ),
    direction: oneOf(["ingress", "egress"], "Of the workload: ingress is towards it."),
    proto: Type.Optional(
      Type.Union(
        [
          oneOf(
            ["any", "tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp"],
            "A protocol's name; icmp is IPv4's.",
            "any",
          ),
          integer(0, 255, "An IP protocol number."),
        ],
        {
          description: "Protocol. Default: any.",
          expects: "one of any, tcp, udp, icmp, icmpv6, sctp, gre, esp or an IP protocol number from 0 to 255",
        },
      ),
    ),
    ports: ports("Destination ports, proto tcp, udp or sctp. Absent: all."),
    sourcePorts: ports("Source ports, proto tcp, udp or sctp. Absent: all."),
    types: Type.Optional(
      Type.Array(
        Type.Union(
          [
            integer(0, 255, "An ICMP type."),
            Type.String({
              format: "weir-icmp-type",
              description: "Type and code.",
              expects: 'a type and code such as "3/4"',
            }),
          ],
          {
            description: "An ICMP type, or type and code.",
            expects: 'a type from 0 to 255 or a type and code such as "3/4"',
          },
        ),
        {
          maxItems: 256,
          description: "ICMP types, proto icmp or icmpv6. Absent: all.",
          expects: "a list of ICMP types",
        },
      ),
    ),
    from: peers("Source addresses. Absent: all."),
    to: peers("Destination addresses. Absent: all."),
    except: exceptions,
    mirror: Type.Optional(
      reference(
        "Mirror that gets copies of the flows that it matches, both directions. The first one of the rules that match counts, of log and pass too.",
      ),
    ),
  },
  { ...CLOSED, description: "One rule; stateful: replies and related ICMP errors of an allowed flow pass." },
);

export const PolicySchema = Type.Object(
  {
    name: name("Key."),
    default: Type.Optional(
      Type.Union(
        [
          defaultAction,
          Type.Object({ ingress: Type.Optional(defaultAction), egress: Type.Optional(defaultAction) }, CLOSED),
        ],
        {
          description:
            "Of an interface's first policy: decides what no rule decided, for both directions or each. Default: deny.",
          expects: "allow, deny or ask, or { ingress, egress } of these",
        },
      ),
    ),
    rules: Type.Optional(
      Type.Array(RuleSchema, {
        maxItems: 65_536,
        description: "In order; the first decision stands.",
        expects: "a list of rules",
      }),
    ),
  },
  { ...CLOSED, description: "Ordered stateful rules." },
);

/** One rule of a policy. */
export type Rule = Static<typeof RuleSchema>;
/** Ordered stateful rules. */
export type Policy = Static<typeof PolicySchema>;
