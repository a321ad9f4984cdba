// SPDX-License-Identifier: Apache-2.0
/** The state document: schemas, types, validation. */
export { type FdbEntry, FdbSchema, type Label, LabelSchema, type Vni, VniSchema } from "./bridging.ts";
export { APPLY_STATE, below, INVALID_STATE, invalid } from "./errors.ts";
export { type NewFlows, NewFlowsSchema } from "./flow_guard.ts";
export { DEFAULT_GATEWAYS, type HostService, type Interface, InterfaceSchema } from "./interface.ts";
export { type KernelRoutesConfig, KernelRoutesSchema } from "./kernel_routes.ts";
export { fdbKey, type Key, keyOf, keyText, NODE_KEY, routeKey, splitKey } from "./keys.ts";
export { type Mirror, MirrorSchema } from "./mirror.ts";
export {
  type Encap,
  type HashField,
  type Nexthop,
  type NexthopMember,
  NexthopSchema,
  RESERVED_NEXTHOPS,
} from "./nexthop.ts";
export {
  DEFAULT_BUSY_POLL_BUDGET,
  DEFAULT_DROP_SAMPLES,
  DEFAULT_GATEWAY_MAC,
  DEFAULT_HOLD_LIMIT,
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  DEFAULT_WORKER_PRIORITY,
  DEFAULT_WORKERS,
  type Limits,
  MAX_WORKERS,
  type Node,
  NodeSchema,
  type Timeouts,
} from "./node.ts";
export type { Order } from "./order.ts";
export { type Policy, PolicySchema, type Rule } from "./policy.ts";
export { MAX_CLASS, type Police, type Policer, type Qos, QosSchema } from "./qos.ts";
export { type Route, RouteSchema } from "./route.ts";
export { type PrefixSet, SetSchema } from "./set.ts";
export {
  isKind,
  type Kind,
  type KindObjects,
  kindSchemas,
  kinds,
  type State,
  StateSchema,
  stateJsonSchema,
} from "./state.ts";
export { checkObject, checkState, pointerOf, splitState, unknownKind } from "./validate.ts";
export { type Vrf, VrfSchema } from "./vrf.ts";
