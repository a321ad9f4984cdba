// SPDX-License-Identifier: Apache-2.0
/** `/v1/nexthops`. Next hops. */

import type { Facade } from "../facade.ts";
import { namedResource } from "./named.ts";

export const nexthops = (facade: Facade) => namedResource(facade, "nexthops");
