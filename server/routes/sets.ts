// SPDX-License-Identifier: Apache-2.0
/** `/v1/sets`. Sets of prefixes that policies refer to. */

import type { Facade } from "../facade.ts";
import { namedResource } from "./named.ts";

export const sets = (facade: Facade) => namedResource(facade, "sets");
