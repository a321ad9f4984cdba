// SPDX-License-Identifier: Apache-2.0
/** `/v1/vnis`. VNIs of received packets. */

import type { Facade } from "../facade.ts";
import { namedResource } from "./named.ts";

export const vnis = (facade: Facade) => namedResource(facade, "vnis");
