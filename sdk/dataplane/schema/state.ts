// SPDX-License-Identifier: Apache-2.0
import { type FdbEntry, FdbSchema, type Label, LabelSchema, type Vni, VniSchema } from "./bridging.ts";
import { CLOSED } from "./common.ts";
import { type Interface, InterfaceSchema } from "./interface.ts";
import { type Mirror, MirrorSchema } from "./mirror.ts";
import { type Nexthop, NexthopSchema } from "./nexthop.ts";
import { type Node, NodeSchema } from "./node.ts";
import { type Policy, PolicySchema } from "./policy.ts";
import { type Qos, QosSchema } from "./qos.ts";
import { type Route, RouteSchema } from "./route.ts";
import { type PrefixSet, SetSchema } from "./set.ts";
import { type TObject, Type } from "./typebox.ts";
import { type Vrf, VrfSchema } from "./vrf.ts";

/** The object type of each kind. */
export interface KindObjects {
  readonly node: Node;
  readonly vrfs: Vrf;
  readonly interfaces: Interface;
  readonly nexthops: Nexthop;
  readonly routes: Route;
  readonly fdb: FdbEntry;
  readonly labels: Label;
  readonly vnis: Vni;
  readonly sets: PrefixSet;
  readonly policies: Policy;
  readonly mirrors: Mirror;
  readonly qos: Qos;
}

/** A kind of object, as the state document names it. */
export type Kind = keyof KindObjects;

/** Schema of one object of each kind, in the order of the document. */
export const kindSchemas = {
  node: NodeSchema,
  vrfs: VrfSchema,
  interfaces: InterfaceSchema,
  nexthops: NexthopSchema,
  routes: RouteSchema,
  fdb: FdbSchema,
  labels: LabelSchema,
  vnis: VniSchema,
  sets: SetSchema,
  policies: PolicySchema,
  mirrors: MirrorSchema,
  qos: QosSchema,
} as const satisfies Record<Kind, TObject>;

export const kinds = Object.keys(kindSchemas) as Kind[];

export const isKind = (text: string): text is Kind => Object.hasOwn(kindSchemas, text);

const list = <S extends TObject>(items: S) => Type.Optional(Type.Array(items));

/** The state document. */
export const StateSchema = Type.Object(
  {
    node: Type.Optional(NodeSchema),
    vrfs: list(VrfSchema),
    interfaces: list(InterfaceSchema),
    nexthops: list(NexthopSchema),
    routes: list(RouteSchema),
    fdb: list(FdbSchema),
    labels: list(LabelSchema),
    vnis: list(VniSchema),
    sets: list(SetSchema),
    policies: list(PolicySchema),
    mirrors: list(MirrorSchema),
    qos: list(QosSchema),
  },
  { ...CLOSED, $id: "weir-state", title: "Weir state document", description: "What one owner wants of a node." },
);

/** What one owner wants of a node: the state document. */
export interface State {
  readonly node?: Node;
  readonly vrfs?: readonly Vrf[];
  readonly interfaces?: readonly Interface[];
  readonly nexthops?: readonly Nexthop[];
  readonly routes?: readonly Route[];
  readonly fdb?: readonly FdbEntry[];
  readonly labels?: readonly Label[];
  readonly vnis?: readonly Vni[];
  readonly sets?: readonly PrefixSet[];
  readonly policies?: readonly Policy[];
  readonly mirrors?: readonly Mirror[];
  readonly qos?: readonly Qos[];
}

/** The state document's JSON Schema (draft 2020-12), as plain data. */
export function stateJsonSchema(): Record<string, unknown> {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...JSON.parse(
      JSON.stringify(StateSchema, (key, value) => (key === "expects" || isOwnFormat(key, value) ? undefined : value)),
    ),
  };
}

// Formats of our own mean nothing to others; the description says what is expected.
function isOwnFormat(key: string, value: unknown): boolean {
  return key === "format" && typeof value === "string" && value.startsWith("weir-");
}
