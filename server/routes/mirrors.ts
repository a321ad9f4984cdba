// SPDX-License-Identifier: Apache-2.0
/** `/v1/mirrors`. Copies of packets. */

import type { Facade } from "../facade.ts";
import { namedResource } from "./named.ts";

export const mirrors = (facade: Facade) => namedResource(facade, "mirrors");
