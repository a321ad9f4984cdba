// SPDX-License-Identifier: Apache-2.0
/** `/v1/policies`. Policies: ordered stateful rules. */

import type { Facade } from "../facade.ts";
import { namedResource } from "./named.ts";

export const policies = (facade: Facade) => namedResource(facade, "policies");
