// SPDX-License-Identifier: Apache-2.0
/** `/v1/interfaces`. Interfaces: devices that Weir forwards between. */

import type { Facade } from "../facade.ts";
import { namedResource } from "./named.ts";

export const interfaces = (facade: Facade) => namedResource(facade, "interfaces");
